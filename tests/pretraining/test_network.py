"""Networks: what is left is what transformers and prepare_audio open; what cannot go on is refused in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, Wav2Vec2Config, Wav2Vec2ForCTC, Wav2Vec2ForPreTraining

from tests.pretraining.toy import CODEBOOK, NETWORK
from wavu import hub
from wavu.audio.encoder import load_encoder
from wavu.errors import WavuError
from wavu.pretraining.network import continued, new_network, write_network


@pytest.mark.parametrize("objective", ["wav2vec2", "hubert"])
def test_a_folder_is_opened_by_transformers_and_goes_on(objective: str, tmp_path: Path) -> None:
    model = new_network(objective, NETWORK | (CODEBOOK if objective == "wav2vec2" else {})).eval()
    write_network(model, tmp_path / "encoder")
    again = continued(objective, hub.Source(str(tmp_path / "encoder")))
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(weight, again.state_dict()[name])
    waveform = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    encoder = load_encoder(kind="huggingface", model=str(tmp_path / "encoder"), layer=2, batch_seconds=10, precision="float32")
    (frames,) = encoder.encode([waveform])
    normalised = torch.from_numpy((waveform - waveform.mean()) / np.sqrt(waveform.var() + 1e-7))[None]
    stock = AutoModel.from_pretrained(tmp_path / "encoder").eval()(normalised, output_hidden_states=True).hidden_states[2][0]
    np.testing.assert_allclose(frames, stock.detach().numpy(), atol=1e-4)


def test_a_seed_gives_the_same_weights() -> None:
    torch.manual_seed(3)
    first = new_network("wav2vec2", NETWORK | CODEBOOK).state_dict()
    torch.manual_seed(3)
    second = new_network("wav2vec2", NETWORK | CODEBOOK).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_cannot_go_on_is_refused(tmp_path: Path) -> None:
    write_network(new_network("hubert", NETWORK), tmp_path / "hubert")
    with pytest.raises(WavuError, match="is a hubert model; objective=wav2vec2 goes on from wav2vec2"):
        continued("wav2vec2", hub.Source(str(tmp_path / "hubert")))
    Wav2Vec2ForCTC(Wav2Vec2Config(**NETWORK, vocab_size=5)).save_pretrained(tmp_path / "tuned")
    with pytest.raises(WavuError, match="was fine-tuned or cut"):
        continued("wav2vec2", hub.Source(str(tmp_path / "tuned")))
    other = NETWORK | {"conv_stride": (10, 4, 4)}
    Wav2Vec2ForPreTraining(Wav2Vec2Config(**other, **CODEBOOK)).save_pretrained(tmp_path / "faster")
    with pytest.raises(WavuError, match="one frame per 20 ms"):
        continued("wav2vec2", hub.Source(str(tmp_path / "faster")))
