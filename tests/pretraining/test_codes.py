"""Codes are those that transformers' quantiser takes, whatever else is in the batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModelForPreTraining,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerForPreTraining,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2ForPreTraining,
)

from wavu import hub
from wavu.errors import WavuError
from wavu.pretraining.codes import Quantiser, read

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "codevector_dim": 8,
    "proj_codevector_dim": 8,
    "num_codevectors_per_group": 20,
    "num_codevector_groups": 2,
}
LAYER = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
MODELS = {
    "group": (Wav2Vec2ForPreTraining, Wav2Vec2Config(**SIZES), True),
    "layer": (Wav2Vec2ForPreTraining, Wav2Vec2Config(**SIZES, **LAYER), True),
    "adapter": (Wav2Vec2ForPreTraining, Wav2Vec2Config(**SIZES, **LAYER, add_adapter=True), False),
    "conformer": (Wav2Vec2ConformerForPreTraining, Wav2Vec2ConformerConfig(**SIZES, feat_extract_norm="layer"), True),
}
RNG = np.random.default_rng(0)
WAVEFORMS = [(1 + RNG.normal(0, 0.3, n)).astype(np.float32) for n in (6_400, 16_000, 9_599, 16_000, 400)]


def save(folder: Path, name: str) -> Path:
    kind, config, normalise = MODELS[name]
    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalise).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=sorted(MODELS))
def folder(request, tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("model"), request.param)


def quantiser(folder: Path, *, batch_seconds: float = 120) -> Quantiser:
    return Quantiser(*read(hub.Source(str(folder))), batch_seconds=batch_seconds)


@torch.no_grad()
def quantised(folder: Path, waveform: np.ndarray) -> np.ndarray:
    """As a stranger would do it: the vector that the whole model takes for each frame (N, 8), of one waveform."""
    values = AutoFeatureExtractor.from_pretrained(folder)(waveform, sampling_rate=16_000, return_tensors="pt").input_values
    return AutoModelForPreTraining.from_pretrained(folder).eval()(values).projected_quantized_states[0].numpy()


@torch.no_grad()
def vectors(model: torch.nn.Module, codes: np.ndarray) -> np.ndarray:
    """What the codes (N, G) stand for (N, 8)."""
    books = model.quantizer.codevectors.view(2, 20, 4).cpu()  # G, K, 8 / G
    chosen = [book[column.astype(np.int64)] for book, column in zip(books, codes.T, strict=True)]
    return model.cpu().project_q(torch.cat(chosen, dim=-1)).numpy()


def test_codes_are_those_of_the_whole_model(folder: Path) -> None:
    ours = quantiser(folder)
    assert (ours.dim, ours.size) == (2, 20)
    seen = set()
    for waveform, codes in zip(WAVEFORMS, ours.encode(WAVEFORMS), strict=True):
        assert codes.dtype == np.int16 and codes.shape == ((len(waveform) - 80) // 320, 2)
        seen |= set(map(tuple, codes.tolist()))
        truth = quantised(folder, waveform)
        assert np.abs(vectors(ours.model, codes) - truth).max() < 1e-5
    assert len(seen) > 5


def test_the_batch_changes_nothing(folder: Path) -> None:
    ours = quantiser(folder)
    alone = [ours.encode([waveform])[0] for waveform in WAVEFORMS]
    for rows in (
        ours.encode(WAVEFORMS),
        ours.encode(WAVEFORMS[::-1])[::-1],
        quantiser(folder, batch_seconds=1).encode(WAVEFORMS),
    ):
        assert all(np.array_equal(row, one) for row, one in zip(rows, alone, strict=True))


def test_what_padding_would_change_shares_no_batch(tmp_path: Path) -> None:
    """The test above can fail: with padding, a group norm gives other codes."""
    ours = quantiser(save(tmp_path, "group"))
    alone = ours.encode(WAVEFORMS[:1])[0]
    ours.mixed = True
    assert (ours.encode(WAVEFORMS)[0] != alone).mean() > 0.05


def test_models_without_codebooks_are_told_in_one_line(tmp_path: Path) -> None:
    shared = {name: size for name, size in SIZES.items() if "code" not in name}
    HubertModel(HubertConfig(**shared)).save_pretrained(tmp_path / "hubert")
    Wav2Vec2ForCTC(Wav2Vec2Config(**SIZES, vocab_size=5)).save_pretrained(tmp_path / "tuned")
    for name in ("hubert", "tuned"):
        Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / name)
        with pytest.raises(WavuError, match=f"{name} has no codebook: .*objective=hubert or fine-tuned") as caught:
            read(hub.Source(str(tmp_path / name)))
        assert "\n" not in str(caught.value)


def test_other_rates_are_refused(tmp_path: Path) -> None:
    Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(save(tmp_path, "layer"))
    with pytest.raises(WavuError, match="one frame per 20 ms"):
        read(hub.Source(str(tmp_path)))


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        read(hub.Source(str(tmp_path / "nowhere")))
