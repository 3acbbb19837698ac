"""Settings of pretrain: sizes that fit together, teachers that exist, a mask that has room."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.pretraining import Pretrain


def settings(*changes: str) -> Pretrain:
    return composed("pretrain", Pretrain, ["audio=a", "out_dir=o", *changes])


def test_recordings_are_changed_where_that_is_wanted() -> None:
    assert settings("pretrain=tiny").pretrain.augment is None
    augment = settings("pretrain=tiny", "pretrain.augment={}", "pretrain.augment.noise.decibels=[-5, 0]").pretrain.augment
    assert augment is not None and augment.plain() == {
        "speed": {"share": 0.5, "factors": [0.85, 1.2]},
        "pitch": {"share": 0.05, "semitones": 4.0},
        "noise": {"share": 0.3, "decibels": [-5.0, 0.0]},
    }


def test_a_network_is_told_only_what_is_given() -> None:
    network = settings("pretrain=base").pretrain.network
    assert network is not None and "num_conv_pos_embeddings" not in network.plain()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["min_seconds=0.1"], "has room for 4 frames, fewer than two spans of objective.settings.mask.length=10"),
        (["pretrain.longest=500"], "pretrain.longest=500 seconds do not fit into pretrain.batch=480"),
        (["start_from=x"], "go together"),
        (["pretrain=continued"], "go together"),
        (["pretrain.codebook=null"], "pretrain.codebook=null leaves objective=wav2vec2 without codes"),
        (
            ["pretrain.network.num_attention_heads=3"],
            "pretrain.network: hidden_size=256 must be a multiple of num_attention_heads=3",
        ),
        (["pretrain.network.num_conv_pos_embedding_groups=7"], "must be a multiple of num_conv_pos_embedding_groups=7"),
        (["pretrain.network.conv_dim=[8]"], "must have at least 7 values"),
        (["pretrain.codebook.codevector_dim=255"], "must be a multiple of num_codevector_groups=2"),
        (["pretrain.augment.speed.factors=[2, 1]"], "must be two numbers, the lesser first"),
        (["objective=hubert", "objective.turns=[]"], "must have at least 1 values"),
        (["objective=hubert", "objective.turns=[{teacher: 6, clusters: 8, share: 1.0}]"], "the first teacher is mfcc"),
        (["objective=hubert", "objective.turns=[{teacher: mfcc, clusters: 8, share: 0.0}]"], "must be above 0"),
        (["objective.turns=[]"], "unknown setting 'objective.turns'"),
        (["audio=null"], "audio=null must be a word"),
        (["alpha=nan"], "alpha=nan must be a finite number"),
    ],
)
def test_what_cannot_work_is_refused(changes: list[str], told: str) -> None:
    with pytest.raises(WavuError, match=told):
        settings(*changes)
