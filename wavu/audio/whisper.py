"""Whisper's encoder (Radford et al. 2023) on audio of its true length: no half minute of silence behind every short recording."""

import numpy as np
import torch
from torch import Tensor, nn

from wavu import hub
from wavu.audio.layers import chosen_layers
from wavu.feed import by_length
from wavu.units import HOP_SAMPLES, RATE_HZ, samples

WINDOW_SAMPLES = 30 * RATE_HZ  # all that Whisper was trained on, and has positions for
TAIL_SAMPLES = RATE_HZ  # zeros after the end, as in training, where every window ended in them
OVERLAP_SAMPLES = 4 * RATE_HZ  # of two pieces of a long recording; each gives the frames that lie deeper inside it


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
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.bfloat16 = self.device.type == "cuda" and precision == "bfloat16"
        self.network.to(self.device)

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,), T at least 320 -> frames (N, D) float32, N = T // 320."""
        pieces = [(row, *span) for row, waveform in enumerate(waveforms) for span in _pieces(len(waveform))]
        encoded: dict[int, np.ndarray] = {}
        for batch in by_length([end - start for _, start, end in pieces], self._limit(), mixed=True):
            cut = [waveforms[row][start:end] for row, start, end in (pieces[index] for index in batch)]
            encoded |= zip(batch, self._forward(cut), strict=True)
        frames = [np.empty((len(waveform) // HOP_SAMPLES, self.dim), np.float32) for waveform in waveforms]
        for index, (row, start, end) in enumerate(pieces):
            first, last = start // HOP_SAMPLES, end // HOP_SAMPLES
            inner = first + (OVERLAP_SAMPLES // 2 // HOP_SAMPLES if start else 0)
            frames[row][inner:last] = encoded[index][inner - first : last - first]
        return frames

    def _limit(self) -> int:
        """Samples in a batch: padding is free on a GPU and is not on a CPU, where each recording goes alone."""
        return self.batch_samples if self.device.type == "cuda" else 1

    @torch.inference_mode()
    def _forward(self, pieces: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms of at most 30 s as one batch -> the frames (N, D) of each."""
        filled = [min(len(piece) + TAIL_SAMPLES, WINDOW_SAMPLES) // HOP_SAMPLES for piece in pieces]
        mel = torch.from_numpy(np.stack([self._mel(piece, max(filled)) for piece in pieces])).to(self.device)
        there = (torch.arange(max(filled)) < torch.tensor(filled)[:, None]).to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            states = torch.cat(self._states(mel, there), -1).float().cpu().numpy()
        return [rows[: len(piece) // HOP_SAMPLES] for rows, piece in zip(states, pieces, strict=True)]

    def _mel(self, piece: np.ndarray, frames: int) -> np.ndarray:
        """Log mel energies (80, 2 * frames), zeros after the end: 100 columns a second."""
        padded = np.zeros(frames * HOP_SAMPLES, np.float32)
        padded[: len(piece)] = piece[: len(padded)]
        return self.extractor(padded, sampling_rate=RATE_HZ, padding=False, truncation=False).input_features[0]

    def _states(self, mel: Tensor, there: Tensor) -> list[Tensor]:
        """Mel (B, 80, 2 * N) and which frames are there (B, N) -> the states (B, N, D) after each block that is wanted."""
        network, columns = self.network, there.repeat_interleave(2, 1)[:, None]  # convolutions see zeros after the end
        hidden = nn.functional.gelu(network.conv1(mel * columns))
        hidden = nn.functional.gelu(network.conv2(hidden * columns)).transpose(1, 2)  # (B, D, N) -> (B, N, D)
        hidden = hidden + network.embed_positions.weight[: hidden.shape[1]]
        # What attention adds (B, 1, 1, N): minus infinity for frames that only pad the batch.
        mask = None if there.all() else torch.zeros_like(hidden[..., 0]).masked_fill(~there, -torch.inf)[:, None, None]
        states = []
        for block in network.layers:
            hidden = block(hidden, mask)
            states.append(hidden)
        return [states[layer - 1] for layer in self.layers]


def _pieces(n: int) -> list[tuple[int, int]]:
    """Where a recording of ``n`` samples is cut: (start, end), each at most 30 s, neighbours overlapping by 4 s.

    >>> [(start / RATE_HZ, end / RATE_HZ) for start, end in _pieces(64 * RATE_HZ)]
    [(0.0, 30.0), (26.0, 56.0), (52.0, 64.0)]
    """
    step = WINDOW_SAMPLES - OVERLAP_SAMPLES
    starts = range(0, max(1, n - OVERLAP_SAMPLES), step)
    return [(start, min(start + WINDOW_SAMPLES, n)) for start in starts]


def _load(name: str) -> tuple[nn.Module, object]:
    """The encoder in evaluation mode, and the extractor of mel energies."""
    from transformers import WhisperFeatureExtractor, WhisperModel

    def read(offline: bool) -> tuple[nn.Module, object]:
        extractor = WhisperFeatureExtractor.from_pretrained(name, local_files_only=offline)
        model = WhisperModel.from_pretrained(name, local_files_only=offline, dtype=torch.float32)
        return model.encoder.eval(), extractor

    return hub.load(name, read, what=f"the encoder {name}")
