"""Utterances to listen to: which ones, how they sound and look, and what was heard in them when.

Shapes: T samples at 16 kHz, S segments, P spans of speech.
"""

import io
from base64 import b64encode
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import soundfile
from PIL import Image

from wavu.audio.files import Recording, read_manifest
from wavu.audio.read import read_audio
from wavu.audio.vad import file_seconds
from wavu.errors import WavuError
from wavu.page.run import Run
from wavu.recogniser import Recogniser
from wavu.store import read_array
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

    confidence: of the HMM, 0 to 1; None where no model has heard it. surer: share of the utterances that it is less sure of. sound, picture: data URIs; "" where the recording cannot
    be read, and ``problem`` says why. shortened: whether it goes on.
    """

    id: str
    confidence: float | None
    surer: float = 0.0
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
    found, kept = [], run.prepared("spans")
    for row, said in zip(chosen, heard, strict=True):
        example = Example(run.ids[row], None)
        if sure is not None:
            example = replace(example, confidence=float(sure[row]), surer=float((sure < sure[row]).mean()))
        found.append(_filled(example, recordings[row], segments(run, row, kept[row].astype(np.float64)), said, limit=seconds))
    return found


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


def segments(run: Run, row: int, kept: np.ndarray) -> list[Span]:
    """The segments of an utterance with their labels, in seconds of its file; one that a pause was cut out of is there twice.

    kept: the utterance's spans of speech (P, 2).
    """
    lengths = kept[:, 1] - kept[:, 0]
    starts = run.starts[row] * HOP_SECONDS
    bounds = np.union1d(starts, np.cumsum(lengths) - lengths)
    bounds = bounds[np.append(True, np.diff(bounds) > HOP_SECONDS / 2)]  # a pause is cut out within a frame, or between two
    ends = np.append(bounds[1:], run.frames[row] * HOP_SECONDS)
    labels = _symbols(run, row)[np.searchsorted(starts, bounds + HOP_SECONDS / 2, side="right") - 1]
    begins, stops = file_seconds(bounds, kept), file_seconds(ends - HOP_SECONDS / 2, kept) + HOP_SECONDS / 2
    times = zip(labels.tolist(), begins.tolist(), stops.tolist(), strict=True)
    return [Span(label, begin, stop, 1.0) for label, begin, stop in times]


def _symbols(run: Run, row: int) -> np.ndarray:
    """What each segment (S) is called; "" where it is silence or has no name."""
    if run.labels is None:
        return np.full(len(run.starts[row]), "")
    return np.array([*run.text.phones[:-1], ""])[run.labels[row]]


def _filled(
    example: Example, recording: Recording, cut: list[Span], said: Transcription | str | None, *, limit: float
) -> Example:
    """An example with its sound, its picture and its tiers, up to ``limit`` seconds; or with the problem of its recording."""
    try:
        waveform = read_audio(recording.path, start=recording.start, end=recording.end or None)
    except WavuError as error:
        return replace(example, problem=f"{recording.path}: {error}")
    shown = waveform[: round(limit * RATE_HZ)]
    if not len(shown):
        return replace(example, problem=f"{recording.path}: empty")
    heard = said if isinstance(said, Transcription) else Transcription("", 0.0, [])
    tiers = {"segments": cut, "phones": heard.phones, "words": heard.words or []}
    tiers = {name: _within(spans, recording.start, seconds(len(shown))) for name, spans in tiers.items()}
    return replace(
        example, **tiers, seconds=seconds(len(shown)), shortened=len(shown) < len(waveform), sound=sound(shown),
        picture=spectrogram(shown), problem=said if isinstance(said, str) else "",
    )  # fmt: skip


def _within(spans: list[Span], start: float, length: float) -> list[Span]:
    """Spans from ``start`` seconds of a file on, for ``length`` seconds, counted from there; each ends where the next begins, if not before."""
    ends = [min(span.end, after.start) for span, after in pairwise(spans)] + [span.end for span in spans[-1:]]
    moved = [
        replace(span, start=max(0.0, span.start - start), end=min(end - start, length))
        for span, end in zip(spans, ends, strict=True)
    ]
    return [span for span in moved if span.start < span.end]


def sound(waveform: np.ndarray) -> str:
    """A waveform (T,) as a data URI.

    MP3, as every browser plays it and its header lets none shift the times; Chromium cannot seek in some short FLAC.
    """
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE_HZ, format="MP3", subtype="MPEG_LAYER_III")
    return _uri("audio/mpeg", file.getvalue())


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
