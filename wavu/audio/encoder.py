"""The frozen encoders behind one door: waveforms in, frames of 20 ms out."""

import warnings
from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import nn

from wavu import hub
from wavu.audio.features import MFCC_DIM, mfcc
from wavu.audio.layers import chosen_layers
from wavu.device import find_device, in_bfloat16, on_all_cores, through
from wavu.errors import WavuError
from wavu.feed import by_length
from wavu.units import HOP_SAMPLES, RATE_HZ, samples

# Models whose padding can be masked out to the last digit. Elsewhere (a group norm over time in the first convolution,
# stacked positional convolutions as in data2vec) zeros after the end change every frame, so only equal lengths share a batch.
MASKABLE = ("wav2vec2", "hubert", "wavlm")


class Encoder(Protocol):
    """Anything that turns waveforms into frames."""

    dim: int

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,) at 16 kHz -> frames (N, D) float32, whatever else is in the list."""


class Mfcc:
    """:func:`wavu.audio.features.mfcc` of each waveform, on all cores."""

    dim = MFCC_DIM

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,) -> frames (N, 78) float32."""
        return [rows.numpy() for rows in on_all_cores(mfcc, waveforms)]


class HuggingFace:
    """The output of one transformer block of a model of the wav2vec 2.0 family, or of several, without a final norm.

    Equals ``model(waveform, output_hidden_states=True).hidden_states[layer]``. The blocks above are not computed; those below
    are computed once, for however many layers.
    """

    def __init__(self, *, model: str, layer: int | list[int] | str | None, batch_seconds: float, precision: str) -> None:
        """Load a model by hub name or folder.

        layer: counted from 1; None takes 5/8 of the depth, 15 of 24, the best for phones in Baevski et al. 2021; several, or
        ``all`` of them, lie side by side in a frame. batch_seconds: audio in a batch, padding included. precision:
        see :func:`wavu.device.in_bfloat16`.

        Raises:
            WavuError: the model cannot be had, is of another family, or has fewer layers.
        """
        self.model, self.extractor = _load(model)
        config = self.model.config
        self.layers = chosen_layers(layer, config.num_hidden_layers, model)
        self.model.encoder.layers = self.model.encoder.layers[: max(self.layers)]
        if getattr(config, "do_stable_layer_norm", False):
            self.model.encoder.layer_norm = nn.Identity()  # here the norm comes after the last block; otherwise before the first
        self.model.adapter = None
        self.dim = len(self.layers) * config.hidden_size
        self.maskable = (
            config.model_type in MASKABLE
            and config.feat_extract_norm == "layer"
            and not getattr(config, "conv_pos_batch_norm", False)
        )
        self.device = find_device()
        # One at a time on a CPU, whose caches several would overflow: three times as fast as batches of two minutes.
        self.batch_samples = samples(batch_seconds) if self.device.type == "cuda" else 0
        self.bfloat16 = in_bfloat16(precision, self.device)
        self.model.to(self.device)

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,), T at least 400 -> frames (N, D) float32, N = (T - 80) // 320."""
        lengths = [len(waveform) for waveform in waveforms]
        batches = list(by_length(lengths, self.batch_samples, mixed=self.maskable))[::-1]  # the longest first
        together = [[waveforms[index] for index in batch] for batch in batches]
        encoded: dict[int, np.ndarray] = {}
        for batch, hidden in zip(batches, through(self.device, self._padded, self._forward, together), strict=True):
            for index, frames in zip(batch, hidden.numpy(), strict=True):
                encoded[index] = frames[: self._n_frames(lengths[index])].copy()
        return [encoded[index] for index in range(len(waveforms))]

    def _padded(self, waveforms: list[np.ndarray]) -> tuple[torch.Tensor, ...]:
        """Waveforms of any lengths -> (B, T of the longest) and, where lengths differ, which samples are theirs."""
        rows = [torch.as_tensor(self.extractor(waveform, sampling_rate=RATE_HZ).input_values[0]) for waveform in waveforms]
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        if bool((lengths == padded.shape[1]).all()):
            return (padded,)
        return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()

    @torch.inference_mode()
    def _forward(self, padded: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """A batch (B, T), and its own samples where it is padded -> (B, N of the longest, D)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            states = self.model(padded, mask, output_hidden_states=True).hidden_states
        return torch.cat([states[layer] for layer in self.layers], -1).float()

    def _n_frames(self, n: int) -> int:
        for kernel, stride in zip(self.model.config.conv_kernel, self.model.config.conv_stride, strict=True):
            n = (n - kernel) // stride + 1
        return n


def _of_hugging_face(*, model: str, **settings: object) -> Encoder:
    """The encoder of a model's own kind: Whisper's hears log mel energies, all others waveforms."""
    from wavu.audio.whisper import Whisper  # here, because it needs seconds

    config = hub.load(model, hub.Source.config, what=f"the encoder {model}", instead=WITHOUT)
    return (Whisper if config.model_type == "whisper" else HuggingFace)(model=model, **settings)


WITHOUT = "take encoder=mfcc, which needs no model: enough for one synthetic voice, useless for people"

ENCODERS: dict[str, Callable[..., Encoder]] = {"mfcc": Mfcc, "huggingface": _of_hugging_face}


def load_encoder(*, kind: str, **settings: object) -> Encoder:
    """The encoder of a ``configs/encoder/*.yaml``.

    Raises:
        WavuError: it cannot be loaded, or its frames came from files and no new audio can be encoded.
    """
    if kind not in ENCODERS:
        raise WavuError(
            f"encoder={kind} holds finished frames and cannot encode audio; prepare the audio with one of {', '.join(ENCODERS)}"
        )
    return ENCODERS[kind](**settings)


def _load(name: str) -> tuple[nn.Module, Callable]:
    """A model in evaluation mode and its feature extractor, which knows whether the waveform is to be normalised."""
    from transformers import AutoModel

    warnings.filterwarnings("ignore", "Support for mismatched key_padding_mask")  # of WavLM's attention, which means it so

    def read(source: hub.Source) -> tuple[nn.Module, Callable]:
        return source.network(AutoModel, dtype=torch.float32).eval(), source.extractor()

    model, extractor = hub.load(name, read, what=f"the encoder {name}")
    config = model.config
    if not hasattr(getattr(model, "encoder", None), "layers") or not hasattr(config, "conv_stride"):
        raise WavuError(
            f"the encoder {name} is a {config.model_type} model; expected one of the wav2vec 2.0 family, such as HuBERT or WavLM, or Whisper"
        )
    if np.prod(config.conv_stride) != HOP_SAMPLES or extractor.sampling_rate != RATE_HZ:
        raise WavuError(f"the encoder {name} does not give one frame per 20 ms of 16 kHz audio, as every stage after it expects")
    return model, extractor
