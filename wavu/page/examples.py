"""Utterances to listen to: which ones, how they sound and look, and what was heard in them when.

Shapes: T samples at 16 kHz, S segments, P spans of speech.
"""

import io
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import soundfile
from PIL import Image

from wavu.audio.files import Recording, read_manifest
from wavu.audio.read import read_audio
from wavu.audio.vad import file_seconds
from wavu.errors import WavuError
from wavu.page.run import Run
from wavu.recogniser import Recogniser
from wavu.store import Ragged, read_array
from wavu.transcription import Span, Transcription
from wavu.units import HOP_SECONDS, RATE_HZ, seconds

WINDOW, HOP, POINTS = 400, 160, 512  # samples of the spectrogram: 25 ms every 10 ms
ROWS = 128  # of its picture, to 8 kHz
PRE_EMPHASIS = 0.97
RANGE_DB = 70.0  # from white to black
JPEG_QUALITY = 70


@dataclass(frozen=True)
class Example:
    """An utterance as the page shows it; times are seconds from its beginning, and those past ``seconds`` are left out.

    confidence: of the HMM, 0 to 1; None where no model has heard it. sound, picture: data URIs; "" where the recording cannot
    be read, and ``problem`` says why. shortened: whether it goes on.
    """

    id: str
    confidence: float | None
    segments: list[Span] = field(default_factory=list)
    phones: list[Span] = field(default_factory=list)
    words: list[Span] = field(default_factory=list)
    seconds: float = 0.0
    shortened: bool = False
    sound: str = ""
    picture: str = ""
    problem: str = ""


def collected(run: Run, recogniser: Recogniser | None, *, examples: int, seconds: float, seed: int) -> list[Example]:
    """So many utterances of a run, the surest first.

    recogniser: says phones and words; None where there is none. seconds: of each, at most. seed: of the choice.
    """
    recordings = read_manifest(run.folder / "audio" / "manifest.tsv")
    sure = np.asarray(read_array(run.folder / "model" / "confidence.npy")) if "model" in run.records else None
    chosen = chosen_rows(np.array([row.seconds for row in recordings]), sure, examples=examples, seconds=seconds, seed=seed)
    heard = _heard(recogniser, [recordings[row] for row in chosen])
    spans = _spans_of(run, chosen)
    return [
        _example(
            replace(recordings[row], id=run.speech.ids[row]), None if sure is None else float(sure[row]), segments(run, row, kept),
            said, seconds,
        )
        for row, kept, said in zip(chosen, spans, heard, strict=True)
    ]  # fmt: skip


def chosen_rows(lengths: np.ndarray, sure: np.ndarray | None, *, examples: int, seconds: float, seed: int) -> list[int]:
    """Rows of utterances, drawn from as many layers of confidence, the surest first; short ones where there are enough.

    lengths: seconds of each. sure: confidence of each; None draws from all alike.
    """
    rng = np.random.default_rng(seed)
    short = np.flatnonzero(lengths <= seconds)
    rows = rng.permutation(short if len(short) >= examples else len(lengths))
    if sure is not None:
        rows = rows[np.argsort(-sure[rows], kind="stable")]
    layers = np.array_split(rows, min(examples, len(rows))) if examples else []
    return [int(rng.choice(layer)) for layer in layers]


def _heard(recogniser: Recogniser | None, recordings: list[Recording]) -> list[Transcription | str | None]:
    """What is said in each, or why it cannot be heard; None without a recogniser."""
    if recogniser is None:
        return [None] * len(recordings)
    return [said for _, said in recogniser.stream(recordings)]


def _spans_of(run: Run, rows: Sequence[int]) -> list[np.ndarray]:
    """The spans of speech (P, 2) of some utterances, in seconds of their files."""
    shards = sorted((run.folder / "audio" / "shards").iterdir())
    spans = Ragged.join([Ragged.read(shard, "spans") for shard in shards])
    return [spans[row].astype(np.float64) for row in rows]


def segments(run: Run, row: int, kept: np.ndarray) -> list[Span]:
    """The segments of an utterance with their labels, in seconds of its file; kept: its spans of speech (P, 2)."""
    starts = np.asarray(run.starts[row], np.float64)
    ends = np.append(starts[1:], run.speech.frames.lengths[row]) - 0.5  # within the last frame: a pause may follow it
    labels = [""] * len(starts) if run.labels is None else [run.text.phones[label] for label in run.labels[row]]
    labels = ["" if label == run.text.phones[-1] else label for label in labels]
    begins = file_seconds(starts * HOP_SECONDS, kept)
    stops = file_seconds(ends * HOP_SECONDS, kept) + HOP_SECONDS / 2
    return [Span(label, float(begin), float(end), 1.0) for label, begin, end in zip(labels, begins, stops, strict=True)]


def _example(
    recording: Recording, confidence: float | None, cut: list[Span], said: Transcription | str | None, limit: float
) -> Example:
    example = Example(recording.id, confidence)
    try:
        end = recording.end or None
        waveform = read_audio(recording.path, start=recording.start, end=end)
    except WavuError as error:
        return replace(example, problem=str(error))
    shown = waveform[: round(limit * RATE_HZ)]
    tiers = {"segments": cut}
    if isinstance(said, Transcription):
        tiers |= {"phones": said.phones, "words": said.words or []}
    length = seconds(len(shown))
    tiers = {name: _within(spans, recording.start, length) for name, spans in tiers.items()}
    return replace(
        example, **tiers, seconds=length, shortened=len(shown) < len(waveform), sound=sound(shown), picture=spectrogram(shown),
        problem=said if isinstance(said, str) else "",
    )  # fmt: skip


def _within(spans: list[Span], start: float, length: float) -> list[Span]:
    """Spans from ``start`` seconds of a file on, for ``length`` seconds, counted from there."""
    moved = [replace(span, start=max(0.0, span.start - start), end=min(span.end - start, length)) for span in spans]
    return [span for span in moved if span.start < span.end]


def sound(waveform: np.ndarray) -> str:
    """A waveform (T,) as a data URI: FLAC, whose times no decoder shifts."""
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE_HZ, format="FLAC", subtype="PCM_16")
    return _uri("audio/flac", file.getvalue())


def spectrogram(waveform: np.ndarray) -> str:
    """A waveform (T,) as a picture, loud is black, low is below; a data URI."""
    emphasised = np.append(waveform[:1], waveform[1:] - PRE_EMPHASIS * waveform[:-1])
    padded = np.pad(emphasised, (WINDOW // 2, WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: len(waveform) : HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames, POINTS)[:, 1:]) ** 2
    level = 10 * np.log10(power.reshape(len(power), ROWS, -1).mean(axis=2) + 1e-10)
    white = np.clip((level.max() - level) / RANGE_DB, 0, 1)
    file = io.BytesIO()
    Image.fromarray((255 * white.T[::-1]).astype(np.uint8)).save(file, "JPEG", quality=JPEG_QUALITY)
    return _uri("image/jpeg", file.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"
