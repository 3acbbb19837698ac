"""Waveforms in, codes out: the entries of its codebooks that a pre-trained model takes for each frame, as its targets in training.

Shapes: B waveforms, T samples at 16 kHz, N frames of 20 ms, C channels of the convolutions, G codebooks of K codes each.
"""

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    MODEL_FOR_PRETRAINING_MAPPING,
    AutoModelForPreTraining,
    FeatureExtractionMixin,
    PreTrainedModel,
)

from wavu import hub
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.feed import by_length
from wavu.units import HOP_SAMPLES, RATE_HZ, samples


class Quantiser:
    """Convolutions and codebooks of a model of the wav2vec 2.0 family (Baevski et al. 2020, section 2), without its Transformer.

    Takes the most probable code of each codebook, without the Gumbel noise of training. An encoder for wavu.audio.shards, whose
    frames are codes.
    """

    def __init__(self, model: PreTrainedModel, extractor: FeatureExtractionMixin, *, batch_seconds: float) -> None:
        """What :func:`read` gives. batch_seconds: audio in a batch, padding included; changes no result."""
        self.model, self.extractor = model, extractor
        self.model.base_model.encoder = None  # the Transformer, most of the memory
        self.model.to(find_device())
        self.dim, self.size = self.model.quantizer.num_groups, self.model.quantizer.num_vars
        # A group norm in the first convolution is over time: zeros after the end would change every frame.
        self.mixed = self.model.config.feat_extract_norm == "layer"
        self.batch_samples = samples(batch_seconds)

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,), T at least 400 -> codes (N, G) int16, N = (T - 80) // 320, whatever else is in the list."""
        encoded: dict[int, np.ndarray] = {}
        for batch in by_length([len(waveform) for waveform in waveforms], self.batch_samples, mixed=self.mixed):
            encoded |= zip(batch, self._forward([waveforms[index] for index in batch]), strict=True)
        return [encoded[index] for index in range(len(waveforms))]

    @torch.inference_mode()
    def _forward(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        """Waveforms (T,) as one batch -> codes (N, G) of each."""
        rows = [torch.as_tensor(self.extractor(waveform, sampling_rate=RATE_HZ).input_values[0]) for waveform in waveforms]
        padded = pad_sequence(rows, batch_first=True).to(self.model.device)
        base, quantiser = self.model.base_model, self.model.quantizer
        # (B, T) -> (B, C, N) -> (B, N, C), normalised as for the Transformer.
        _, features = base.feature_projection(base.feature_extractor(padded).transpose(1, 2))
        codes = quantiser.weight_proj(features).unflatten(-1, (self.dim, self.size)).argmax(-1)  # (B, N, G * K) -> (B, N, G)
        lengths = self.model._get_feat_extract_output_lengths(torch.tensor([len(row) for row in rows]), add_adapter=False)
        arrays = codes.to(torch.int16).cpu().numpy()
        return [row[:length].copy() for row, length in zip(arrays, lengths.tolist(), strict=True)]


def read(source: hub.Source) -> tuple[PreTrainedModel, FeatureExtractionMixin]:
    """A model with codebooks, in evaluation mode, and its feature extractor.

    Raises:
        OSError: there is no such model. WavuError: it has no codebook.
    """
    name, config = source.name, source.config()
    missing = ["quantizer"]
    if type(config) in MODEL_FOR_PRETRAINING_MAPPING:
        model, report = source.network(AutoModelForPreTraining, dtype=torch.float32, output_loading_info=True)
        missing = [key for key in report["missing_keys"] if key.startswith("quantizer")]
    if missing:
        raise WavuError(
            f"{name} has no codebook: a model that was pre-trained with objective=hubert or fine-tuned has none; give one "
            "pre-trained as wav2vec 2.0"
        )
    extractor = source.extractor()
    if np.prod(config.conv_stride) != HOP_SAMPLES or extractor.sampling_rate != RATE_HZ:
        raise WavuError(f"{name} does not give one frame per 20 ms of 16 kHz audio, as every stage of wavu expects")
    return model.eval(), extractor
