"""What is known of the speech before any GAN is trained: by a decipherment, or by self-training of a round before."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavu.audio.pool import pool_runs
from wavu.decipher.hmm import packed
from wavu.decipher.search import Matcher, decipher, n_reports
from wavu.decipher.viterbi import decode
from wavu.errors import WavuError
from wavu.gan.label import output_starts
from wavu.gan.runs import spoken
from wavu.gan.warm_start import most_common
from wavu.prepared import Speech, Text
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.store import read_tensors, write_tensors
from wavu.text.silence import with_silence
from wavu.units import HOP_SECONDS


@dataclass(frozen=True, eq=False)
class GanTask:
    """What generators are to learn from.

    speech: its segments those to train on. hears: "segments" or "frames"; stride: frames from one output to the next, where they
    hear frames. labels: the warm start's phone of each of the generator's outputs (S), or None. silence: how often the text has
    it: ``probability`` between words, ``before`` and ``after`` a sentence. phones_per_second: expected, None if nobody knows.
    cut: which of the warm start's models cut the segments, None if prepare_audio did.
    """

    speech: Speech
    hears: str
    stride: int
    labels: Ragged | None
    silence: dict
    phones_per_second: float | None
    cut: str | None = None

    @property
    def inputs(self) -> Ragged:
        """What a generator hears (N, d)."""
        return {"segments": self.speech.segments, "frames": self.speech.frames}[self.hears]

    @property
    def starts(self) -> Ragged:
        """First frame of each of a generator's outputs (S)."""
        return self.speech.starts if self.hears == "segments" else output_starts(self.speech.frames, self.stride)


def warm_start(
    folder: Path, speech: Speech, text: Text, *, kind: str, hears: str, stride: int, repool: bool, phones_per_second: float | None
) -> GanTask:
    """What the decipherment in a folder knows: phones for the generators to start from, their boundaries, and where silences are.

    kind: "hmm" or "matching", whose phones they are; or "boundaries" of the HMM alone. repool: whether segments become those of
    the decipherment. phones_per_second: expected; None: as deciphered.
    """
    name, model = ("matched", "matched") if kind == "matching" else ("labels", "hmm")
    frame_labels, cut = Ragged.read(folder, name), None
    silence = read_tensors(folder / "hmm.safetensors")[1]["silence"]
    deciphered = len(spoken(frame_labels, len(text.phones) - 1).flat) / (len(frame_labels.flat) * HOP_SECONDS)
    rate = phones_per_second or deciphered
    if hears == "frames":
        labels = Ragged.of([row[::stride] for row in frame_labels], np.int16)
    elif repool:
        segments, starts, labels = pool_runs(speech.frames, frame_labels)
        speech, cut = replace(speech, segments=segments, starts=starts), model
    else:
        labels = most_common(frame_labels, speech.starts)
    return GanTask(speech, hears, stride, None if kind == "boundaries" else labels, silence, rate, cut)


def write_decipherment(
    speech: Speech,
    text: Text,
    folder: Path,
    *,
    silence_probability: list[float],
    hours: float,
    matching: dict,
    search: dict,
    seed: int,
) -> None:
    """Write the deciphered HMM, and the phone of each frame of each utterance by the best match alone and by the HMM.

    silence_probability: between two words, guesses; the best is kept. hours: of speech for Baum-Welch. matching, search: settings of
    :class:`~wavu.decipher.search.Matcher` and :func:`~wavu.decipher.search.decipher`.
    """
    n_phones = len(text.phones)
    noise = np.random.default_rng(seed)
    texts = [with_silence(text, generator=noise, probability=guess, surround=False) for guess in silence_probability]
    matcher = Matcher(speech.units, n_units=speech.n_units, seed=seed, **matching)
    guesses = len(texts) * len(search["frames_per_phone"])
    steps = n_reports(guesses=guesses, rounds=search["rounds"], iterations=search["iterations"])
    with track("decipher", steps, "steps") as advance:
        found = decipher(
            _some_hours(speech.units, hours, noise),
            texts,
            matcher=matcher,
            n_phones=n_phones,
            report=lambda note: advance(note=note),
            **search,
        )
    for name, model in (("matched", found.best.matched), ("labels", found.best.model)):
        decode(model, found.grammar, speech.units, grammar_weight=1.0).write(folder, name)
    silence = {"probability": silence_probability[found.text], **silent_ends(Ragged.read(folder, "labels"), n_phones - 1)}
    about = {"phones": text.phones, "grammar_weight": 1.0, "silence": silence, "log_likelihood": found.best.log_likelihood}
    write_tensors(folder / "matched.safetensors", packed(found.best.matched, found.grammar), about)
    write_tensors(folder / "hmm.safetensors", packed(found.best.model, found.grammar), about)
    say(
        f"deciphered: {found.best.frames_per_phone[:-1].mean() * HOP_SECONDS * 1000:.0f} ms per phone, "
        f"{100 * silence['probability']:.0f} % of words followed by a pause, log likelihood {found.best.log_likelihood:.4f} per frame"
    )


def take_over(self_trained: Path, phones: list[str], offsets: np.ndarray, folder: Path) -> None:
    """Write what self_train has found in place of a decipherment. offsets (B + 1): of the frames of the speech."""
    labels = Ragged.read(self_trained, "labels", below=len(phones))
    if not np.array_equal(labels.offsets, offsets):
        raise WavuError(f"labels.npy in {self_trained} is not of this speech; run wavu.self_train again")
    labels.write(folder, "labels")
    tensors, about = read_tensors(self_trained / "hmm.safetensors")
    silence = {"probability": about["silence"]["probability"], **silent_ends(labels, len(phones) - 1)}
    write_tensors(folder / "hmm.safetensors", tensors, about | {"silence": silence})


def _some_hours(units: Ragged, hours: float, noise: np.random.Generator) -> Ragged:
    """Utterances of so many hours in all, drawn at random; all when there are fewer."""
    order = noise.permutation(len(units))
    within = units.lengths[order].cumsum() * HOP_SECONDS <= hours * 3600
    return units.take(np.sort(order[: max(1, within.sum())]))


def silent_ends(labels: Ragged, silence: int) -> dict[str, float]:
    """Shares of the utterances that begin and end with silence: what voice detection has left.

    Sentences are shown with as many, or their ends would give the generator away whatever it does.
    """
    inside = labels.lengths > 0
    firsts, lasts = labels.offsets[:-1][inside], labels.offsets[1:][inside] - 1
    return {name: float((labels.flat[places] == silence).mean()) for name, places in (("before", firsts), ("after", lasts))}
