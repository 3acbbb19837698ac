"""Whisper's encoder (Radford et al. 2023) on audio of its true length: no half minute of silence behind every short recording."""

import numpy as np
import torch
from torch import nn

from wavu import hub
from wavu.audio.layers import chosen_layers
from wavu.audio.whisper_ctc import filled_frames, join, log_mel, pieces, states
from wavu.device import find_device, in_bfloat16, through
from wavu.feed import by_length
from wavu.units import HOP_SAMPLES, samples


class Whisper:
    """The output of one transformer block of Whisper's encoder, or of several, without the final norm.

    Equals ``WhisperModel(...).encoder(mel, output_hidden_states=True).hidden_states[layer]`` on a full window of 30 s. A shorter
    recording is not filled up to 30 s but to one second more than it has: its frames then differ by what attention would have
    gathered from silence, and cost a fraction.
    """

    def __init__(self, *, model: str, layer: int | list[int] | str | None, batch_seconds: float, precision: str) -> None:
        """Load a model by hub name or folder. Settings as those of :class:`wavu.audio.encoder.HuggingFace`.

        Raises:
            WavuError: the model cannot be had, or has fewer layers.
        """
        self.network, self.extractor = _load(model)
        config = self.network.config
        self.layers = chosen_layers(layer, config.encoder_layers, model)
        self.network.layers = self.network.layers[: max(self.layers)]
        self.dim = len(self.layers) * config.d_model
        self.batch_samples = samples(batch_seconds)
        self.device = find_device()
        self.bfloat16 = in_bfloat16(precision, self.device)
        self.network.to(self.device)

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,), T at least 320 -> frames (N, D) float32, N = T // 320."""
        spans = [pieces(len(waveform)) for waveform in waveforms]
        cut = [waveform[start:end] for waveform, each in zip(waveforms, spans, strict=True) for start, end in each]
        batches = list(by_length([len(piece) for piece in cut], self._limit(), mixed=True))[::-1]  # the longest first
        together = [[cut[index] for index in batch] for batch in batches]
        encoded: dict[int, torch.Tensor] = {}
        for batch, hidden in zip(batches, through(self.device, self._filled, self._forward, together), strict=True):
            for index, frames in zip(batch, hidden, strict=True):
                encoded[index] = frames[: len(cut[index]) // HOP_SAMPLES]
        rows = iter(encoded[index] for index in range(len(cut)))
        return [join(each, [next(rows) for _ in each]).numpy() for each in spans]

    def _limit(self) -> int:
        """Samples in a batch: padding is free on a GPU and is not on a CPU, where each recording goes alone."""
        return self.batch_samples if self.device.type == "cuda" else 1

    def _filled(self, cut: list[np.ndarray]) -> tuple[torch.Tensor, ...]:
        """Waveforms of at most 30 s -> log mel energies (B, M, 2 N) and, where lengths differ, which of the N frames are theirs."""
        filled = [filled_frames(piece) for piece in cut]
        mel = torch.from_numpy(np.stack([log_mel(self.extractor, piece, max(filled)) for piece in cut]))
        there = torch.arange(max(filled)) < torch.tensor(filled)[:, None]
        return (mel,) if there.all() else (mel, there)

    @torch.inference_mode()
    def _forward(self, mel: torch.Tensor, there: torch.Tensor | None = None) -> torch.Tensor:
        """A batch, and its own frames where it is padded -> (B, N, D)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            return torch.cat(states(self.network, mel, there, self.layers), -1).float()


def _load(name: str) -> tuple[nn.Module, object]:
    """The encoder in evaluation mode, and the extractor of mel energies."""
    from transformers import WhisperFeatureExtractor, WhisperModel

    def read(source: hub.Source) -> tuple[nn.Module, object]:
        return source.network(WhisperModel, dtype=torch.float32).encoder.eval(), source.open(WhisperFeatureExtractor)

    return hub.load(name, read, what=f"the encoder {name}")
