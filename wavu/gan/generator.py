"""Speech in, phone logits out: the generators of wav2vec-U 1.0 and 2.0.

1.0 (Baevski et al. 2021) hears segments, 2.0 (Liu et al. 2022) frames. All M members are stacked: parameters, activations and
logits lead with M. Letters: M members, B utterances, S segments or N frames, d dims, V phones, k taps.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from wavu.errors import WavuError
from wavu.gan.noise import Noise
from wavu.gan.windows import inside, overlap_add, padded_to_longest, windows
from wavu.ragged import Ragged

GENERATOR_STREAM = 2  # of the noise its weights are drawn from
MOMENT_FRAMES = 1_000_000  # about so many frames tell mean and variance
BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM = 1e-5, 0.1  # torch's defaults, which the original keeps


@dataclass(frozen=True)
class Outputs:
    """What a generator makes of a batch.

    logits (M, B, S', V) and their numbers lengths (M, B). targets (M, B, N, K'): logits of the auxiliary targets, in training
    of a generator that has them.
    """

    logits: Tensor
    lengths: Tensor
    targets: Tensor | None = None


class SegmentGenerator(nn.Module):
    """1.0: input dropout and one convolution without bias, one output per segment."""

    hears: ClassVar[str] = "segments"
    stride: ClassVar[int] = 1

    def __init__(self, kernel: Tensor, *, dropout: float, extra_output: bool) -> None:
        """kernel (M, V, d, k); dropout: share of the input set to zero in training.

        extra_output: the original pads so that S segments give S + 1 outputs, output s seeing segments s - k/2 ...
        s + k/2 - 1. Changed on purpose: without it the last one is left away, for every segment gets exactly one label.
        """
        super().__init__()
        self.kernel = nn.Parameter(kernel)
        self.dropout, self.extra_output = dropout, extra_output

    @classmethod
    def drawn(cls, noise: Noise, *, phones: int, dim: int, kernel: int, **settings: float) -> "SegmentGenerator":
        """A generator with random weights."""
        return cls(noise.weights(phones, dim, kernel), **settings)

    def repeated(self, members: int) -> "SegmentGenerator":
        """So many copies of the one member."""
        kernel = self.kernel.detach().repeat(members, 1, 1, 1)
        return SegmentGenerator(kernel, dropout=self.dropout, extra_output=self.extra_output)

    def acquaint(self, segments: Ragged) -> None:
        """Segments (S, d) need not be known beforehand."""

    def hidden(self, segments: Tensor, lengths: Tensor) -> Tensor:
        """What the convolution sees in evaluation: the segments as they are."""
        return segments

    def forward(self, segments: Tensor, lengths: Tensor, noise: Noise | None = None) -> Outputs:
        """Segments (M or 1, B, S, d), zero beyond an utterance's end, lengths (M or 1, B).

        noise: given in training, for the dropout; left out in evaluation.

        Raises:
            WavuError: the segments have another number of dims than the generator was made for.
        """
        M, V, dim, k = self.kernel.shape
        segments = _fitting(segments, dim).expand(M, -1, -1, -1)
        if noise is not None:
            segments = _dropped(segments, self.dropout, noise)
        lengths = lengths.expand(M, -1)
        if self.extra_output:
            segments, lengths = nn.functional.pad(segments, (0, 0, 0, 1)), lengths + 1
        # Taps side by side and added where they overlap: V k numbers per segment to lay out instead of d k.
        taps = self.kernel.flip(-1).permute(0, 2, 3, 1).flatten(2)  # (M, V, d, k) -> (M, d, k V)
        columns = (segments.flatten(1, 2) @ taps).view(*segments.shape[:3], k, V)
        return Outputs(overlap_add(columns, before=k - 1 - k // 2), lengths)


class FrameGenerator(nn.Module):
    """2.0: batch normalisation, a linear layer around which its input passes, dropout, one convolution with a stride.

    In training a second head guesses from the linear layer's output which cluster of MFCCs each frame is in.
    """

    hears: ClassVar[str] = "frames"

    def __init__(self, tensors: dict[str, Tensor], *, dropout: float, stride: int, padding_counts: bool) -> None:
        """tensors: as ``state_dict`` gives them; see :meth:`drawn`.

        padding_counts: the linear layer's bias stands in the padding too, as in the original, where the last outputs of an
        utterance hence depend on whether a longer one is beside it.
        """
        super().__init__()
        for name in ("gain", "shift", "linear", "linear_bias", "kernel", "head", "head_bias"):
            setattr(self, name, nn.Parameter(tensors[name]))
        for name in ("mean", "variance"):
            self.register_buffer(name, tensors[name])
        self.dropout, self.stride, self.padding_counts = dropout, stride, padding_counts

    @classmethod
    def drawn(
        cls, noise: Noise, *, phones: int, dim: int, kernel: int, gain: float, targets: int, **settings: float
    ) -> "FrameGenerator":
        """A generator with random weights.

        gain: of the batch normalisation to begin with; 30 for wav2vec 2.0 Large, without it nothing converges (Liu et al.
        2022). targets: clusters K' that the second head guesses among.
        """
        kernels = noise.weights(phones, dim, kernel)
        ones = torch.ones(len(kernels), dim, device=noise.device)
        tensors = {
            "gain": gain * ones, "shift": 0 * ones, "mean": 0 * ones, "variance": ones.clone(), "kernel": kernels,
            "linear": noise.weights(dim, dim), "linear_bias": noise.weights(dim, fan_in=dim),
            "head": noise.weights(targets, dim), "head_bias": noise.weights(targets, fan_in=dim),
        }  # fmt: skip
        return cls(tensors, **settings)

    def repeated(self, members: int) -> "FrameGenerator":
        """So many copies of the one member."""
        copies = {name: value.repeat(members, *[1] * (value.ndim - 1)) for name, value in self.state_dict().items()}
        return FrameGenerator(copies, dropout=self.dropout, stride=self.stride, padding_counts=self.padding_counts)

    def acquaint(self, frames: Ragged) -> None:
        """Take the running mean and variance from frames (N, d), before anything is trained."""
        flat = frames.flat[:: max(1, len(frames.flat) // MOMENT_FRAMES)].astype(np.float32)
        self.mean[:], self.variance[:] = torch.from_numpy(flat.mean(0)), torch.from_numpy(flat.var(0))

    def hidden(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """What the convolution sees in evaluation: (M or 1, B, N, d) -> (M, B, N, d)."""
        normal = self._normalised(frames, lengths, self.mean, self.variance)
        return self._ended(normal + self._linear(normal), lengths)

    def forward(self, frames: Tensor, lengths: Tensor, noise: Noise | None = None) -> Outputs:
        """Frames (M or 1, B, N, d), lengths (M or 1, B) -> logits (M, B, ceil(N / stride), V); noise as in 1.0.

        Raises:
            WavuError: the frames have another number of dims than the generator was made for.
        """
        M, V, dim, k = self.kernel.shape
        frames, lengths = _fitting(frames, dim).expand(M, -1, -1, -1).to(self.gain.dtype), lengths.expand(M, -1)
        targets = None
        if noise is None:
            hidden = self.hidden(frames, lengths)
        else:
            normal = self._normalised(frames, lengths, *self._moments(frames, lengths))
            linear = self._linear(_dropped(normal, self.dropout, noise))
            targets = _affine(linear, self.head, self.head_bias)
            hidden = self._ended(_dropped(normal + linear, self.dropout, noise), lengths)
        around = windows(hidden, k, before=k // 2, stride=self.stride)
        logits = around.view(M, -1, k * dim) @ self.kernel.permute(0, 3, 2, 1).flatten(1, 2)
        logits = logits.view(*around.shape[:3], V).to(self.kernel.dtype)  # the losses are not for 16 bits
        return Outputs(logits, -(-lengths // self.stride), targets)

    def _moments(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (M, d) of the frames inside their utterances; they also enter the running ones."""
        valid = inside(lengths, frames.shape[2])[..., None].to(frames.dtype)
        count = valid.sum((1, 2))
        mean = (frames * valid).sum((1, 2)) / count
        variance = ((frames - mean[:, None, None]).square() * valid).sum((1, 2)) / count
        with torch.no_grad():
            self.mean.lerp_(mean, BATCH_NORM_MOMENTUM)
            self.variance.lerp_(variance * count / (count - 1).clamp(min=1), BATCH_NORM_MOMENTUM)
        return mean, variance

    def _normalised(self, frames: Tensor, lengths: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
        scale = self.gain * (variance + BATCH_NORM_EPSILON).rsqrt()
        return _zeroed((frames - mean[:, None, None]) * scale[:, None, None] + self.shift[:, None, None], lengths)

    def _linear(self, frames: Tensor) -> Tensor:
        return _affine(frames, self.linear, self.linear_bias)

    def _ended(self, frames: Tensor, lengths: Tensor) -> Tensor:
        """What the convolution meets beyond an utterance's end: zeros, as at the edges, or what the padding has become."""
        return _zeroed(frames, padded_to_longest(lengths) if self.padding_counts else lengths)


Generator = SegmentGenerator | FrameGenerator


def rebuilt(tensors: dict[str, np.ndarray], about: dict) -> Generator:
    """The generator that ``state_dict`` came from, for evaluation; about: what :func:`described` said of it."""
    weights = {name: torch.from_numpy(np.array(value)) for name, value in tensors.items()}
    if about["hears"] == "segments":
        return SegmentGenerator(weights["kernel"], dropout=0.0, extra_output=False)
    return FrameGenerator(weights, dropout=0.0, stride=about["stride"], padding_counts=False)


def described(generator: Generator) -> dict:
    """What has to be known beside the weights."""
    return {"hears": generator.hears, "stride": generator.stride, "dim": generator.kernel.shape[2]}


def _fitting(rows: Tensor, dim: int) -> Tensor:
    if rows.shape[-1] != dim:
        raise WavuError(f"expected segments (S, {dim}) to match the generator, got (S, {rows.shape[-1]}); was pca.dim changed?")
    return rows


def _dropped(rows: Tensor, share: float, noise: Noise) -> Tensor:
    """Dropout (M, B, S, d)."""
    return rows * noise.kept(1 - share, *rows.shape[1:]) / (1 - share)


def _zeroed(rows: Tensor, lengths: Tensor) -> Tensor:
    """Zeros beyond the end."""
    return rows * inside(lengths, rows.shape[2])[..., None]


def _affine(rows: Tensor, weights: Tensor, bias: Tensor) -> Tensor:
    """(M, B, N, d) x (M, o, d) + (M, o) -> (M, B, N, o)."""
    flat = rows.flatten(1, 2) @ weights.transpose(1, 2) + bias[:, None]
    return flat.view(*rows.shape[:3], -1)
