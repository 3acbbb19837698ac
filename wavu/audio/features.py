"""MFCC: a waveform in, one vector per 10 ms or, two in one, per 20 ms out."""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from wavu.units import HOP_SAMPLES, RATE_HZ

# Kaldi's MFCC: windows of 25 ms every 10 ms, 23 mel filters from 20 Hz up, 13 cepstra.
WINDOW = 400
SHIFT = HOP_SAMPLES // 2
FFT = 512
MELS = 23
LOW_HZ = 20.0
CEPSTRA = 13
LIFTER = 22
PREEMPHASIS = 0.97
PCM_SCALE = 32768.0
# Energy that noise of one 16-bit step leaves in a filter, which is what Kaldi's dither adds. Without a floor the digital
# silence of synthetic speech lies near log(0) and takes up most of the variance.
MEL_FLOOR = 100.0
CEPSTRUM_DIM = 3 * CEPSTRA  # with delta and delta-delta
MFCC_DIM = 2 * CEPSTRUM_DIM


def mfcc(waveform: Tensor | np.ndarray) -> Tensor:
    """Two frames of :func:`cepstra`, of 10 ms, stacked to one of 20 ms.

    waveform (T,) or (B, T) at 16 kHz, T at least 560 -> (N, 78) or (B, N, 78), where N = ((T - 400) // 160 + 1) // 2.
    """
    frames = cepstra(waveform)
    n = frames.shape[-2] // 2
    return frames[..., : 2 * n, :].reshape(*frames.shape[:-2], n, MFCC_DIM)


def cepstra(waveform: Tensor | np.ndarray) -> Tensor:
    """13 MFCC, delta and delta-delta every 10 ms, normalised per utterance.

    waveform (T,) or (B, T) at 16 kHz, T at least 400 -> (C, 39) or (B, C, 39), where C = (T - 400) // 160 + 1.
    As Kaldi's ``compute-mfcc-feats`` and ``add-deltas`` (Povey et al. 2011) without dither; then each of the 39 dims is
    brought to mean 0 and variance 1 over the utterance.
    """
    still = _cepstra(torch.as_tensor(waveform, dtype=torch.float32))
    slope, curve = _deltas()
    frames = torch.cat([still, _filter(still, slope), _filter(still, curve)], dim=-1)
    deviation, mean = torch.std_mean(frames, dim=-2, correction=0, keepdim=True)
    return (frames - mean) / deviation.clamp(min=1e-5)


def _cepstra(waveform: Tensor) -> Tensor:
    """Kaldi's MFCC (..., 10 ms frames, 13) of a waveform (..., T)."""
    frames = (waveform * PCM_SCALE).unfold(-1, WINDOW, SHIFT)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window, mel, cosine = _matrices()
    spectrum = torch.fft.rfft((frames - PREEMPHASIS * before) * window, n=FFT)
    power = spectrum.real.square() + spectrum.imag.square()
    return (power @ mel).clamp(min=MEL_FLOOR).log() @ cosine


def _filter(frames: Tensor, taps: Tensor) -> Tensor:
    """Each dim of frames (..., n, 13) filtered over time, the first and last frame repeated at the edges."""
    reach = len(taps) // 2
    n = frames.shape[-2]
    index = torch.arange(-reach, n + reach).clamp(0, n - 1)
    return frames[..., index, :].unfold(-2, len(taps), 1) @ taps


@cache
def _deltas() -> tuple[Tensor, Tensor]:
    """Taps of delta (5,) and of delta-delta (9,), its own convolution."""
    slope = torch.arange(-2.0, 3.0) / 10
    return slope, torch.conv1d(F.pad(slope, (4, 4))[None, None], slope.flip(0)[None, None])[0, 0]


@cache
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """Povey's window (400,), mel filters (257, 23), and DCT with liftering (23, 13)."""
    window = torch.hann_window(WINDOW, periodic=False, dtype=torch.float64) ** 0.85

    def to_mel(hertz: Tensor) -> Tensor:
        return 1127 * torch.log1p(hertz / 700)

    bins = to_mel(torch.arange(FFT // 2 + 1, dtype=torch.float64) * RATE_HZ / FFT)[:, None]
    low, high = to_mel(torch.tensor([LOW_HZ, RATE_HZ / 2], dtype=torch.float64))
    edges = torch.linspace(float(low), float(high), MELS + 2, dtype=torch.float64)
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    mel = torch.minimum(rise, fall).clamp(min=0)
    order = torch.arange(CEPSTRA, dtype=torch.float64)
    cosine = torch.cos(torch.pi / MELS * (torch.arange(MELS, dtype=torch.float64) + 0.5)[:, None] * order)
    cosine *= (2 / MELS) ** 0.5 * torch.where(order == 0, 0.5**0.5, 1.0)
    lifter = 1 + LIFTER / 2 * torch.sin(torch.pi * order / LIFTER)
    return window.float(), mel.float(), (cosine * lifter).float()
