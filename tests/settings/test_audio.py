"""What of recordings may be asked for, and what does not go together."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.audio import Precomputed, PrepareAudio

GIVEN = ["audio_dir=in", "out_dir=out"]


def prepared(*changes: str) -> PrepareAudio:
    return composed("prepare_audio", PrepareAudio, [*GIVEN, *changes], open_groups=("encoder",))


@pytest.mark.parametrize("vad", ["none", "rvad", "silero", "webrtc"])
def test_every_detector_keeps_what_stage_json_told_of_it(vad: str) -> None:
    kept = prepared(f"vad={vad}").vad.plain()
    assert {"kind", "min_pause", "padding"} <= kept.keys() and kept["kind"] == vad


@pytest.mark.parametrize("layer", ["null", "all", "9", "[9,10]"])
def test_layers_are_one_or_several_or_all(layer: str) -> None:
    assert str(prepared(f"encoder.layer={layer}").encoder.layer or "null").replace(" ", "") == layer


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("encoder.layer=[]", "must be a layer from 1"),
        ("encoder.layer=first", "must be a layer from 1"),
        ("manifest=list.tsv", "give either audio_dir=FOLDER or manifest=FILE.tsv"),
        ("min_seconds=41", "max_seconds=40 must be above min_seconds=41"),
        ("kmeans.clusters=40000", "must be at most 32767"),
        ("max_clipped=nan", "must be a finite number"),
        ("sample.hours=0", "sample.hours=0 must be above 0"),
        ("shard_minutes=0", "shard_minutes=0 must be above 0"),
        ("sample.frames=-1", "sample.frames=-1 must be at least 1"),
    ],
)
def test_what_cannot_work_is_refused(change: str, told: str) -> None:
    with pytest.raises(WavuError, match=told.replace("[", r"\[")):
        prepared(change)


def test_frames_that_are_there_need_no_recordings() -> None:
    found = composed("prepare_audio", PrepareAudio, ["encoder=precomputed", "encoder.folder=x", "out_dir=out"])
    assert isinstance(found.encoder, Precomputed)
    for more in ("audio_dir=in", "targets.clusters=64"):
        with pytest.raises(WavuError, match="encoder=precomputed brings"):
            composed("prepare_audio", PrepareAudio, ["encoder=precomputed", "encoder.folder=x", "out_dir=out", more])
