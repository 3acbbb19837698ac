"""Networks to pre-train, new or to be continued, and the folder they leave: what transformers and ``prepare_audio`` open."""

from pathlib import Path

import torch
from transformers import (
    HubertConfig,
    HubertModel,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
)

from wavu import hub
from wavu.errors import WavuError
from wavu.store import atomic_files
from wavu.units import HOP_SAMPLES, RATE_HZ

WEIGHTS = "model.safetensors"
# Layer norms in all convolutions and before each block, as in the LARGE model: training is steadier, and what is heard does not
# depend on what shares its batch.
STEADY = {"feat_extract_norm": "layer", "do_stable_layer_norm": True, "conv_bias": True}


def new_network(objective: str, settings: dict) -> PreTrainedModel:
    """A network with random weights. objective: wav2vec2 or hubert. settings: by the names of transformers' configuration."""
    if objective == "wav2vec2":
        return Wav2Vec2ForPreTraining(Wav2Vec2Config(**STEADY, **settings))
    return HubertModel(HubertConfig(**STEADY, **settings))


def continued(objective: str, source: hub.Source) -> PreTrainedModel:
    """A network to be trained on.

    Raises:
        OSError: it cannot be had. WavuError: it is of another kind, lacks the quantiser, or has no frame per 20 ms.
    """
    kind, model_type = (Wav2Vec2ForPreTraining, "wav2vec2") if objective == "wav2vec2" else (HubertModel, "hubert")
    name, config = source.name, source.config()
    if config.model_type != model_type:
        raise WavuError(
            f"start_from={name} is a {config.model_type} model; objective={objective} goes on from {model_type} models"
        )
    model, loaded = source.network(kind, dtype=torch.float32, output_loading_info=True)
    if missing := sorted(loaded["missing_keys"]):
        raise WavuError(
            f"start_from={name} lacks {missing[0]} and {len(missing) - 1} other weights: it was fine-tuned or cut; "
            f"give one that was pre-trained with objective={objective}"
        )
    if torch.tensor(config.conv_stride).prod() != HOP_SAMPLES:
        raise WavuError(f"start_from={name} does not give one frame per 20 ms of 16 kHz audio, as every stage after it expects")
    return model


def write_network(model: PreTrainedModel, folder: Path) -> None:
    """Write model and feature extractor, the weights last: a folder with weights is whole.

    Raises:
        WavuError: the disk is full or the folder may not be written.
    """
    with atomic_files(folder, last=WEIGHTS) as temporary:
        model.save_pretrained(temporary)
        Wav2Vec2FeatureExtractor(sampling_rate=RATE_HZ, do_normalize=True, return_attention_mask=True).save_pretrained(temporary)
