"""Students: the same phones from wavu, from any batch and from transformers.pipeline."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
    pipeline,
)

from wavu.decode import ctc
from wavu.errors import WavuError
from wavu.student.model import WEIGHTS, Student

PHONES = ["a", "tʃ", "oː", "p", "ŋ̊"]
REGULARISATION = {"mask_time_prob": 0.05, "mask_time_length": 2, "layerdrop": 0.0}
TINY = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "conv_dim": (8, 8, 8),
        "conv_kernel": (10, 8, 4), "conv_stride": (10, 8, 4), "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2}  # fmt: skip


def small(stride: int = 4, seed: int = 0) -> Student:
    torch.manual_seed(seed)
    student = Student.small(PHONES, stride=stride, width=16, layers=2, heads=2, kernel=5, regularisation=REGULARISATION)
    with torch.no_grad():  # not all blank, as new networks are
        student.model.lm_head.weight.mul_(30)
    student.model.eval()
    return student


def encoder(folder: Path, family: tuple = (Wav2Vec2Config, Wav2Vec2Model), norm: str = "layer") -> Path:
    torch.manual_seed(0)
    config, model = family
    model(config(**TINY, feat_extract_norm=norm, do_stable_layer_norm=norm == "layer")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=norm == "layer").save_pretrained(folder)
    return folder


def pretrained(folder: Path, **how: object) -> Student:
    torch.manual_seed(1)
    student = Student.pretrained(PHONES, encoder=str(encoder(folder, **how)), regularisation=REGULARISATION)
    with torch.no_grad():
        student.model.lm_head.weight.mul_(100)
    student.model.eval()
    return student


def waveforms(count: int, longest: float = 2.0) -> list[np.ndarray]:
    noise = np.random.default_rng(0)
    lengths = noise.integers(3_000, int(16_000 * longest), size=count)
    return [
        (0.2 * np.sin(np.cumsum(noise.uniform(0.05, 0.9, size=1 + length // 800).repeat(800)[:length]))).astype(np.float32)
        for length in lengths
    ]


def said(student: Student, scores: np.ndarray) -> str:
    return " ".join(student.phones[phone] for phone in ctc.greedy(scores)[0][:, 0])


@pytest.mark.parametrize("kind", ["small", "small, stride 3", "wav2vec 2.0", "wav2vec 2.0, group norm", "HuBERT"])
def test_a_pipeline_of_transformers_hears_the_same_phones(kind: str, tmp_path: Path) -> None:
    makers = {
        "small": small,
        "small, stride 3": lambda: small(3),
        "wav2vec 2.0": lambda: pretrained(tmp_path / "encoder"),
        "wav2vec 2.0, group norm": lambda: pretrained(tmp_path / "encoder", norm="group"),
        "HuBERT": lambda: pretrained(tmp_path / "encoder", family=(HubertConfig, HubertModel)),
    }
    makers[kind]().write(tmp_path / "student")
    student = Student.read(tmp_path / "student")
    assert student.phones == PHONES
    heard = waveforms(50)
    ours = [said(student, scores) for scores in student.score(heard, batch_seconds=20.0)]
    recogniser = pipeline("automatic-speech-recognition", str(tmp_path / "student"))
    theirs = [recogniser({"raw": waveform.copy(), "sampling_rate": 16_000})["text"] for waveform in heard]
    assert ours == theirs
    assert len(set(ours)) > 25 and len({phone for line in ours for phone in line.split()}) > 2


@pytest.mark.parametrize("kind", ["small", "wav2vec 2.0", "wav2vec 2.0, group norm"])
def test_scores_do_not_depend_on_the_company(kind: str, tmp_path: Path) -> None:
    norm = "group" if "group" in kind else "layer"
    student = small() if kind == "small" else pretrained(tmp_path, norm=norm)
    heard = waveforms(12)
    together, alone = student.score(heard, batch_seconds=60.0), [student.score([each], batch_seconds=1.0)[0] for each in heard]
    for one, other, waveform in zip(together, alone, heard, strict=True):
        assert one.shape == other.shape == (len(one), 1 + len(PHONES))
        assert len(one) == pytest.approx(len(waveform) / 16_000 / student.hop_seconds, abs=2)
        np.testing.assert_allclose(one, other, atol=2e-4)
        np.testing.assert_allclose(np.exp(one).sum(1), 1, atol=1e-4)


def test_what_is_too_short_says_nothing() -> None:
    scores = small().score([np.zeros(100, np.float32), np.zeros(0, np.float32), *waveforms(1)], batch_seconds=10.0)
    assert [len(row) for row in scores[:2]] == [0, 0] and len(scores[2]) > 3
    assert scores[0].shape[1] == 1 + len(PHONES)


def test_the_convolutions_of_a_pretrained_encoder_stay_as_they_are(tmp_path: Path) -> None:
    student = pretrained(tmp_path)
    trained = {name for name, weight in student.model.named_parameters() if weight.requires_grad}
    assert not any("feature_extractor" in name for name in trained) and any("lm_head" in name for name in trained)


def test_a_folder_that_is_no_student_is_named(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="cannot read the student"):
        Student.read(tmp_path)
    small().write(tmp_path / "student")
    (tmp_path / "student" / WEIGHTS).write_bytes(b"damaged")
    with pytest.raises(WavuError, match="cannot read the student"):
        Student.read(tmp_path / "student")
    with pytest.raises(WavuError, match="cannot load the encoder"):
        Student.pretrained(PHONES, encoder=str(tmp_path / "nothing"), regularisation={})
    assert not [path for path in (tmp_path / "student").iterdir() if path.is_dir()]


def test_what_was_heard_last_may_be_learned_from_next() -> None:
    student, (wave,) = small(), waveforms(1)
    student.score([wave], batch_seconds=10.0)
    student.model.train()
    scores, _ = student.forward([student.inputs(wave)])
    scores.sum().backward()
    assert student.model.lm_head.weight.grad is not None
