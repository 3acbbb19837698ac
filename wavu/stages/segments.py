"""A phone for each segment of speech, by a voice that reads the text or by counts alone."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from wavu.audio.frontend import FRONT_END, FrontEnd
from wavu.audio.kmeans import assign, fit_kmeans
from wavu.audio.seen import in_words
from wavu.decipher import reading
from wavu.decipher.channel import passed
from wavu.decipher.classifier import Classifier, Whitening
from wavu.decipher.full_sum import full_sum
from wavu.decipher.grammar import Grammar
from wavu.decipher.matching import skipgrams
from wavu.decipher.table import find_table, n_reports
from wavu.decode.align import align
from wavu.decode.topology import Topology
from wavu.errors import WavuError
from wavu.invent.speech import Voice
from wavu.prepared import Speech, Text
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.selection import Judge
from wavu.settings.segments import DecipherSegments, Reading
from wavu.stage import Stage, fingerprint, finished
from wavu.store import write_json
from wavu.text import phonemise
from wavu.text.ngram import read_arpa
from wavu.text.silence import phones_of
from wavu.units import HOP_SECONDS, RATE_HZ, duration_words

MAKES = (*Ragged.files("labels", "starts"), "found.json", *FRONT_END)
SURE = 1e-4  # added to every share: nothing is ruled out from the start
HALF = 0.5  # of an HMM whose durations nobody knows: probability of one more frame in each sub-state


def decipher_segments(settings: DecipherSegments) -> None:
    """Find a start and refine it by the full sum."""
    folders = {"audio": settings.audio, "text": settings.text}
    records = {name: finished(folder, f"prepare_{name}") for name, folder in folders.items()}
    written = records["text"]["config"]
    voice = _voice(settings.voice, str(written["language"]))
    inputs = {name: fingerprint(record) for name, record in records.items()}
    stage = Stage(settings, command="decipher_segments", inputs=inputs, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    speech, text = Speech.read(folders["audio"]), Text.read(folders["text"])
    front = FrontEnd.read(folders["audio"] / "frontend")
    with stage.run() as counts:
        problem = Problem(speech, text, settings)
        if voice:
            shares = _read_aloud(problem, front, voice, settings)
            shares, fit = _refined(shares, problem, settings, rounds=settings.rounds.voice)
        else:
            shares, fit = _by_counts(problem, settings)
        counts |= _written(problem, shares, fit, voice, front, settings, stage.out_dir)
        front.write(stage.out_dir / "frontend")
    _report(counts, stage.out_dir)


def _voice(wanted: str | None, language: str) -> str | None:
    """The espeak-ng voice that reads the text; None for none.

    Raises:
        WavuError: there is no such voice.
    """
    if wanted in (None, "none"):
        return None
    if wanted == "auto":
        if language in phonemise.languages():
            return language
        say(
            f"note: espeak-ng has no voice for '{language}'; segments are named by counts alone. The voice of a language that is "
            "spelled and pronounced alike would be a better start: voice=NAME"
        )
        return None
    phonemise.check_language(wanted)
    return wanted


class Problem:
    """What a decipherment works on.

    features (S, D), white, and offsets of utterances: of the segments. speech, text: as prepared. lines: phones of the text. grammar:
    of the text as the channel lets it through. n_phones: V, without silence.
    """

    def __init__(self, speech: Speech, text: Text, settings: DecipherSegments) -> None:
        """Whiten the segments and send the text through the channel.

        Raises:
            WavuError: there are fewer segments than clusters.
        """
        if len(speech.segments.flat) < settings.search.clusters:
            raise WavuError(f"{settings.audio} has {len(speech.segments.flat)} segments, too few to decipher; give more audio")
        self.speech, self.text, self.lines, self.n_phones = speech, text, phones_of(text), len(text.phones) - 1
        self.noise = np.random.default_rng(settings.seed)
        self.offsets = speech.segments.offsets
        self.features = Whitening.fit(speech.segments.flat, dims=settings.classifier.dims)(speech.segments.flat)
        self.grammar = Grammar.of(passed(self.lines, **settings.channel.plain(), generator=self.noise), self.n_phones, order=3)


def _refined(shares: Tensor, problem: Problem, settings: DecipherSegments, *, rounds: int) -> tuple[Tensor, float]:
    """Shares (S, V) after the full sum, and its log likelihood per segment."""
    with track("full sum", rounds, "rounds") as advance:
        return full_sum(
            problem.features, shares, problem.grammar, problem.offsets, rounds=rounds, exponent=settings.classifier.exponent,
            shrinkage=settings.classifier.shrinkage, report=lambda value: advance(note=f"log likelihood {value:.3f}"),
        )  # fmt: skip


# A voice reads the text


def _read_aloud(problem: Problem, front: FrontEnd, voice: str, settings: DecipherSegments) -> Tensor:
    """How likely each segment (S, V) is each phone by a classifier that learned from a voice."""
    V = problem.n_phones
    words = _some_sentences(problem, settings)
    frames = _spoken(words, front, voice, problem.noise, settings.reading)
    white = Whitening.fit(frames.flat, dims=settings.reading.dims)
    spelled = [np.concatenate([phones for _, phones in line]) for line in words]
    with track("aligning", settings.reading.turns, "turns") as advance:
        classifier, _ = reading.learn(
            white(frames.flat), reading.flat_start(frames.lengths, Ragged.of(spelled, np.int64), V),
            aligner([[phones for _, phones in line] for line in words], V), n_phones=V + 1,
            turns=settings.reading.turns, shrinkage=settings.reading.shrinkage,
            report=lambda changed: advance(note=f"{100 * changed:.1f} % of the frames changed"),
        )  # fmt: skip
    return _pooled(problem.speech, partial(_heard, white=white, classifier=classifier, n_phones=V))


def aligner(lines: list[list[np.ndarray]], n_phones: int) -> Callable[[np.ndarray, int], np.ndarray | None]:
    """What :func:`wavu.decipher.reading.learn` aligns with. lines: the phones of the words of each sentence; silence may stand between."""
    shape = (n_phones + 1, 2)
    topology = Topology.hmm(*shape, log_stay=np.full(shape, np.log(HALF)), log_leave=np.full(shape, np.log(1 - HALF)))

    def aligned(scores: np.ndarray, number: int) -> np.ndarray | None:
        columns = align(scores.repeat(2, axis=1), lines[number], topology)
        return None if columns is None else columns // 2

    return aligned


def _some_sentences(problem: Problem, settings: DecipherSegments) -> list[list[tuple[str, np.ndarray]]]:
    """Sentences to be read, drawn at random: their words, each with its phones."""
    text = problem.text
    fit = np.flatnonzero(text.lines.lengths <= settings.reading.longest)
    if not len(fit):
        raise WavuError(f"all sentences of {settings.text} have more than reading.longest={settings.reading.longest} words")
    rows = problem.noise.permutation(fit)[: settings.reading.sentences]
    return [[(text.words[word], text.pronunciations[word]) for word in text.lines[row]] for row in rows]


def _spoken(words: list, front: FrontEnd, voice: str, noise: np.random.Generator, settings: Reading) -> Ragged:
    """Frames (N, d) of sentences, each read by a speaker of its own, as the front end hears them."""
    found, seconds = [], 0.0
    with track(f"reading with voice {voice}", len(words), "sentences") as advance:
        for number, line in enumerate(words):
            variant = settings.speakers[number % len(settings.speakers)]
            pitch, rate = (int(noise.integers(*ends)) for ends in (settings.pitch, settings.words_per_minute))
            waveform = (
                Voice(voice + variant, pitch=pitch, words_per_minute=rate).speak(" ".join(word for word, _ in line)).waveform
            )
            waveform = waveform + settings.noise * noise.standard_normal(len(waveform)).astype(np.float32)
            speech, _ = front.listen(waveform)
            speech = speech if len(speech) else waveform
            seconds += len(speech) / RATE_HZ
            found.append(np.asarray(front.frames(front.encode([speech])).flat, np.float32))
            advance(note=duration_words(seconds))
    return Ragged.of(found, np.float32)


def _heard(frames: np.ndarray, *, white: Whitening, classifier: Classifier, n_phones: int) -> np.ndarray:
    """Posteriors (N, V) of frames (N, d), silence left out."""
    return classifier.log_likelihood(white(frames))[:, :n_phones].softmax(1).numpy()


def _pooled(speech: Speech, posteriors: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """Mean posteriors (S, V) of the frames of each segment."""
    found = []
    for frames, starts in zip(speech.frames, speech.starts, strict=True):
        if len(starts):
            sums = np.add.reduceat(posteriors(frames), starts, axis=0)
            found.append(sums / np.diff(np.append(starts, len(frames)))[:, None])
    shares = torch.from_numpy(np.concatenate(found)).float() + SURE
    return shares / shares.sum(1, keepdim=True)


# Counts alone


def _by_counts(problem: Problem, settings: DecipherSegments) -> tuple[Tensor, float]:
    """Shares (S, V) of the start that the full sum explains best among those of least loss, and its log likelihood."""
    search = settings.search
    sent = passed(
        problem.lines, **settings.channel.plain() | {"double": 0.0}, generator=problem.noise
    )  # doubling did not help here
    said = skipgrams(sent, problem.n_phones, lags=search.lags, positions=1, margin=0)
    starts: list[tuple[float, Tensor]] = []
    rng = torch.Generator().manual_seed(settings.seed)
    with track(
        "naming clusters", search.clusterings * n_reports(restarts=search.restarts, steps=search.steps), "steps"
    ) as advance:
        for number in range(search.clusterings):
            units = _clusters(problem, search.clusters, settings.seed + number)
            heard = skipgrams(Ragged(units, problem.offsets), search.clusters, lags=search.lags, positions=1, margin=0)
            tables, losses = find_table(
                heard.pairs, said.pairs, restarts=search.restarts, steps=search.steps,
                learning_rate=search.learning_rate, generator=rng, report=advance,
            )  # fmt: skip
            kept = slice(search.tried)
            starts += [
                (loss, table[torch.from_numpy(units.astype(int))])
                for loss, table in zip(losses[kept].tolist(), tables[kept], strict=True)
            ]
            say(f"clustering {number + 1}: least losses {', '.join(f'{loss:.4f}' for loss in losses[:5].tolist())}")
    starts = sorted(starts, key=lambda start: start[0])[: search.tried]
    tried = [_refined(shares, problem, settings, rounds=search.trial_rounds) for _, shares in starts]
    say(f"log likelihood per segment of {len(tried)} starts: {', '.join(f'{value:.3f}' for _, value in tried)}")
    best = max(tried, key=lambda each: each[1])
    return _refined(best[0], problem, settings, rounds=settings.rounds.counts)


def _clusters(problem: Problem, clusters: int, seed: int) -> np.ndarray:
    """The cluster (S) of each segment."""
    rows = problem.features.numpy()
    return assign(rows, fit_kmeans(rows, clusters=clusters, iterations=25, restarts=1, seed=seed))


# Results


def _written(
    problem: Problem,
    shares: Tensor,
    fit: float,
    voice: str | None,
    front: FrontEnd,
    settings: DecipherSegments,
    out_dir: Path,
) -> dict:
    """Write the phone of each segment and how likely it is; label-free scores of them for stage.json."""
    text, language = problem.text, str(finished(settings.text, "prepare_text")["config"]["language"])
    sure, labels = shares.max(1)
    found = Ragged(labels.numpy().astype(np.int16), problem.offsets)
    found.write(out_dir, "labels")
    problem.speech.starts.write(out_dir, "starts")
    arpa, seconds = read_arpa(settings.text / "phones.arpa"), len(problem.speech.frames.flat) * HOP_SECONDS
    judge = Judge.of(
        problem.lines, phones=problem.n_phones + 1, log10_probability=lambda said: arpa.score(said, text.phones),
        sample=len(labels), seed=settings.seed, phones_per_second=None, weights=settings.selection.plain(),
    )  # fmt: skip
    scores = judge.score(found.keep(found.run_starts()), seconds=seconds)
    about = {"phones": text.phones, "silence": {"probability": 0.0, "before": 0.0, "after": 0.0}, "voice": voice}
    write_json(out_dir / "found.json", about)
    return {
        "utterances": len(found),
        "segments": len(labels),
        "segments_per_second": round(len(labels) / seconds, 2),
        "encoder_has_seen": in_words(front.settings.get("has_seen"), language),
        "start": f"read by espeak-ng's voice {voice}" if voice else "counts alone",
        "log_likelihood": round(fit, 4),
        "confidence": round(float(sure.mean()), 4),
        **{name: round(value, 4) for name, value in scores.items()},
    }


def _report(counts: dict, out_dir: Path) -> None:
    say(
        f"{counts['segments']:,} segments, {counts['segments_per_second']:.1f} per second, {counts['start']}: log likelihood "
        f"{counts['log_likelihood']:.3f} per segment, perplexity {counts['lm_perplexity']:.2f}, {100 * counts['vocabulary_used']:.0f} % "
        f"of the phones used -> {out_dir}"
    )
    say(f"{counts['encoder_has_seen']}; wavu.self_train, which comes next, says whether it was found")
