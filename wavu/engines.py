"""What hears phones in speech: a generator, an HMM or a CTC student, whichever the folder of a model holds, behind one door.

Shapes: T samples, N frames, P columns of scores, V phones with silence, R phones heard, W words heard.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wavu.acoustic.model import AcousticModel
from wavu.audio.frontend import FrontEnd
from wavu.audio.pool import pool_runs
from wavu.decipher.grammar import Grammar
from wavu.decipher.hmm import Model, Sounds, unpacked
from wavu.decipher.viterbi import best_states, said
from wavu.decode import ctc
from wavu.decode.greedy import confidence, per_frame, runs
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.gan.generator import rebuilt
from wavu.gan.label import label, log_posteriors, output_starts
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.store import read_json, read_table, read_tensors
from wavu.units import HOP_SECONDS, seconds

if TYPE_CHECKING:
    from wavu.decode.topology import Topology
    from wavu.decode.words import Word, WordDecoder
    from wavu.student.model import Student

TOGETHER = 64  # pieces of speech labelled at a time by a generator
STUDENT_SECONDS = 120  # of audio heard at a time by a student, padding included


@dataclass(frozen=True, eq=False)
class Heard:
    """What is heard in a piece of speech: R phones, their times (R, 2) in seconds of it and how sure each is (R), from 0 to 1.

    scores (N, P): what a word decoder reads; None where there is no way from the engine to words.
    """

    phones: list[str]
    times: np.ndarray
    confidence: np.ndarray
    scores: np.ndarray | None = None


class Engine(Protocol):
    """What turns speech into phones, of which silence is none."""

    @property
    def phones(self) -> list[str]:
        """Those it may hear."""

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What of a waveform (T,) at 16 kHz is to be heard, (T',), and the spans (P, 2) in seconds that it was cut out of."""

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """Each of some non-empty waveforms (T',), as :meth:`listen` leaves them."""

    def topology(self) -> "Topology | None":
        """What the columns of its scores mean to a word decoder."""

    def times(self, words: "list[Word]", heard: Heard) -> np.ndarray:
        """When words were said that a decoder found in the scores: (W, 2) in seconds of the speech."""


@dataclass(frozen=True, eq=False)
class FramesEngine:
    """A generator or an HMM behind the front end, which cuts out the speech.

    hear_frames: frames of the encoder (N, D) -> what is heard. transitions: of an HMM, natural logarithms (V, n) of staying
    in a sub-state and of leaving it.
    """

    front_end: FrontEnd
    phones: list[str]
    hear_frames: Callable[[Ragged], Iterator[Heard]]
    transitions: tuple[np.ndarray, np.ndarray] | None = None

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speech, as voice activity detection finds it."""
        return self.front_end.listen(waveform)

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`Engine`."""
        return self.hear_frames(self.front_end.encode(speech)) if speech else iter(())

    def topology(self) -> "Topology | None":
        """That of phone HMMs; a generator has none."""
        from wavu.decode.topology import Topology

        if self.transitions is None:
            return None
        stay, leave = self.transitions
        return Topology.hmm(*stay.shape, log_stay=stay, log_leave=leave)

    def times(self, words: "list[Word]", heard: Heard) -> np.ndarray:
        """Those of their frames."""
        return np.array([[word.start, word.end] for word in words]).reshape(-1, 2) * HOP_SECONDS


@dataclass(frozen=True, eq=False)
class StudentEngine:
    """A CTC student, which hears whole waveforms, silence included."""

    student: "Student"

    @property
    def phones(self) -> list[str]:
        """Those of the student."""
        return self.student.phones

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All of it, unchanged."""
        return waveform, np.array([[0.0, seconds(len(waveform))]])

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`Engine`."""
        for waveform, scores in zip(speech, self._scores(speech), strict=True):
            found, sure = ctc.greedy(scores)
            times = ctc.spans(found, hop_seconds=self.student.hop_seconds, seconds=seconds(len(waveform)))
            yield Heard([self.phones[phone] for phone in found[:, 0]], times, sure, scores)

    def _scores(self, speech: list[np.ndarray]) -> list[np.ndarray]:
        """Log probabilities (N, P) of each waveform (T',)."""
        return self.student.score(speech, batch_seconds=STUDENT_SECONDS)

    def topology(self) -> "Topology":
        """That of CTC."""
        from wavu.decode.topology import Topology

        return Topology.ctc(len(self.phones), blank=ctc.BLANK)

    def times(self, words: "list[Word]", heard: Heard) -> np.ndarray:
        """From the beginning of the phone that is marked where a word begins, to the end of the one that is where it ends."""
        times = np.array([[word.start, word.end] for word in words]).reshape(-1, 2) * self.student.hop_seconds
        for side, mark in enumerate((times[:, 0], times[:, 1] - self.student.hop_seconds)):
            mark = mark + self.student.hop_seconds / 2
            phone = np.searchsorted(heard.times[:, 0], mark, side="right") - 1
            inside = (phone >= 0) & (mark < np.append(heard.times[:, 1], 0.0)[phone])
            times[inside, side] = heard.times[phone[inside], side]
        return times


@dataclass(frozen=True, eq=False)
class HeadEngine(StudentEngine):
    """A head behind the front end, which cuts out the speech and encodes it."""

    front_end: FrontEnd

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speech, as voice activity detection finds it."""
        return self.front_end.listen(waveform)

    def _scores(self, speech: list[np.ndarray]) -> list[np.ndarray]:
        frames = self.front_end.frames(self.front_end.encode(speech))
        inputs = [np.asarray(row, np.float32) for row in frames]
        return self.student.score_each(inputs.__getitem__, frames.lengths * HOP_SECONDS, batch_seconds=STUDENT_SECONDS)


@dataclass(frozen=True, eq=False)
class PhoneHmm:
    """A phone HMM behind a front end: over its units, or over gaussians of its frames. weights: of the search."""

    front_end: FrontEnd
    phones: list[str]
    sounds: Sounds
    grammar: Grammar
    weights: dict[str, float]

    @classmethod
    def read(cls, path: Path, front_end: FrontEnd) -> "PhoneHmm":
        """Open what self_train, or a warm start of gan_train, has written."""
        tensors, about = read_tensors(path)
        device = find_device()
        sounds = unpacked(tensors)[0].to(device) if "emission" in tensors else AcousticModel.unpacked(tensors, device)
        # The decipherment of a warm start knows no bonus.
        weights = {"grammar_weight": about["grammar_weight"], "phone_bonus": about.get("phone_bonus", 0.0)}
        return cls(front_end, about["phones"], sounds, Grammar.unpacked(tensors), weights)

    def hear(self, encoded: Ragged) -> tuple[Ragged, Ragged]:
        """Encoder frames (N, D) -> the sub-state v * n + i of each, and scores (N, V * n)."""
        seen = self.front_end.units(encoded) if self.of_units else self.front_end.frames(encoded)
        scores = self.sounds.log_likelihood(seen).cpu().numpy()
        return best_states(self.sounds, self.grammar, seen, **self.weights), Ragged(scores, encoded.offsets)

    @property
    def of_units(self) -> bool:
        """Whether it hears units; otherwise frames."""
        return isinstance(self.sounds, Model)

    def phones_of(self, speech: Speech) -> list[np.ndarray]:
        """Phones of all prepared utterances, without silence."""
        V, n = self.sounds.stay.shape
        states = best_states(self.sounds, self.grammar, speech.units if self.of_units else speech.frames, **self.weights)
        return [said(row, n_states=n, silence=V - 1)[:, 0] for row in states]


def read_engine(folder: Path) -> tuple[Engine, FrontEnd]:
    """The best engine of a folder that self_train or gan_train left, and the front end beside it.

    Raises:
        WavuError: the folder is neither, is not finished, or its encoder is not the one it was made with.
    """
    if not folder.is_dir():
        raise WavuError(f"model={folder} is not a folder; give the output of wavu.self_train or wavu.gan_train")
    if (folder / "plan.json").exists():
        raise WavuError(
            f"{folder} is not finished (no stage.json); run the command that makes it again, it will go on where it stopped"
        )
    if (folder / "student" / "model.safetensors").exists():
        from wavu.student.model import Student  # here, because it needs seconds

        student, front_end = Student.read(folder / "student"), FrontEnd.read(folder / "frontend")
        return (HeadEngine(student, front_end) if student.hears_frames else StudentEngine(student)), front_end
    for name, read in (("hmm", read_hmm), ("generator", read_generator)):
        if (folder / f"{name}.safetensors").exists():
            front_end = FrontEnd.read(folder / "frontend")
            if front_end.encoder.dim != len(front_end.mean):
                raise WavuError(
                    f"the encoder gives {front_end.encoder.dim} dims, {folder} was made with {len(front_end.mean)}; was it replaced?"
                )
            return read(folder, front_end), front_end
    raise WavuError(
        f"{folder} holds no model (student/, hmm.safetensors or generator.safetensors); "
        "model= is the output of wavu.self_train or wavu.gan_train"
    )


def read_generator(folder: Path, front_end: FrontEnd) -> FramesEngine:
    """The generator of a gan_train folder: its best phone of each of its outputs.

    One that was warm-started knows segments that an HMM has cut; that HMM cuts the new ones too.
    """
    tensors, about = read_tensors(folder / "generator.safetensors")
    generator, phones = rebuilt(tensors, about), about["phones"]
    cut = PhoneHmm.read(folder / "warm_start" / f"{about['cut']}.safetensors", front_end) if about["cut"] else None

    def inputs(encoded: Ragged) -> tuple[Ragged, Ragged]:
        """What the generator hears, and the first frame of each of its outputs."""
        if about["hears"] == "frames":
            frames = front_end.frames(encoded)
            return frames, output_starts(frames, about["stride"])
        if cut:
            states, _ = cut.hear(encoded)
            labels = Ragged(states.flat // cut.sounds.stay.shape[1], states.offsets)
            return pool_runs(front_end.frames(encoded), labels)[:2]
        done = front_end.segment(encoded)
        return done.segments, done.starts

    def hear(encoded: Ragged) -> Iterator[Heard]:
        segments, starts = inputs(encoded)
        for *row, length in zip(log_posteriors(generator, segments, batch_size=TOGETHER), starts, encoded.lengths, strict=True):
            likely = per_frame(*row, length)
            labels = likely.argmax(axis=1).clip(max=len(phones) - 1)  # what no language has counts as silence
            yield _found(phones, runs(labels, silence=len(phones) - 1), likely)

    return FramesEngine(front_end, phones[:-1], hear)


def members_labels(folder: Path, speech: Speech, places: list[int] | None = None) -> list[Ragged]:
    """What members of a gan_train folder, as they were in the end, say of what they were trained on: labels (S) of each.

    places: which of them, in the order of members.safetensors; None: all.
    """
    tensors, about = read_tensors(folder / "members.safetensors")
    if places is not None:
        tensors = {name: value[places] for name, value in tensors.items()}
    inputs = speech.frames if about["hears"] == "frames" else speech.segments
    if about["cut"]:  # the warm start's HMM, or its match, has cut the segments; the labels of the HMM bear no name
        inputs, _, _ = pool_runs(speech.frames, Ragged.read(folder / "warm_start", about["cut"].replace("hmm", "labels")))
    return label(rebuilt(tensors, about), inputs, silence=len(about["phones"]) - 1, batch_size=TOGETHER)


def read_hmm(folder: Path, front_end: FrontEnd) -> FramesEngine:
    """The HMM of a self_train folder: its Viterbi path."""
    hmm = PhoneHmm.read(folder / "hmm.safetensors", front_end)
    V, n = hmm.sounds.stay.shape

    def hear(encoded: Ragged) -> Iterator[Heard]:
        for states, scores in zip(*hmm.hear(encoded), strict=True):
            # Sounds count as much against each other as they do against the n-gram in the search.
            likely = np.logaddexp.reduce(scores.reshape(-1, V, n), axis=2) / hmm.weights["grammar_weight"]
            yield _found(hmm.phones, said(states, n_states=n, silence=V - 1), likely, scores)

    stay = hmm.sounds.stay.cpu().double()
    return FramesEngine(front_end, hmm.phones[:-1], hear, (stay.log().numpy(), (1 - stay).log().numpy()))


def read_words(folder: Path, engine: Engine) -> "WordDecoder | None":
    """The word decoder of the engine's scores; None where the folder knows no words, or the engine has no way to them.

    ``words/`` holds lexicon.tsv, words.arpa, words.json, the settings of the search, and graphs once built.

    Raises:
        WavuError: a file is missing or damaged.
    """
    settings, topology = folder / "words" / "words.json", engine.topology()
    if topology is None or not settings.exists():
        return None
    from wavu.decode.words import WordDecoder  # here, because a recogniser of phones needs no Kaldi

    folder = folder / "words"
    lexicon = read_table(folder / "lexicon.tsv", ["word", "phones"])
    number = {phone: index for index, phone in enumerate(engine.phones)}
    spelled = Ragged.of([np.array([number.get(phone, -1) for phone in row["phones"].split()], int) for row in lexicon], np.int16)
    words = [row["word"] for row in lexicon]
    return WordDecoder(words, spelled, folder / "words.arpa", topology, **read_json(settings), cache=folder)


def _found(phones: list[str], found: np.ndarray, likely: np.ndarray, scores: np.ndarray | None = None) -> Heard:
    """Runs (R, 3) of frames as what is heard; likely (N, V): as :func:`wavu.decode.greedy.confidence` wants it."""
    return Heard([phones[phone] for phone in found[:, 0]], found[:, 1:] * HOP_SECONDS, confidence(likely, found), scores)
