"""Models of others: any order of columns, special tokens anywhere, and outputs added up."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import HubertConfig, HubertForCTC, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from tests.student.test_model import TINY, encoder, waveforms
from wavu import hub
from wavu.errors import WavuError
from wavu.student.borrowed import is_phone, pooled, read

TOKENS = ["<s>", "a", "<pad>", "</s>", "<unk>", "ts", "yː", "|", "ai5", "ˈ", "x", ""]


def model(folder: Path, tokens: list[str] = TOKENS, blank: int = 2, family: str = "wav2vec2") -> Path:
    """A phoneme model with random weights that says many different things; the last column has no token."""
    torch.manual_seed(0)
    kinds = {"wav2vec2": (Wav2Vec2Config, Wav2Vec2ForCTC), "hubert": (HubertConfig, HubertForCTC)}
    config, kind = kinds[family]
    network = kind(
        config(**TINY, feat_extract_norm="layer", do_stable_layer_norm=True, vocab_size=len(tokens), pad_token_id=blank)
    )
    with torch.no_grad():
        network.lm_head.weight.mul_(100)
        network.lm_head.bias.normal_()
    network.save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({token: column for column, token in enumerate(tokens) if token}))
    return folder


@pytest.mark.parametrize("family", ["wav2vec2", "hubert"])
@pytest.mark.parametrize("blank", [0, 2, 10])
def test_the_blank_may_be_any_column(family: str, blank: int, tmp_path: Path) -> None:
    student = read(hub.Source(str(model(tmp_path, blank=blank, family=family))))
    order = [blank, *(column for column in range(len(TOKENS)) if column != blank)]
    assert student.phones == [TOKENS[column] for column in order[1:]]
    kind = HubertForCTC if family == "hubert" else Wav2Vec2ForCTC
    theirs, (wave,) = kind.from_pretrained(tmp_path).eval(), waveforms(1)
    with torch.inference_mode():
        logits = theirs(torch.tensor(student.inputs(wave))[None]).logits[0]
    (ours,) = student.score([wave], batch_seconds=10.0)
    np.testing.assert_allclose(ours, logits.log_softmax(-1)[:, order], atol=1e-4)


def test_what_is_no_phone_is_told_apart() -> None:
    assert [token for token in TOKENS if is_phone(token)] == ["a", "ts", "yː", "ai5", "x"]


def test_outputs_are_as_probable_as_their_columns_together() -> None:
    chances = np.array([[0.4, 0.3, 0.3, 0.0], [0.1, 0.2, 0.3, 0.4]], np.float32)
    with np.errstate(divide="ignore"):
        found = pooled(np.log(chances), np.array([0, 1, 1, 0]))
    np.testing.assert_allclose(np.exp(found), [[0.4, 0.6], [0.5, 0.5]], rtol=1e-5)
    assert pooled(np.zeros((0, 4), np.float32), np.array([0, 1, 1, 0])).shape == (0, 2)


@pytest.mark.parametrize(
    ("tokens", "reason"), [([*"abcdefghijklmnopqrstuvwxyz", "<pad>", "|", "'"], "letters"), (["<pad>", "a", "b"], None)]
)
def test_a_model_of_letters_is_refused(tokens: list[str], reason: str | None, tmp_path: Path) -> None:
    folder = str(model(tmp_path, tokens, blank=tokens.index("<pad>")))
    if reason:
        with pytest.raises(WavuError, match=reason):
            read(hub.Source(folder))
    else:
        assert read(hub.Source(folder)).phones == ["a", "b"]


def test_a_model_without_outputs_is_refused(tmp_path: Path) -> None:
    encoder(tmp_path)
    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "a": 1}')
    with pytest.raises(WavuError, match="without outputs"):
        read(hub.Source(str(tmp_path)))
    (tmp_path / "vocab.json").write_text('{"eng": {"<pad>": 0}}')
    with pytest.raises(WavuError):
        read(hub.Source(str(tmp_path)))
