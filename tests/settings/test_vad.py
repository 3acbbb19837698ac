"""Every detector of speech can be chosen, with settings that make sense."""

import pytest

from wavu.audio.vad import DETECTORS
from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.audio import PrepareAudio

GIVEN = ["audio_dir=recordings", "out_dir=out"]


@pytest.mark.parametrize("kind", sorted(DETECTORS))
def test_a_detector_is_chosen_by_its_name(kind: str) -> None:
    chosen = composed("prepare_audio", PrepareAudio, [*GIVEN, f"vad={kind}"]).vad
    assert chosen.kind == kind and {"min_pause", "padding"} < set(chosen.plain())


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("none", "min_pause=0.2"), ("none", "padding=0.1"), ("rvad", "threshold=0"), ("silero", "threshold=1.5"),
        ("silero", "min_pause=-1"), ("webrtc", "mode=4"), ("webrtc", "mode=1.5"), ("webrtc", "padding=nan"), ("webrtc", "threshold=0.5"),
    ],
)  # fmt: skip
def test_what_no_detector_can_do_is_refused(kind: str, change: str) -> None:
    with pytest.raises(WavuError, match=rf"vad\.{change.partition('=')[0]}"):
        composed("prepare_audio", PrepareAudio, [*GIVEN, f"vad={kind}", f"vad.{change}"])
