"""Hidden Markov models that learn from labels and correct them, and the student that learns from these."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from wavu.acoustic.model import AcousticModel, fit_mixtures, fit_transform, parts, stays
from wavu.acoustic.transform import unchanged
from wavu.audio.files import read_manifest
from wavu.audio.frontend import FrontEnd
from wavu.audio.seen import in_words
from wavu.decipher import hmm
from wavu.decipher.grammar import Grammar, with_optional_silence
from wavu.decipher.viterbi import begins, best_states
from wavu.decode import ctc
from wavu.decode.greedy import per_frame
from wavu.decode.topology import Topology
from wavu.decode.tuning import tune
from wavu.decode.words import WordDecoder
from wavu.device import find_device
from wavu.engines import members_labels
from wavu.errors import WavuError
from wavu.fine_tune import Lessons, fine_tune
from wavu.prepared import Speech, Text
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.scoring.verdict import judged
from wavu.selection import Judge, disagreement, perplexity, tuning_score
from wavu.stage import Stage, fingerprint, finished
from wavu.store import read_array, read_json, read_table, read_tensors, write_array, write_json, write_tensors
from wavu.text.ngram import read_arpa
from wavu.text.silence import phones_of, with_silence
from wavu.units import HOP_SECONDS

TrainGan = Callable[[list[str]], None]
HMM_DONE = "counts.json"  # the counts of the HMMs, until the student is there too


def self_train(config: dict, train_gan: TrainGan) -> None:
    """Train the HMMs on the generator's labels, decode all utterances, and say how far the result can be trusted.

    train_gan: does what wavu.gan_train does with such settings, for rounds after the first.
    """
    folders = {name: Path(config[name]) for name in ("gan", "audio", "text")}
    inputs = _check(config, folders)
    if deciphered := _deciphered(folders["gan"]):
        config = _merged(config, config["deciphered"])
    stage = Stage(config, command="self_train", inputs=inputs)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    with stage.run() as counts:
        for turn in range(1, config["rounds"]):
            folders["gan"] = _another_gan(folders, config, stage.out_dir / f"round{turn}", train_gan)
        speech, text = Speech.read(folders["audio"]), Text.read(folders["text"])
        labels, silence = _first_labels(folders["gan"], speech, config["voters"])
        task = _task(speech, text, folders["text"], labels, silence, config, through_units=not deciphered)
        if not (stage.out_dir / HMM_DONE).exists():
            _copy(folders, stage.out_dir)
            _hidden_markov_models(task, silence, config, stage.out_dir)
        counts |= read_json(stage.out_dir / HMM_DONE)
        language = str(finished(folders["text"], "prepare_text")["config"]["language"])
        counts["encoder_has_seen"] = in_words(FrontEnd.read(folders["audio"] / "frontend").settings.get("has_seen"), language)
        if config["student"]["kind"] != "none":
            counts["student"] = _student(task, folders, config, stage.out_dir)
        counts["suspected_failed"] = counts.get("student", counts["hmm"])["suspected_failed"]
        if deciphered:  # a student is no better than what it learned from
            counts["suspected_failed"] = counts["hmm"]["suspected_failed"] or counts["suspected_failed"]
        (stage.out_dir / HMM_DONE).unlink()
    _report(counts, stage.out_dir)


def _check(config: dict, folders: dict[str, Path]) -> dict[str, str]:
    """Refuse what cannot work before anything is written; fingerprints of what is read."""
    if config["search"] not in ("words", "phones"):
        raise WavuError(f"unknown search '{config['search']}'; known: words, phones")
    if not isinstance(config["rounds"], int) or config["rounds"] < 1:
        raise WavuError(
            f"rounds={config['rounds']} must be a whole number from 1: how often GANs are trained, the first time included"
        )
    if config["voters"] < 1:
        raise WavuError(f"voters={config['voters']} leaves no labels to learn from; give 1 or more")
    if config["student"]["kind"] != "none":
        _student_encoder(config["student"], folders["audio"])
    records = {
        "gan": finished(folders["gan"], "decipher_segments" if _deciphered(folders["gan"]) else "gan_train"),
        "audio": finished(folders["audio"], "prepare_audio"),
        "text": finished(folders["text"], "prepare_text"),
    }
    if _deciphered(folders["gan"]) and (config["rounds"] > 1 or config["voters"] > 1):
        raise WavuError(f"{folders['gan']} holds no generators, which voters= and rounds= are about; leave them at 1")
    inputs = {name: fingerprint(record) for name, record in records.items()}
    for name in ("audio", "text"):
        if records["gan"]["inputs"][name] != inputs[name]:
            raise WavuError(
                f"{folders['gan']} was not trained on {folders[name]} as it is now; give the {name}= that gan_train was given"
            )
    return inputs


def _merged(settings: dict, other: dict) -> dict:
    """Settings with those of ``other`` in their places."""
    both = {name: _merged(settings[name], value) if isinstance(value, dict) else value for name, value in other.items()}
    return settings | both


def _another_gan(folders: dict[str, Path], config: dict, folder: Path, train_gan: TrainGan) -> Path:
    """A folder of generators that start from the phones and boundaries which HMMs make of those in ``folders``."""
    once = {"gan": str(folders["gan"]), "out_dir": str(folder / "hmm"), "rounds": 1, "student": {"kind": "none"}}
    self_train(config | once, train_gan)
    both = [f"{name}={folders[name]}" for name in ("audio", "text")]
    given = [*both, f"self_trained={folder / 'hmm'}", f"out_dir={folder / 'gan'}", f"seed={config['seed']}", *config["again"]]
    train_gan(given)
    return folder / "gan"


def _copy(folders: dict[str, Path], out_dir: Path) -> None:
    """What makes the folder a whole recogniser: how to hear, and which words there are."""
    FrontEnd.read(folders["audio"] / "frontend").write(out_dir / "frontend")
    (out_dir / "words").mkdir(exist_ok=True)
    for name in ("lexicon.tsv", "words.arpa"):
        shutil.copyfile(folders["text"] / name, out_dir / "words" / name)


def _hidden_markov_models(task: "Task", silence: dict, config: dict, out_dir: Path) -> None:
    """Train them, and leave the best one, what it found, and last its counts."""
    turns, weights = _train(task, config, out_dir)
    kept = max(turns, key=lambda turn: turn.evidence)
    weights["phones"] = _tune_phones(kept, task, config["tuning"])
    _write(kept, task, weights, silence, out_dir)
    counts = _counts(turns, kept, task, weights)
    if config["evidence"]["by"] == "agreement":  # which the prediction is fitted to
        verdict = judged(agreement=kept.evidence, divergence=counts["hmm"]["jsd1"])
        counts["hmm"] |= {
            "agreement": round(kept.evidence, 4), "predicted_per": round(verdict.per, 3), "verdict": str(verdict),
            "suspected_failed": str(verdict) if verdict.word == "failed" else None,
        }  # fmt: skip
    write_json(out_dir / HMM_DONE, counts)


def _deciphered(folder: Path) -> bool:
    """Whether it is the folder of decipher_segments."""
    return (folder / "found.json").exists()


# Labels to begin with


def _first_labels(gan: Path, speech: Speech, voters: int) -> tuple[Ragged, dict]:
    """The phone of each frame, by the chosen generator or a majority of the best, and where they took silences to be."""
    about = read_json(gan / "found.json") if _deciphered(gan) else read_tensors(gan / "generator.safetensors")[1]
    labels = Ragged.read(gan, "labels")
    if voters > 1:
        labels = _majority(labels, _members_labels(gan, speech, voters - 1, about), len(about["phones"]))
    rows = zip(labels, Ragged.read(gan, "starts"), speech.frames.lengths, strict=True)
    return Ragged.of([per_frame(*row) for row in rows], np.int16), about["silence"]


def _members_labels(gan: Path, speech: Speech, count: int, chosen: dict) -> list[Ragged]:
    """Labels of the segments by the best members beside the chosen one, judged by their last row of scores."""
    _, about = read_tensors(gan / "members.safetensors")
    last = {int(row["member"]): float(row["score"]) for row in read_table(gan / "scores.tsv", ["member", "score"])}
    places = {member["number"]: place for place, member in enumerate(about["members"])}
    others = sorted((last[number], place) for number, place in places.items() if number != chosen["member"])
    if len(others) < count:
        raise WavuError(f"{gan} has {1 + len(others)} members, too few for voters={count + 1}; give fewer voters, or train more")
    return members_labels(gan, speech, [place for _, place in others[:count]])


def _majority(chosen: Ragged, others: list[Ragged], n_phones: int) -> Ragged:
    """The label that most give each segment; of equals, the one chosen."""
    votes = np.zeros((len(chosen.flat), n_phones), np.float32)
    segment = np.arange(len(chosen.flat))
    for weight, labels in ((1.5, chosen), *((1.0, each) for each in others)):
        votes[segment, labels.flat] += weight
    return Ragged(votes.argmax(1).astype(np.int16), chosen.offsets)


# Turns


@dataclass(frozen=True, eq=False)
class Task:
    """What all turns share.

    labels: the phone of each frame to begin with. grammar: of phones and silences, for the search; pairs: a bigram of them,
    for the evidence. judge: of phones without silence. shape: V and n. written: the folder of prepare_text. through_units:
    whether an HMM over units comes first: it repairs labels of generators, and knows too little of people's speech.
    """

    speech: Speech
    text: Text
    written: Path
    labels: Ragged
    grammar: Grammar
    pairs: Grammar
    judge: Judge
    shape: tuple[int, int]
    device: torch.device
    through_units: bool

    def said(self, states: Ragged) -> Ragged:
        """The phones of paths, without silence."""
        phones = Ragged(states.flat // self.shape[1], states.offsets).keep(begins(states, self.shape[1]))
        return phones.keep(phones.flat != self.shape[0] - 1)

    def some(self, count: int) -> np.ndarray:
        """Rows of about ``count`` utterances, spread over all."""
        return np.arange(0, len(self.speech.ids), max(1, len(self.speech.ids) // count))


@dataclass(frozen=True, eq=False)
class Turn:
    """A model, what it heard and the sub-states (N) it found. evidence: see ``_evidence``."""

    name: str
    model: hmm.Sounds
    heard: Ragged
    states: Ragged
    evidence: float


def _task(speech: Speech, text: Text, written: Path, labels: Ragged, silence: dict, config: dict, *, through_units: bool) -> Task:
    noise, V = np.random.default_rng(config["seed"]), len(text.phones)
    lines = with_silence(text, generator=noise, probability=silence["probability"], surround=False)
    both = with_optional_silence(lines, V - 1)
    arpa = read_arpa(written / "phones.arpa")
    judge = Judge.of(
        phones_of(text), phones=V, log10_probability=lambda said: arpa.score(said, text.phones),
        sample=int(speech.segments.lengths.sum()), seed=config["seed"], phones_per_second=None, weights=config["selection"],
    )  # fmt: skip
    return Task(
        speech, text, written, labels, Grammar.of(both, V, order=config["hmm"]["order"]), Grammar.of(both, V, order=2),
        judge, (V, config["hmm"]["states"]), find_device(),
        through_units,
    )  # fmt: skip


def _train(task: Task, config: dict, out_dir: Path) -> tuple[list[Turn], dict]:
    """All turns, and the weights of the word search. A turn that is no better evidence than the one before is the last."""
    weights, count = {}, config["gaussians"]["turns"]
    with track("self_train", config["hmm"]["iterations"] + count, "turns") as advance:
        turns = [_first_turn(task, config, lambda value: advance(note=f"log likelihood {value:.4f} per frame"))]
        while len(turns) <= count:
            model = _gaussians(turns[-1].states, task, config["gaussians"])
            if config["search"] == "words":
                decoder = _word_decoder(task, _hmm_topology(model, task), weights.get("words", config["words"]), out_dir)
                if not weights:
                    tuned = _tune_words(decoder, model, turns[-1], task, config["tuning"])
                    decoder, weights["words"] = decoder.reweighted(**tuned), config["words"] | tuned
                states = _through_words(decoder, model, task)
            else:
                states = best_states(model, task.grammar, task.speech.frames, grammar_weight=1.0, phone_bonus=0.0)
            evidence = _evidence(states, task, config)
            turns.append(Turn(f"gaussians {len(turns)}", model, task.speech.frames, states, evidence))
            advance(note=f"evidence {evidence:.3f}")
            if evidence <= turns[-2].evidence:
                break
    return turns, weights


def _first_turn(task: Task, config: dict, report: Callable[[float], None]) -> Turn:
    """The labels as they are, each phone cut evenly into sub-states; through units, what an HMM makes of them."""
    if task.through_units:
        return _units_turn(task, config, report)
    states = hmm.cut(task.labels, task.shape[1])
    return Turn(
        "segments",
        _gaussians(states, task, config["gaussians"]),
        task.speech.frames,
        states,
        _evidence(states, task, config),
    )


def _units_turn(task: Task, config: dict, report: Callable[[float], None]) -> Turn:
    """Phones that sound like units, by Baum-Welch from the generator's labels."""
    settings, units = config["hmm"], task.speech.units
    model = hmm.model_of(
        task.labels, units, n_phones=task.shape[0], n_units=task.speech.n_units, n_states=task.shape[1], smoothing=settings["smoothing"]
    ).to(task.device)  # fmt: skip
    model, _ = hmm.train(
        model, task.grammar, units, iterations=settings["iterations"], smoothing=settings["smoothing"], report=report
    )
    states = best_states(model, task.grammar, units, grammar_weight=1.0, phone_bonus=0.0)
    return Turn("units", model, units, states, _evidence(states, task, config))


def _gaussians(states: Ragged, task: Task, settings: dict) -> AcousticModel:
    """Phones that sound like gaussians of linear discriminants, learned from the sub-states of frames (N)."""
    frames, S = task.speech.frames, task.shape[0] * task.shape[1]
    transform = fit_transform(frames, states, n_states=S, device=task.device, **settings["transform"])
    mixtures = fit_mixtures(transform, frames, states, n_states=S, **settings["mixtures"])
    return AcousticModel(transform, mixtures, stays(states, task.shape, task.device))


def _evidence(states: Ragged, task: Task, config: dict) -> float:
    """What a turn is judged by."""
    if config["evidence"]["by"] == "agreement":
        return _agreement(states, task, config)
    if config["evidence"]["by"] == "likelihood":
        return _likelihood(states, task, config["evidence"])
    raise WavuError(f"unknown evidence.by '{config['evidence']['by']}'; known: likelihood, agreement")


def _likelihood(states: Ragged, task: Task, settings: dict) -> float:
    """How well labels explain speech that was not looked at: log likelihood per frame under the HMM that they speak for.

    Its gaussians learn from half of the utterances and hear ``utterances`` of the others, as prepare_audio left them, whatever
    found the labels: so the labels of all turns can be compared. Labels must go with the sounds, and in an order that the
    bigram of the text expects.
    """
    learned = np.arange(0, len(states), 2)
    others = np.arange(1, len(states), 2)[: settings["utterances"]]
    if not len(others):
        others = learned
    frames, some = task.speech.frames.take(learned), states.take(learned)
    mixtures = fit_mixtures(
        unchanged(frames.flat.shape[1], task.device), frames, some, n_states=task.shape[0] * task.shape[1], **settings["mixtures"]
    )  # fmt: skip
    model = AcousticModel(unchanged(frames.flat.shape[1], task.device), mixtures, stays(some, task.shape, task.device))
    return hmm.evidence(model, task.pairs, task.speech.frames.take(others))


def _agreement(states: Ragged, task: Task, config: dict) -> float:
    """Share of the frames in which the phone that sounds likeliest by itself is the one that was found there in its context.

    The gaussians learn from half of the utterances, drawn at random as speakers may take turns, and hear others. Phones that go
    with the sounds are heard again in speech that was not learned from; phones that only make words of the text are not.
    """
    learned, others = np.array_split(np.random.default_rng(config["seed"]).permutation(len(states)), 2)
    others = others[: config["evidence"]["utterances"]]
    if not len(others):
        others = learned
    (V, n), frames = task.shape, task.speech.frames
    half = replace(task, speech=replace(task.speech, frames=frames.take(learned)))
    model = _gaussians(states.take(learned), half, config["gaussians"])
    heard = model.log_likelihood(frames.take(others)).view(-1, V, n).logsumexp(-1).argmax(-1).cpu().numpy()
    found = states.take(others).flat // n
    spoken = found != V - 1
    return float((heard == found)[spoken].mean()) if spoken.any() else 0.0


# Words


def _hmm_topology(model: AcousticModel, task: Task) -> Topology:
    stay = model.stay.double().cpu()
    return Topology.hmm(*task.shape, log_stay=stay.log().numpy(), log_leave=(1 - stay).log().numpy())


def _word_decoder(task: Task, topology: Topology, settings: dict, out_dir: Path) -> WordDecoder:
    """The search through the lexicon, among phones without silence in a network of phones alone."""
    return WordDecoder(
        task.text.words, task.text.pronunciations, task.written / "words.arpa", topology, **settings, cache=out_dir / "words"
    )


def _through_words(decoder: WordDecoder, model: AcousticModel, task: Task) -> Ragged:
    """The sub-states (N) of the best words of each utterance; silence where there is none."""
    found = []
    for rows in parts(task.speech.frames):
        frames = task.speech.frames.take(rows)
        for scores in Ragged(model.log_likelihood(frames).cpu().numpy(), frames.offsets):
            path = decoder.columns(scores)
            found.append(path if len(path) else np.full(len(scores), (task.shape[0] - 1) * task.shape[1]))
    return Ragged.of(found, np.int16)


# Weights


def _tuning_judge(before: Ragged, task: Task, least_disagreement: float) -> Callable[[Ragged], float]:
    """Judges phones (B lines) without silence by the text and by the labels they are to replace, as the original does.

    Nothing is to be more predictable than the text itself, and labels with errors cannot tell who is nearest to the truth.
    """

    def score(said: Ragged) -> float:
        return tuning_score(
            perplexity(said, task.judge.log10_probability), disagreement(said, before),
            least_perplexity=task.judge.text_perplexity, least_disagreement=least_disagreement,
        )  # fmt: skip

    return score


def _tune_words(decoder: WordDecoder, model: AcousticModel, before: Turn, task: Task, settings: dict) -> dict:
    """Weights of the word search, judged on some utterances."""
    rows = task.some(settings["utterances"])
    judge = _tuning_judge(task.said(before.states.take(rows)), task, settings["least_disagreement"])
    frames = task.speech.frames.take(rows)
    scores = list(Ragged(model.log_likelihood(frames).cpu().numpy(), frames.offsets))
    weights, _ = tune(decoder, scores, lambda _, phones: judge(phones), grid=settings["words"])
    return weights


def _tune_phones(kept: Turn, task: Task, settings: dict) -> dict:
    """Weights of the phone search, for those who decode without words."""
    rows = task.some(settings["utterances"])
    heard, judge = kept.heard.take(rows), _tuning_judge(task.said(kept.states.take(rows)), task, settings["least_disagreement"])

    def score(point: dict) -> float:
        return judge(task.said(best_states(kept.model, task.grammar, heard, **point)))

    names, values = zip(*settings["phones"].items(), strict=True)
    return min((dict(zip(names, point, strict=True)) for point in product(*values)), key=score)


# Results


def _confidence(kept: Turn, task: Task, scale: float) -> np.ndarray:
    """For each utterance the geometric mean, over its frames, of the posterior of the phone found there; 0 where nothing is.

    All sub-states are as likely beforehand. scale: of the log likelihoods, whose frames are not as independent as they say.
    """
    V, n = task.shape
    sums = np.zeros(len(kept.heard))
    for rows in parts(kept.heard):
        heard, phones = kept.heard.take(rows), kept.states.take(rows).flat // n
        scores = (scale * kept.model.log_likelihood(heard)).log_softmax(-1).view(-1, V, n).logsumexp(-1).cpu()
        found = scores[torch.arange(len(phones)), torch.from_numpy(phones.astype(np.int64))].double().numpy()
        sums[rows] = np.bincount(np.repeat(np.arange(len(rows)), heard.lengths), found, minlength=len(rows))
    lengths = kept.heard.lengths
    return np.where(lengths, np.exp(sums / np.maximum(lengths, 1)), 0.0).astype(np.float32)


def _write(kept: Turn, task: Task, weights: dict, silence: dict, out_dir: Path) -> None:
    """The recogniser; the sub-state and the phone of each frame; how sure it is of each utterance."""
    kept.states.write(out_dir, "states")
    Ragged(kept.states.flat // task.shape[1], kept.states.offsets).write(out_dir, "labels")
    scale = weights.get("words", {}).get("acoustic_scale", 1.0)
    write_array(out_dir / "confidence.npy", _confidence(kept, task, scale))
    about = {"phones": task.text.phones, "states": task.shape[1], "silence": silence, **weights["phones"]}
    write_json(out_dir / "hmm.json", about)
    write_tensors(out_dir / "hmm.safetensors", hmm.packed(kept.model, task.grammar), about)
    if "words" in weights:
        write_json(out_dir / "words" / "words.json", weights["words"])


# The student


def _student(task: Task, folders: dict[str, Path], config: dict, out_dir: Path) -> dict:
    """Fine-tune a CTC student on what the HMM found, and tune its word search; its counts."""
    settings, phones = config["student"], task.text.phones[:-1]
    lessons = Lessons(
        read_manifest(folders["audio"] / "manifest.tsv"),
        task.said(Ragged.read(out_dir, "states")),
        np.asarray(read_array(out_dir / "confidence.npy")),
        task.speech.frames.lengths * HOP_SECONDS,
        task.speech.frames,
    )
    lessons.labels.write(out_dir, "lessons")
    encoder = _student_encoder(settings, folders["audio"])
    pupil, said, counts = fine_tune(
        lessons, out_dir / "student", phones=phones, encoder=encoder, judge=task.judge, about=_origin(lessons, task, folders, config),
        settings=settings, seed=config["seed"],
    )  # fmt: skip
    said.write(out_dir, "student")
    search = config["words"] | settings["words"]
    decoder = _word_decoder(task, Topology.ctc(len(phones), blank=ctc.BLANK), search, out_dir)
    rows = task.some(config["tuning"]["utterances"])
    # What is nearer to its phones than these are to its lessons cannot be told apart.
    judge = _tuning_judge(said.take(rows), task, counts["disagreement"])
    weights, _ = tune(decoder, pupil.hear(rows), lambda _, phones: judge(phones), grid=settings["tuning"])
    write_json(out_dir / "words" / "words.json", search | weights)
    return counts | {"weights": search | weights}


def _student_encoder(settings: dict, audio: Path) -> str | None:
    """What is fine-tuned: the encoder that is named, or the one that prepare_audio used; None for a new network."""
    if settings["kind"] in ("small", "head"):
        return None
    used = read_json(audio / "frontend" / "frontend.json")["encoder"]
    if settings["encoder"] is None and used["kind"] != "huggingface":
        raise WavuError(
            f"student=wav2vec2 fine-tunes an encoder, and {audio} was prepared with encoder={used['kind']}; "
            "give student.encoder=NAME, or take student=small"
        )
    return settings["encoder"] or used["model"]


def _origin(lessons: Lessons, task: Task, folders: dict[str, Path], config: dict) -> dict:
    """Where a student comes from, for the card of its export."""
    written = finished(folders["text"], "prepare_text")["config"]
    start = read_json(folders["gan"] / "stage.json")["counts"].get("start", "a generator trained against a discriminator")
    return {
        "language": str(written["language"]),
        "units": written["units"],
        "utterances": len(lessons.recordings),
        "audio_seconds": sum(recording.seconds for recording in lessons.recordings),
        "sentences": len(task.text.lines),
        "words": len(task.text.lines.flat),
        "start": start,
        "labels": f"what was decoded as {config['search']} of the text",
    }


def _counts(turns: list[Turn], kept: Turn, task: Task, weights: dict) -> dict:
    """Label-free scores of what was decoded, for stage.json."""
    seconds = len(kept.states.flat) * HOP_SECONDS
    scores = task.judge.score(task.said(kept.states), seconds=seconds)
    changed = (kept.states.flat // task.shape[1] != task.labels.flat).mean()
    return {
        "utterances": len(kept.states),
        "hmm": {
            "kept": kept.name,
            "evidence": {turn.name: round(turn.evidence, 4) for turn in turns},
            "weights": weights,
            **{name: round(value, 4) for name, value in scores.items()},
            "labels_changed": round(float(changed), 4),
            "suspected_failed": task.judge.suspect(scores),
        },
    }


def _report(counts: dict, out_dir: Path) -> None:
    turns = ", ".join(f"{name} {value:.3f}" for name, value in counts["hmm"]["evidence"].items())
    say(f"evidence from speech not learned from: {turns}; kept: {counts['hmm']['kept']}")
    say(
        f"HMM: {counts['utterances']:,} utterances, {100 * counts['hmm']['labels_changed']:.1f} % of the frames relabelled; "
        f"perplexity {counts['hmm']['lm_perplexity']:.2f}, {counts['hmm']['phones_per_second']:.1f} phones per second"
    )
    if "student" in counts:
        say(
            f"student: {counts['student']['updates']:,} updates; perplexity {counts['student']['lm_perplexity']:.2f} without any language model, "
            f"{100 * counts['student']['disagreement']:.1f} % of its phones differ from the HMM's words"
        )
    if "verdict" in counts["hmm"]:
        say(f"{counts['hmm']['verdict']}; {counts['encoder_has_seen']}")
    say(f"-> {out_dir}")
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); do not trust its phones")
