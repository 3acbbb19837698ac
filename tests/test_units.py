import pytest

from wavu import units


def test_one_frame_is_20_ms_of_16_khz() -> None:
    assert units.HOP_SAMPLES == 320 and units.FRAME_RATE_HZ == 50


@pytest.mark.parametrize("n", [0, 1, 319, 320, 16_000, 57_600_001])
def test_samples_and_seconds_are_inverse(n: int) -> None:
    assert units.samples(units.seconds(n)) == n


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (41.2, "41 s"), (89.4, "89 s"), (90, "1.5 min"), (3599, "60.0 min"), (19080, "5.3 h")]
)
def test_durations_as_a_person_says_them(seconds: float, words: str) -> None:
    assert units.duration_words(seconds) == words
