"""Everything between a recording and its phones and words; what the commands and Python programs share.

    recogniser = wavu.load("runs/model")
    print(recogniser.transcribe("interview.mp3"))

A recogniser is an engine, which hears phones, and perhaps a word decoder. Recordings of any length are heard part by part.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, overload

import numpy as np

from wavu.audio.cut import Part, parts
from wavu.audio.files import Recording
from wavu.audio.read import defect, read_blocks
from wavu.audio.vad import file_seconds
from wavu.device import find_device
from wavu.engines.engine import Engine, Heard
from wavu.engines.read import read_engine, read_words
from wavu.errors import WavuError
from wavu.feed import ahead
from wavu.progress import say
from wavu.store import read_json
from wavu.transcription import Span, Transcription
from wavu.units import HOP_SECONDS, seconds

if TYPE_CHECKING:
    from wavu.decode.rescore import SentenceModel
    from wavu.decode.words import Word, WordDecoder

FIRST_SECONDS, TOGETHER_SECONDS = 120, 600  # of audio heard at a time, while the next is read; changes no result
SEAM_SECONDS = 0.1  # two equal phones nearer than this, on either side of a cut that is no pause, are one


class Words(Protocol):
    """What finds words, rows of the lexicon ``words``, in the scores of an engine."""

    @property
    def words(self) -> list[str]:
        """The lexicon."""

    def decode(self, scores: np.ndarray) -> "list[Word]":
        """The words of scores (N, P) with their times."""


@dataclass(frozen=True, eq=False)
class Rescored:
    """A word decoder whose ``n`` best sentences a Transformer judges again, under the decoder's own weights."""

    decoder: "WordDecoder"
    model: "SentenceModel"
    n: int

    @property
    def words(self) -> list[str]:
        """The lexicon."""
        return self.decoder.words

    def decode(self, scores: np.ndarray) -> "list[Word]":
        """See :class:`Words`."""
        from wavu.decode.rescore import rescore

        weights = {"lm_weight": self.decoder.lm_weight, "word_score": self.decoder.word_score}
        (judged,) = rescore([self.decoder.nbest(scores, self.n)], self.words, self.model, batch_size=self.n, **weights)
        return self.decoder.align(scores, judged[0].words) if judged else []


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
    shorter ones are refused. warning: why what it says is not to be trusted; "" where nothing is known against it.
    """

    engine: Engine
    vad: dict
    min_seconds: float
    max_seconds: float
    words: Words | None = None
    warning: str = ""

    @classmethod
    def read(cls, folder: Path) -> "Recogniser":
        """Open the output of self_train or of gan_train; one that was suspected to have failed is warned of.

        Raises:
            WavuError: the folder is neither, is not finished, or its encoder is not the one it was made with.
        """
        engine, front_end = read_engine(folder)
        settings = {name: front_end.settings[name] for name in ("vad", "min_seconds", "max_seconds")}
        record = read_json(folder / "stage.json") if (folder / "stage.json").exists() else {}
        why = record.get("counts", {}).get("suspected_failed")
        warning = f"suspected failed ({' '.join(str(why).split())}); do not trust what it says" if why else ""
        if warning:
            say(f"warning: {folder} {warning}")
        return cls(engine, **settings, words=read_words(folder, engine), warning=warning)

    @property
    def phones(self) -> list[str]:
        """Those it may hear; silence is none."""
        return self.engine.phones

    def rescored(self, model: Path, *, nbest: int) -> "Recogniser":
        """The same with a causal language model, a Hugging Face folder, that chooses among the ``nbest`` best sentences.

        Raises:
            WavuError: the recogniser knows no words, or there is no such model.
        """
        from wavu.decode.rescore import SentenceModel

        if self.words is None:
            raise WavuError(f"rescore={model} needs a model that knows words; this one hears phones only")
        decoder = cast("WordDecoder", self.words)  # what read_words gives
        return replace(self, words=Rescored(decoder, SentenceModel.read(model, device=find_device()), nbest))

    @overload
    def transcribe(self, audio: str | Path) -> Transcription: ...  # type: ignore[overload-overlap]  # a str is a sequence of str
    @overload
    def transcribe(self, audio: Sequence[str | Path]) -> list[Transcription]: ...

    def transcribe(self, audio: str | Path | Sequence[str | Path]) -> Transcription | list[Transcription]:
        """What is said in a file, of any format and length; or in each of several files, heard together, which is faster.

        Raises:
            WavuError: a file cannot be read, or is of no use.
        """
        paths = [audio] if isinstance(audio, str | Path) else audio
        results = []
        for recording, result in self.stream([Recording(Path(path).stem, Path(path)) for path in paths]):
            if isinstance(result, str):
                raise WavuError(f"cannot transcribe {recording.path}: {result}")
            results.append(result)
        return results[0] if isinstance(audio, str | Path) else results

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
            part, said = result
            heard = [_joined(heard[0], said, part.seam) if heard else said]
            advance(said.seconds)
            if part.last:
                yield recording, replace(heard.pop(), id=recording.id)

    def _pieces(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, tuple[Part, Transcription] | str]]:
        """Each part of each recording and what was heard in it, or why the recording is of no use."""
        with ThreadPoolExecutor() as pool:
            for batch in ahead(list(pool.map(self._listen, batch)) for batch in _batches(self._parts(recordings))):
                done = self._hear([piece for _, piece in batch if isinstance(piece, Piece)])
                for recording, piece in batch:
                    yield recording, piece if isinstance(piece, str) else (piece.part, next(done))

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
            empty = Transcription("", seconds(len(piece.part.waveform)), [], None if self.words is None else [], self.warning)
            yield self._said(empty, piece, next(heard)) if len(piece.speech) else empty

    def _said(self, empty: Transcription, piece: Piece, heard: Heard) -> Transcription:
        """An empty transcription, filled with phones and words."""
        phones = _spans(piece, heard.phones, heard.times, heard.confidence)
        if self.words is None or heard.scores is None:
            return replace(empty, phones=phones)
        said = self.words.decode(heard.scores)
        texts, sure = [self.words.words[word.word] for word in said], np.array([word.confidence for word in said])
        return replace(empty, phones=phones, words=_spans(piece, texts, self.engine.times(said, heard), sure))


def _spans(piece: Piece, texts: list[str], times: np.ndarray, sure: np.ndarray) -> list[Span]:
    """R phones or words with their times in the file; times (R, 2) in seconds of the speech."""
    # One ends within its last frame, not where the next frame begins: a pause may have been cut out between them.
    within = np.array([0, HOP_SECONDS / 2])
    times = file_seconds(times - within, piece.spans) + within
    times = piece.part.start + times.clip(max=seconds(len(piece.part.waveform)))
    return [Span(text, start, end, by) for text, (start, end), by in zip(texts, times.tolist(), sure.tolist(), strict=True)]


def _joined(before: Transcription, after: Transcription, seam: bool) -> Transcription:
    """Two parts of a recording as one, the first one's lists made longer; a phone that a cut has halved is whole again."""
    phones = after.phones
    if seam and before.phones and phones:
        last, first = before.phones[-1], phones[0]
        if first.text == last.text and first.start - last.end < SEAM_SECONDS:
            before.phones[-1] = replace(last, end=first.end)
            phones = phones[1:]
    before.phones.extend(phones)
    if before.words is not None and after.words is not None:
        before.words.extend(after.words)
    return replace(before, seconds=before.seconds + after.seconds)


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
