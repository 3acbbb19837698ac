"""Frames of Whisper equal those of transformers where a window is full, and are cut to the true length where it is not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

from wavu.audio.encoder import load_encoder
from wavu.audio.whisper import Whisper
from wavu.audio.whisper_ctc import WINDOW_SAMPLES
from wavu.errors import WavuError

SIZES = {
    "d_model": 16, "encoder_layers": 3, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_layers": 1,
    "decoder_attention_heads": 2, "decoder_ffn_dim": 32, "init_std": 0.3, "vocab_size": 8, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 3, "max_target_positions": 8,
}  # fmt: skip
SETTINGS = {"batch_seconds": 120, "precision": "bfloat16"}
RNG = np.random.default_rng(0)
WHISPER_BASE = Path(__file__).parents[3] / "shared" / "encoders" / "whisper-base"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whisper")
    torch.manual_seed(0)
    WhisperModel(WhisperConfig(**SIZES)).save_pretrained(path)
    WhisperFeatureExtractor().save_pretrained(path)
    return path


def theirs(folder: Path, waveform: np.ndarray, layer: int) -> np.ndarray:
    model = WhisperModel.from_pretrained(folder, dtype=torch.float32).eval()
    mel = WhisperFeatureExtractor.from_pretrained(folder)(waveform, sampling_rate=16_000).input_features
    with torch.no_grad():
        return model.encoder(torch.from_numpy(mel), output_hidden_states=True).hidden_states[layer][0].numpy()


@pytest.mark.parametrize("layer", [1, 2])
def test_a_full_window_gives_the_hidden_states_of_transformers(folder: Path, layer: int) -> None:
    waveform = RNG.normal(0, 0.1, WINDOW_SAMPLES).astype(np.float32)
    (frames,) = Whisper(model=str(folder), layer=layer, **SETTINGS).encode([waveform])
    np.testing.assert_allclose(frames, theirs(folder, waveform, layer), atol=1e-5)


def test_several_layers_lie_side_by_side(folder: Path) -> None:
    waveform = RNG.normal(0, 0.1, 20_000).astype(np.float32)
    (both,), (second,) = (Whisper(model=str(folder), layer=layer, **SETTINGS).encode([waveform]) for layer in ([1, 2], 2))
    assert both.shape == (62, 32)
    np.testing.assert_allclose(both[:, 16:], second, atol=1e-5)


def test_a_recording_is_heard_alike_whatever_else_is_in_the_batch(folder: Path) -> None:
    encoder = Whisper(model=str(folder), layer=2, **SETTINGS)
    waveforms = [RNG.normal(0, 0.1, n).astype(np.float32) for n in (320, 9_599, 48_000)]
    encoder._limit = lambda: 10**9  # all in one padded batch, as on a GPU
    together = encoder.encode(waveforms)
    encoder._limit = lambda: 1
    for row, waveform in zip(together, waveforms, strict=True):
        assert len(row) == len(waveform) // 320
        np.testing.assert_allclose(row, encoder.encode([waveform])[0], atol=1e-4)


def test_a_long_recording_is_that_of_its_pieces_away_from_the_seams(folder: Path) -> None:
    encoder = Whisper(model=str(folder), layer=2, **SETTINGS)
    waveform = RNG.normal(0, 0.1, 40 * 16_000).astype(np.float32)
    (frames,) = encoder.encode([waveform])
    (first,), (second,) = encoder.encode([waveform[:WINDOW_SAMPLES]]), encoder.encode([waveform[26 * 16_000 :]])
    assert len(frames) == 2_000
    np.testing.assert_allclose(frames[:1_400], first[:1_400], atol=1e-5)
    np.testing.assert_allclose(frames[1_400:], second[100:], atol=1e-5)


def test_the_folder_of_a_whisper_is_one_choice_of_encoder(folder: Path) -> None:
    assert isinstance(load_encoder(kind="huggingface", model=str(folder), layer=None, **SETTINGS), Whisper)
    with pytest.raises(WavuError, match="has layers 1 to 3"):
        load_encoder(kind="huggingface", model=str(folder), layer=4, **SETTINGS)


def test_whisper_base_itself() -> None:
    if not WHISPER_BASE.is_dir():
        pytest.skip("no whisper-base at hand")
    waveform = RNG.normal(0, 0.1, WINDOW_SAMPLES).astype(np.float32)
    (frames,) = Whisper(model=str(WHISPER_BASE), layer=4, **SETTINGS).encode([waveform])
    np.testing.assert_allclose(frames, theirs(WHISPER_BASE, waveform, 4), atol=1e-3)
