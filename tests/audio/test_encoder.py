"""Frames equal the hidden states of the model they come from, whatever else is in the batch."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    Data2VecAudioConfig,
    HubertConfig,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    WavLMConfig,
    WhisperConfig,
)

from wavu.audio.encoder import HuggingFace, Mfcc, load_encoder
from wavu.audio.features import mfcc
from wavu.errors import WavuError

SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "initializer_range": 0.3,  # with the usual 0.02 all layers are nearly alike
}
GROUP, LAYER = {"feat_extract_norm": "group"}, {"feat_extract_norm": "layer", "conv_bias": True}
STABLE = {"do_stable_layer_norm": True}
MODELS = {
    "wav2vec2 base": (Wav2Vec2Config(**SIZES, **GROUP), True),
    "wav2vec2 large": (Wav2Vec2Config(**SIZES, **LAYER, **STABLE), True),
    "wav2vec2 with adapter": (Wav2Vec2Config(**SIZES, **LAYER, **STABLE, add_adapter=True), False),
    "hubert base": (HubertConfig(**SIZES, **GROUP), False),
    "hubert large": (HubertConfig(**SIZES, **LAYER, **STABLE), True),
    "wavlm base": (WavLMConfig(**SIZES, **GROUP), False),
    "wavlm large": (WavLMConfig(**SIZES, **LAYER, **STABLE, num_buckets=32, max_bucket_distance=80), True),
    "data2vec": (Data2VecAudioConfig(**SIZES), True),
}
RNG = np.random.default_rng(0)
WAVEFORMS = [(3 + RNG.normal(0, 0.3, n)).astype(np.float32) for n in (6_400, 16_000, 9_599, 16_000, 400)]
SETTINGS = {"batch_seconds": 120, "precision": "bfloat16"}


def save(folder: Path, name: str) -> Path:
    config, normalise = MODELS[name]
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=normalise).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=sorted(MODELS))
def folder(request, tmp_path_factory) -> Path:
    return save(tmp_path_factory.mktemp("model"), request.param)


@torch.no_grad()
def hidden_states(folder: Path, waveform: np.ndarray, layer: int) -> np.ndarray:
    """As a stranger would do it: one waveform at a time, the whole model."""
    values = AutoFeatureExtractor.from_pretrained(folder)(waveform, sampling_rate=16_000, return_tensors="pt").input_values
    model = AutoModel.from_pretrained(folder).eval()
    return model(values, output_hidden_states=True).hidden_states[layer][0].numpy()


@pytest.mark.parametrize("layer", [1, 3, 4])
def test_frames_are_the_hidden_states_of_the_layer(folder: Path, layer: int) -> None:
    encoder = HuggingFace(model=str(folder), layer=layer, **SETTINGS)
    assert len(encoder.model.encoder.layers) == layer and encoder.dim == 16
    for waveform, frames in zip(WAVEFORMS, encoder.encode(WAVEFORMS), strict=True):
        truth = hidden_states(folder, waveform, layer)
        assert frames.dtype == np.float32 and frames.shape == truth.shape == ((len(waveform) - 80) // 320, 16)
        assert np.abs(frames - truth).max() < 1e-4


@pytest.mark.parametrize(("layer", "meant"), [("all", [1, 2, 3, 4]), ([3, 1], [3, 1])])
def test_several_layers_of_one_pass_are_those_of_many(layer: list[int] | str, meant: list[int], folder: Path) -> None:
    together = HuggingFace(model=str(folder), layer=layer, **SETTINGS)
    assert together.layers == meant and together.dim == 16 * len(meant)
    assert len(together.model.encoder.layers) == max(meant)
    alone = [HuggingFace(model=str(folder), layer=number, **SETTINGS).encode(WAVEFORMS) for number in meant]
    passes = []
    together.batch_samples = 10**7
    together.model.register_forward_hook(lambda *_: passes.append(1))
    for index, frames in enumerate(together.encode(WAVEFORMS)):
        assert np.abs(frames - np.concatenate([rows[index] for rows in alone], axis=1)).max() < 1e-4
    assert len(passes) < len(WAVEFORMS) + 1


def test_the_batch_changes_nothing(folder: Path) -> None:
    together = HuggingFace(model=str(folder), layer=2, **SETTINGS)
    alone = [together.encode([waveform])[0] for waveform in WAVEFORMS]
    together.batch_samples = 10**7  # on a CPU it is 0: each for itself
    others = [together.encode(WAVEFORMS), together.encode(WAVEFORMS[::-1])[::-1]]
    together.batch_samples = 20_000
    for rows in (*others, together.encode(WAVEFORMS)):
        assert all(np.abs(row - one).max() < 1e-4 for row, one in zip(rows, alone, strict=True))


def test_a_cpu_takes_bfloat16_where_it_is_told_to(folder: Path) -> None:
    given = {"model": str(folder), "layer": 3, "batch_seconds": 120}
    plain, told, half = (HuggingFace(precision=name, **given) for name in ("float32", "bfloat16", "bfloat16_everywhere"))
    for truth, same, near in zip(*(encoder.encode(WAVEFORMS) for encoder in (plain, told, half)), strict=True):
        assert near.dtype == np.float32 and 0 < (near - truth).std() < 0.2 * truth.std()
        assert np.array_equal(same, truth) or told.device.type == "cuda"


def test_what_padding_would_change_shares_no_batch(tmp_path: Path) -> None:
    """The tests above can fail: with padding, a group norm gives other frames."""
    encoder = HuggingFace(model=str(save(tmp_path, "wav2vec2 base")), layer=2, **SETTINGS)
    alone = encoder.encode(WAVEFORMS[:1])[0]
    assert not encoder.maskable
    encoder.maskable, encoder.batch_samples = True, 10**7
    assert np.abs(encoder.encode(WAVEFORMS)[0] - alone).max() > 1e-3


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_frames_of_a_cpu(folder: Path) -> None:
    truth = [hidden_states(folder, waveform, 3) for waveform in WAVEFORMS]
    for precision, apart in (("float32", 1e-3), ("bfloat16", 0.2)):  # of what frames vary by: bfloat16 has 8 bits
        encoder = HuggingFace(model=str(folder), layer=3, batch_seconds=1.5, precision=precision)
        assert encoder.device.type == "cuda"
        made = encoder.encode(WAVEFORMS)
        assert all((frames - rows).std() < apart * rows.std() for frames, rows in zip(made, truth, strict=True))


def test_by_default_the_layer_lies_at_five_eighths(tmp_path: Path) -> None:
    encoder = HuggingFace(model=str(save(tmp_path, "hubert base")), layer=None, **SETTINGS)
    assert len(encoder.model.encoder.layers) == round(4 * 5 / 8)


def test_mfcc_is_the_function() -> None:
    threads = torch.get_num_threads()
    for waveform, frames in zip(WAVEFORMS[:4], Mfcc().encode(WAVEFORMS[:4]), strict=True):
        assert np.allclose(frames, mfcc(waveform).numpy())
    assert torch.get_num_threads() == threads


def broken(folder: Path, what: str) -> str:
    """A model folder with one thing wrong; its name."""
    if what == "missing":
        return str(folder / "nowhere")
    save(folder, "hubert base")
    if what == "extractor":
        (folder / "preprocessor_config.json").unlink()
    if what == "weights":
        (folder / "model.safetensors").unlink()
    if what == "config":
        (folder / "config.json").write_text("{")
    if what == "rate":
        Wav2Vec2FeatureExtractor(sampling_rate=8_000).save_pretrained(folder)
    if what == "family":
        config = WhisperConfig(
            d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2
        )
        AutoModel.from_config(config).save_pretrained(folder)
    if what == "damaged":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:100])
    return str(folder)


@pytest.mark.parametrize("what", ["missing", "extractor", "weights", "config", "rate", "family", "damaged"])
def test_an_encoder_that_cannot_be_used_is_told_in_one_line(what: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    name = broken(tmp_path, what)
    with pytest.raises(WavuError, match="encoder") as caught:
        HuggingFace(model=name, layer=1, **SETTINGS)
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("layer", [5, 0, [1, 5], [], "last", 2.5])
def test_a_layer_that_is_not_there_is_told(layer: object, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=re.escape(f"encoder.layer={layer}, but ") + ".* has layers 1 to 4"):
        HuggingFace(model=str(save(tmp_path, "hubert base")), layer=layer, **SETTINGS)


def test_finished_frames_cannot_encode() -> None:
    with pytest.raises(WavuError, match="mfcc, huggingface"):
        load_encoder(kind="precomputed", folder="x", split="train")


def test_normalisation_is_read_from_the_models_own_settings(tmp_path: Path) -> None:
    folder = save(tmp_path, "wavlm large")
    before = HuggingFace(model=str(folder), layer=1, **SETTINGS).encode(WAVEFORMS[:1])[0]
    settings = folder / "preprocessor_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"do_normalize": False}))
    assert np.abs(HuggingFace(model=str(folder), layer=1, **SETTINGS).encode(WAVEFORMS[:1])[0] - before).max() > 1e-3
