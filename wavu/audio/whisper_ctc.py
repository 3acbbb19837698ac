"""Whisper's encoder on audio of its true length, alone or with a head above it as one CTC model of transformers.

A copy of this file lies in the folder of every exported head, where wavu is not installed; so it imports nothing of wavu.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    PreTrainedConfig,
    PreTrainedModel,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    WhisperConfig,
    WhisperFeatureExtractor,
)
from transformers.modeling_outputs import CausalLMOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder

RATE_HZ = 16_000
HOP_SAMPLES = 320  # of a frame
WINDOW_SAMPLES = 30 * RATE_HZ  # all that Whisper was trained on, and has positions for
TAIL_SAMPLES = RATE_HZ  # zeros after the end, as in training, where every window ended in them
OVERLAP_SAMPLES = 4 * RATE_HZ  # of two pieces of a long recording; each gives the frames that lie deeper inside it


class WhisperCtcConfig(PreTrainedConfig):
    """encoder: of Whisper's encoder. head: of what hears its frames. layers: whose outputs a frame consists of, counted from 1.

    levelled: whether each recording's mean is taken off its frames.
    """

    model_type = "wavu_whisper_ctc"
    sub_configs = {"encoder": WhisperConfig, "head": Wav2Vec2BertConfig}

    def __init__(
        self,
        encoder: dict | WhisperConfig | None = None,
        head: dict | Wav2Vec2BertConfig | None = None,
        layers: list[int] | None = None,
        levelled: bool = True,
        **rest: object,
    ) -> None:
        self.encoder = WhisperConfig(**encoder) if isinstance(encoder, dict) else encoder or WhisperConfig()
        self.head = Wav2Vec2BertConfig(**head) if isinstance(head, dict) else head or Wav2Vec2BertConfig()
        self.layers, self.levelled = layers or [self.encoder.encoder_layers], levelled
        self.inputs_to_logits_ratio = HOP_SAMPLES  # where a pipeline cuts long recordings
        super().__init__(**{"vocab_size": self.head.vocab_size, "pad_token_id": self.head.pad_token_id} | rest)


class WhisperCtc(PreTrainedModel):
    """Waveform -> frames of Whisper -> PCA -> head -> tokens, of which the padding token is CTC's blank."""

    config_class = WhisperCtcConfig
    main_input_name = "input_values"

    def __init__(self, config: WhisperCtcConfig) -> None:
        super().__init__(config)
        self.extractor = WhisperFeatureExtractor(feature_size=config.encoder.num_mel_bins)
        self.encoder = WhisperEncoder(config.encoder)
        self.pca = nn.Linear(len(config.layers) * config.encoder.d_model, config.head.feature_projection_input_dim)
        self.head = Wav2Vec2BertForCTC(config.head)
        self.post_init()

    def forward(self, input_values: Tensor, attention_mask: Tensor | None = None, **_: object) -> CausalLMOutput:
        """Waveforms (B, T) at 16 kHz, 1 in the mask (B, T) where they are no padding -> logits (B, N, P), N = T // 320."""
        there = torch.ones_like(input_values) if attention_mask is None else attention_mask
        rows = [self._frames(row[:length]) for row, length in zip(input_values, there.sum(1).int().tolist(), strict=True)]
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        padded = pad_sequence(rows, batch_first=True)
        inside = torch.arange(padded.shape[1], device=self.device) < lengths[:, None]
        logits = self.head(padded, attention_mask=inside.long()).logits
        silent = torch.arange(logits.shape[-1], device=self.device) == self.config.pad_token_id
        return CausalLMOutput(logits=torch.where(inside[:, :, None], logits, silent.to(logits) * 100))  # padding says nothing

    def _frames(self, waveform: Tensor) -> Tensor:
        """What the head hears of a waveform (T,): (N, d)."""
        samples, spans = waveform.float().cpu().numpy(), pieces(len(waveform))
        frames = join(spans, [self._encode(samples[start:end]) for start, end in spans])
        if self.config.levelled:
            frames = frames - frames.mean(0)
        return self.pca(frames.to(self.dtype))

    def _encode(self, piece: np.ndarray) -> Tensor:
        """Frames (N, D) of a waveform of at most 30 s."""
        filled = filled_frames(piece)
        mel = torch.from_numpy(log_mel(self.extractor, piece, filled))[None].to(self.device, self.dtype)
        return torch.cat(states(self.encoder, mel, None, self.config.layers), -1)[0, : len(piece) // HOP_SAMPLES]


def pieces(n: int) -> list[tuple[int, int]]:
    """Where a recording of ``n`` samples is cut: (start, end), each at most 30 s, neighbours overlapping by 4 s.

    >>> [(start / RATE_HZ, end / RATE_HZ) for start, end in pieces(64 * RATE_HZ)]
    [(0.0, 30.0), (26.0, 56.0), (52.0, 64.0)]
    """
    step = WINDOW_SAMPLES - OVERLAP_SAMPLES
    starts = range(0, max(1, n - OVERLAP_SAMPLES), step)
    return [(start, min(start + WINDOW_SAMPLES, n)) for start in starts]


def join(spans: list[tuple[int, int]], encoded: list[Tensor]) -> Tensor:
    """Frames (N, D) of the pieces of a recording -> those of the recording, from each piece those deeper inside it."""
    edge = OVERLAP_SAMPLES // 2 // HOP_SAMPLES
    last = len(spans) - 1
    firsts = [edge if place else 0 for place in range(len(spans))]
    ends = [len(rows) - edge if place < last else len(rows) for place, rows in enumerate(encoded)]
    return torch.cat([rows[first:end] for rows, first, end in zip(encoded, firsts, ends, strict=True)])


def filled_frames(piece: np.ndarray) -> int:
    """Frames of a waveform of at most 30 s with the zeros after it."""
    return min(len(piece) + TAIL_SAMPLES, WINDOW_SAMPLES) // HOP_SAMPLES


def log_mel(extractor: WhisperFeatureExtractor, piece: np.ndarray, frames: int) -> np.ndarray:
    """Log mel energies (80, 2 * frames) of a waveform, zeros after its end: 100 columns a second."""
    padded = np.zeros(frames * HOP_SAMPLES, np.float32)
    padded[: len(piece)] = piece[: len(padded)]
    return extractor(padded, sampling_rate=RATE_HZ, padding=False, truncation=False).input_features[0]


def states(network: nn.Module, mel: Tensor, there: Tensor | None, layers: list[int]) -> list[Tensor]:
    """Mel (B, 80, 2 * N) -> the states (B, N, D) after each of the ``layers``, without final norm.

    there: which frames are there (B, N); None: all.
    """
    columns = 1 if there is None else there.repeat_interleave(2, 1)[:, None]  # convolutions see zeros after the end
    hidden = nn.functional.gelu(network.conv1(mel * columns))
    hidden = nn.functional.gelu(network.conv2(hidden * columns)).transpose(1, 2)  # (B, D, N) -> (B, N, D)
    hidden = hidden + network.embed_positions.weight[: hidden.shape[1]]
    # What attention adds (B, 1, 1, N): minus infinity for frames that only pad the batch.
    mask = None if there is None else torch.zeros_like(hidden[..., 0]).masked_fill(~there, -torch.inf)[:, None, None]
    after = []
    for block in network.layers[: max(layers)]:
        hidden = block(hidden, mask)
        after.append(hidden)
    return [after[layer - 1] for layer in layers]
