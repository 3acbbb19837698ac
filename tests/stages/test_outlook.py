import numpy as np
import pytest
import soundfile

from wavu.stages.outlook import SECONDS, TRUST_SECONDS, Outlook


def test_hours_are_those_of_the_recordings(tmp_path) -> None:
    for name, seconds in (("a", 1.0), ("b", 2.6)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(int(seconds * 8_000)), 8_000)
    assert Outlook.of(tmp_path).hours == pytest.approx(3.6 / 3600)


def test_what_was_slower_makes_all_that_follows_slower() -> None:
    before = Outlook(hours=2.0)
    long = 100 * TRUST_SECONDS
    after = before.after("prepare_audio", long)
    assert after.seconds("self_train") > 20 * before.seconds("self_train")
    usual = before.after("prepare_audio", before.seconds("prepare_audio")).after("prepare_text", SECONDS["prepare_text"][0])
    assert usual.seconds("self_train") == pytest.approx(before.seconds("self_train"))


def test_a_stage_of_seconds_says_little_about_hours() -> None:
    before = Outlook(hours=2.0)
    assert before.after("prepare_text", 0.5).seconds("self_train") > 0.9 * before.seconds("self_train")
