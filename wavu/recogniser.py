"""Everything between a recording and its phones and words; what the commands and Python programs share.

    recogniser = wavu.load("runs/hmm")
    print(recogniser.transcribe("interview.mp3"))

A recogniser is an engine (a generator, an HMM or a CTC student, whichever its folder holds) and, where the folder has
``words/``, a word decoder. Recordings of any length are heard part by part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, overload

import numpy as np
import torch

from wavu.acoustic.model import AcousticModel
from wavu.audio.cut import Part, parts
from wavu.audio.files import Recording
from wavu.audio.frontend import FrontEnd
from wavu.audio.pool import pool_runs
from wavu.audio.read import defect, read_blocks
from wavu.audio.vad import file_seconds
from wavu.decipher.hmm import best_states, grammar_of, said, unpacked
from wavu.decode.greedy import confidence, per_frame, runs
from wavu.errors import WavuError
from wavu.gan.generator import rebuilt
from wavu.gan.label import log_posteriors, output_starts
from wavu.store import Ragged, read_tensors
from wavu.transcription import Span, Transcription
from wavu.units import HOP_SECONDS, seconds

if TYPE_CHECKING:
    from wavu.decode.words import WordDecoder
    from wavu.student import Student

FIRST_SECONDS, TOGETHER_SECONDS = 120, 600  # of audio heard at a time, while the next is read; changes no result
TOGETHER = 64  # of its pieces labelled at a time by a generator
SEAM_SECONDS = 0.05  # two equal phones nearer than this, one on each side of a cut, are one

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Heard:
    """What an engine makes of N frames. labels (N): the symbol of each; likely (N, V): natural log likelihood of each symbol.

    scores (N, P): what a word decoder reads; None where there is no way from the engine to words.
    phones (R, 3): phone, first frame and the frame after the last, where the engine knows of phones that follow themselves;
    None where each run of a label is one.
    """

    labels: np.ndarray
    likely: np.ndarray
    scores: np.ndarray | None = None
    phones: np.ndarray | None = None


class Engine(Protocol):
    """What turns speech into phones. symbols: of its labels; silence: the one among them that is no phone."""

    symbols: list[str]
    silence: int
    hop_seconds: float

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What of a waveform (T,) at 16 kHz is to be heard, (T',), and the spans (P, 2) in seconds that it was cut out of."""

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """Each of some non-empty waveforms (T',), as :meth:`listen` leaves them."""


@dataclass(frozen=True, eq=False)
class FramesEngine:
    """A generator or an HMM behind the front end. symbols: V phones, the last is silence; hear_frames: of the encoder (N, D)."""

    front_end: FrontEnd
    symbols: list[str]
    hear_frames: Callable[[Ragged], Iterator[Heard]]
    hop_seconds: float = HOP_SECONDS

    @property
    def silence(self) -> int:
        """The last symbol."""
        return len(self.symbols) - 1

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The speech, as voice activity detection finds it."""
        return self.front_end.listen(waveform)

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`Engine`."""
        return self.hear_frames(self.front_end.encode(speech))


@dataclass(frozen=True, eq=False)
class StudentEngine:
    """A CTC student, which hears whole waveforms. Blank, its first symbol, takes the place of silence."""

    student: "Student"
    silence: int = 0

    @property
    def symbols(self) -> list[str]:
        """Blank and the phones."""
        return ["", *self.student.phones]

    @property
    def hop_seconds(self) -> float:
        """From frame to frame."""
        return self.student.hop_seconds

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All of it, unchanged."""
        return waveform, np.array([[0.0, seconds(len(waveform))]])

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`Engine`."""
        for scores in self.student.score(speech):
            yield Heard(scores.argmax(axis=1), scores, scores)


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a recording: its speech (T,), and where in the part that was, spans (P, 2) in seconds."""

    part: Part
    speech: np.ndarray
    spans: np.ndarray


@dataclass(frozen=True, eq=False)
class Recogniser:
    """An engine, perhaps a word decoder, and how recordings come to them.

    vad: the block of settings that finds the pauses at which recordings longer than max_seconds are cut. min_seconds:
    shorter ones are refused.
    """

    engine: Engine
    vad: dict
    min_seconds: float
    max_seconds: float
    words: "WordDecoder | None" = None

    @classmethod
    def read(cls, folder: Path) -> "Recogniser":
        """Open the output of self_train or of gan_train.

        Raises:
            WavuError: the folder is neither, is not finished, or its encoder is not the one it was made with.
        """
        engine, front_end = read_engine(folder)
        settings = {name: front_end.settings[name] for name in ("vad", "min_seconds", "max_seconds")}
        return cls(engine, **settings)

    @property
    def phones(self) -> list[str]:
        """What it may hear, without silence."""
        return [symbol for number, symbol in enumerate(self.engine.symbols) if number != self.engine.silence]

    @overload
    def transcribe(self, audio: str | Path) -> Transcription: ...
    @overload
    def transcribe(self, audio: Sequence[str | Path]) -> list[Transcription]: ...

    def transcribe(self, audio: str | Path | Sequence[str | Path]) -> Transcription | list[Transcription]:
        """What is said in a file, of any format and length; or in each of several files, heard together, which is faster.

        Raises:
            WavuError: a file cannot be read, or is of no use.
        """
        one = isinstance(audio, str | Path)
        results = []
        for recording, result in self.stream([Recording(Path(path).stem, Path(path)) for path in ([audio] if one else audio)]):
            if isinstance(result, str):
                raise WavuError(f"cannot transcribe {recording.path}: {result}")
            results.append(result)
        return results[0] if one else results

    def stream(
        self, recordings: Iterable[Recording], advance: Callable[[float], object] = lambda seconds: None
    ) -> Iterator[tuple[Recording, Transcription | str]]:
        """Each recording with what was heard in it, or why it is of no use, as soon as it is known.

        advance: told the seconds of audio that have been heard, each time some have.
        """
        heard: list[Transcription] = []
        for recording, result in self._pieces(recordings):
            if isinstance(result, str):
                heard = []
                yield recording, result
                continue
            last, part = result
            heard.append(part)
            advance(part.seconds)
            if last:
                yield recording, _joined(recording.id, heard)
                heard = []

    def _pieces(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, tuple[bool, Transcription] | str]]:
        """Each part of each recording: whether it is the last, and what was heard; or why the recording is of no use."""
        with ThreadPoolExecutor() as pool:

            def listened() -> Iterator[list[tuple[Recording, Piece | str]]]:
                for batch in _batches(self._parts(recordings)):
                    yield list(pool.map(self._listen, batch))

            for batch in _ahead(listened()):
                done = self._hear([piece for _, piece in batch if isinstance(piece, Piece)])
                for recording, piece in batch:
                    yield recording, piece if isinstance(piece, str) else (piece.part.last, next(done))

    def _parts(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, Part | str]]:
        """Each recording part by part; a reason ends those that are of no use."""
        for recording in recordings:
            try:
                blocks = read_blocks(recording.path, start=recording.start, end=recording.end or None)
                for part in parts(blocks, max_seconds=self.max_seconds, vad=self.vad):
                    whole = part.last and part.start == 0
                    # A pause in a long recording may last for minutes.
                    reason = defect(part.waveform, min_seconds=self.min_seconds, max_clipped=1.0)
                    if reason and (whole or not np.isfinite(part.waveform).all()):
                        raise WavuError(reason)
                    yield recording, replace(part, start=recording.start + part.start)
            except WavuError as error:
                yield recording, str(error)

    def _listen(self, item: tuple[Recording, Part | str]) -> tuple[Recording, Piece | str]:
        recording, part = item
        return recording, part if isinstance(part, str) else Piece(part, *self.engine.listen(part.waveform))

    def _hear(self, pieces: list[Piece]) -> Iterator[Transcription]:
        """What is said in each piece, at its times in the recording; nothing where there is no speech."""
        heard = self.engine.hear([piece.speech for piece in pieces if len(piece.speech)])
        for piece in pieces:
            empty = Transcription("", seconds(len(piece.part.waveform)), [], None if self.words is None else [])
            yield self._said(empty, piece, next(heard)) if len(piece.speech) else empty

    def _said(self, empty: Transcription, piece: Piece, heard: Heard) -> Transcription:
        """An empty transcription, filled with phones and words."""
        found = runs(heard.labels, silence=self.engine.silence) if heard.phones is None else heard.phones
        sure = confidence(heard.likely, found)
        phones = self._placed(piece, [self.engine.symbols[phone] for phone in found[:, 0]], found[:, 1:], sure)
        if self.words is None:
            return replace(empty, phones=phones)
        said = self.words.decode(heard.scores)
        edges = np.array([[word.start, word.end] for word in said], np.int64).reshape(-1, 2)
        texts, sure = [self.words.words[word.word] for word in said], np.array([word.confidence for word in said])
        return replace(empty, phones=phones, words=self._placed(piece, texts, edges, sure))

    def _placed(self, piece: Piece, texts: list[str], edges: np.ndarray, sure: np.ndarray) -> list[Span]:
        """Spans of R texts; edges (R, 2): first frame, and the frame after the last."""
        hop, end = self.engine.hop_seconds, piece.part.start + seconds(len(piece.part.waveform))
        # A phone ends with its last frame, not where the next frame begins: a pause may have been cut out between them.
        times = file_seconds((edges - [0, 1]) * hop, piece.spans) + [0, hop] + piece.part.start
        rows = zip(texts, times.clip(max=end).tolist(), sure.tolist(), strict=True)
        return [Span(text, *time, confidence) for text, time, confidence in rows]


def read_engine(folder: Path) -> tuple[Engine, FrontEnd]:
    """The best engine of a folder, and the front end beside it.

    Raises:
        WavuError: as :meth:`Recogniser.read`.
    """
    if not folder.is_dir():
        raise WavuError(f"model={folder} is not a folder; give the output of wavu.self_train or wavu.gan_train")
    if (folder / "student").is_dir():
        from wavu.student import Student

        return StudentEngine(Student.read(folder / "student")), FrontEnd.read(folder / "frontend")
    for name, read in (("hmm", read_hmm), ("generator", read_generator)):
        if (folder / f"{name}.safetensors").exists():
            front_end = FrontEnd.read(folder / "frontend")
            if front_end.encoder.dim != len(front_end.mean):
                raise WavuError(
                    f"the encoder gives {front_end.encoder.dim} dims, {folder} was made with {len(front_end.mean)}; was it replaced?"
                )
            return FramesEngine(front_end, *read(folder, front_end)), front_end
    unfinished = " and is not finished: run the command that makes it again" if (folder / "plan.json").exists() else ""
    raise WavuError(
        f"{folder} holds no model (student/, hmm.safetensors or generator.safetensors){unfinished}; "
        "model= is the output of wavu.self_train or wavu.gan_train"
    )


def read_generator(folder: Path, front_end: FrontEnd) -> tuple[list[str], Callable[[Ragged], Iterator[Heard]]]:
    """Phones and ears of a gan_train folder: the generator's best phone of each of its outputs.

    One that was warm-started knows segments that an HMM has cut; that HMM cuts the new ones too.
    """
    tensors, about = read_tensors(folder / "generator.safetensors")
    generator, silence = rebuilt(tensors, about), len(about["phones"]) - 1
    cut = read_hmm(folder / "warm_start", front_end, name=about["cut"])[1] if about["cut"] else None

    def inputs(encoded: Ragged) -> tuple[Ragged, Ragged]:
        """What the generator hears, and the first frame of each of its outputs."""
        if about["hears"] == "frames":
            frames = front_end.frames(encoded)
            return frames, output_starts(frames, about["stride"])
        if cut:
            labels = Ragged(np.concatenate([heard.labels for heard in cut(encoded)]), encoded.offsets)
            return pool_runs(front_end.frames(encoded), labels)[:2]
        done = front_end.segment(encoded)
        return done.segments, done.starts

    def hear(encoded: Ragged) -> Iterator[Heard]:
        if not len(encoded):
            return
        segments, starts = inputs(encoded)
        for *row, length in zip(log_posteriors(generator, segments, batch_size=TOGETHER), starts, encoded.lengths, strict=True):
            likely = per_frame(*row, length)
            yield Heard(likely.argmax(axis=1).clip(max=silence), likely)

    return about["phones"], hear


def read_hmm(folder: Path, front_end: FrontEnd, *, name: str = "hmm") -> tuple[list[str], Callable[[Ragged], Iterator[Heard]]]:
    """Phones and ears of a self_train folder: the Viterbi path over units, or over gaussians of frames."""
    tensors, about = read_tensors(folder / f"{name}.safetensors")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    of_units = "emission" in tensors
    model = unpacked(tensors)[0].to(device) if of_units else AcousticModel.unpacked(tensors, device)
    grammar, (V, n) = grammar_of(tensors), model.stay.shape
    # The decipherment of a warm start knows no bonus.
    weights = {"grammar_weight": about["grammar_weight"], "phone_bonus": about.get("phone_bonus", 0.0)}

    def hear(encoded: Ragged) -> Iterator[Heard]:
        seen = front_end.units(encoded) if of_units else front_end.frames(encoded)
        states = best_states(model, grammar, seen, **weights)
        scores = Ragged(model.log_likelihood(seen).cpu().numpy(), seen.offsets)
        for path, row in zip(states, scores, strict=True):
            phones = said(path, n_states=n, silence=V - 1)
            yield Heard(path // n, np.logaddexp.reduce(row.reshape(-1, V, n), axis=2), row, phones)

    return about["phones"], hear


def _joined(name: str, heard: list[Transcription]) -> Transcription:
    """The parts of a recording as one; a phone that a cut has halved is whole again."""
    phones: list[Span] = []
    for part in heard:
        rest = part.phones
        if phones and rest and rest[0].text == phones[-1].text and rest[0].start - phones[-1].end < SEAM_SECONDS:
            phones[-1] = replace(phones[-1], end=rest[0].end)
            rest = rest[1:]
        phones += rest
    words = None if heard[0].words is None else [word for part in heard for word in part.words]
    return Transcription(name, sum(part.seconds for part in heard), phones, words)


def _batches(items: Iterable[tuple[Recording, Part | str]]) -> Iterator[list[tuple[Recording, Part | str]]]:
    """Parts of recordings, about ``TOGETHER_SECONDS`` together; fewer at first, so that the first results come soon."""
    batch, held, wanted = [], 0.0, FIRST_SECONDS
    for item in items:
        batch.append(item)
        held += 0.0 if isinstance(item[1], str) else seconds(len(item[1].waveform))
        if held >= wanted:
            yield batch
            batch, held, wanted = [], 0.0, TOGETHER_SECONDS
    if batch:
        yield batch


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """The items; each is made, in another thread, while the one before is used."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = thread.submit(next, items, None)
            yield item
