"""Log mel energies as transformers' SeamlessM4TFeatureExtractor gives them, all frames at once instead of one after another.

Shapes: T samples at 16 kHz, N frames of 10 ms.
"""

import numpy as np
from transformers import SeamlessM4TFeatureExtractor

WINDOW, SHIFT, FFT = 400, 160, 512  # 25 ms every 10 ms
PREEMPHASIS = 0.97
PCM_SCALE = 2.0**15
FLOOR = 1.192092955078125e-07
LEAST_VARIANCE = 1e-7


def stacked(waveform: np.ndarray, extractor: SeamlessM4TFeatureExtractor) -> np.ndarray:
    """Log mel energies of a waveform (T,), each band normalised over the waveform, ``stride`` frames in one: (N / stride, features) float32.

    T at least 560: two frames. The extractor pads to an even number of frames; what is left over at the end is dropped.
    """
    frames = log_mel(waveform, extractor)
    frames = (frames - frames.mean(0)) / np.sqrt(frames.var(0, ddof=1) + LEAST_VARIANCE)
    frames = np.pad(frames, ((0, len(frames) % 2), (0, 0)))
    kept = len(frames) // extractor.stride
    return frames[: kept * extractor.stride].reshape(kept, extractor.stride * frames.shape[1])


def log_mel(waveform: np.ndarray, extractor: SeamlessM4TFeatureExtractor) -> np.ndarray:
    """Natural log of the energy in each mel band (N, bands) float32 of a waveform (T,), T at least 400."""
    frames = np.lib.stride_tricks.sliding_window_view(waveform * PCM_SCALE, WINDOW)[::SHIFT].astype(np.float64)
    frames -= frames.mean(1, keepdims=True)
    frames[:, 1:] -= PREEMPHASIS * frames[:, :-1]
    frames[:, 0] *= 1 - PREEMPHASIS
    spectrum = np.fft.rfft(frames * extractor.window, FFT).astype(np.complex64)
    power = np.abs(spectrum, dtype=np.float64) ** 2
    # Rounded where the extractor rounds, and bands first in memory, so that means over time round alike too.
    return np.log(np.maximum(extractor.mel_filters.T @ power.T, FLOOR)).astype(np.float32).T
