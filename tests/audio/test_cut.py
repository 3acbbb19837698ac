"""Long recordings in parts: nothing lost, nothing doubled, cut where it was quiet."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavu.audio import vad
from wavu.audio.cut import Part, parts
from wavu.units import HOP_SAMPLES, RATE_HZ, samples

LOUD = {"kind": "loud", "min_pause": 0.1, "padding": 0.0}
NONE = {"kind": "none", "min_pause": 0.0, "padding": 0.0}


@pytest.fixture(autouse=True)
def loud(monkeypatch) -> None:
    """A detector that takes everything above a tenth for speech."""
    monkeypatch.setitem(
        vad.DETECTORS, "loud", lambda waveform: np.abs(waveform[: len(waveform) // 160 * 160]).reshape(-1, 160).max(1) > 0.1
    )


def speech(*lengths: float) -> np.ndarray:
    """Speech and pauses of so many seconds in turns."""
    loudness = np.repeat([0.5, 0.01] * len(lengths), [samples(length) for length in (*lengths, *[0] * len(lengths))])
    return (loudness * np.random.default_rng(0).choice([-1.0, 1.0], len(loudness))).astype(np.float32)


def cut(waveform: np.ndarray, max_seconds: float, settings: dict = LOUD, block: int = RATE_HZ) -> list[Part]:
    blocks = (waveform[at : at + block] for at in range(0, len(waveform), block))
    return list(parts(blocks, max_seconds=max_seconds, vad=settings))


@pytest.mark.parametrize("length", [0, 1, 16_000, 160_000])
def test_what_is_short_stays_as_it_is(length: int) -> None:
    waveform = speech(10.0)[:length]
    (part,) = cut(waveform, 10.0)
    assert part.start == 0 and part.last and not part.seam and np.array_equal(part.waveform, waveform)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3000), st.integers(1, 700), st.floats(2.0, 20.0), st.booleans())
def test_the_parts_are_the_whole(length: int, block: int, max_seconds: float, hears: bool) -> None:
    """Noise, of which the detector hears but the peaks. A cut lies on a frame of 20 ms."""
    waveform = np.random.default_rng(length).normal(0, 0.03, length * 160).astype(np.float32)
    found = cut(waveform, max_seconds, LOUD if hears else NONE, block * 160)
    assert np.array_equal(np.concatenate([part.waveform for part in found]), waveform)
    assert [part.last for part in found] == [False] * (len(found) - 1) + [True]
    lengths = [len(part.waveform) for part in found]
    assert max(lengths) <= samples(max_seconds)
    assert len(found) == 1 or min(lengths) >= samples(max_seconds) / 4 - HOP_SAMPLES
    starts = np.cumsum([0, *lengths[:-1]])
    assert [samples(part.start) for part in found] == starts.tolist() and not (starts % HOP_SAMPLES).any()


def test_the_longest_pause_of_the_later_half_is_cut_in_its_middle() -> None:
    waveform = speech(1.0, 2.0, 3.0, 0.3, 1.7, 0.5, 1.0, 0.2, 6.0)  # pauses at 1 to 3, 6 to 6.3, 8 to 8.5 and 9.5 to 9.7 s
    assert [(part.start, part.seam) for part in cut(waveform, 10.0)] == [(0, False), (pytest.approx(8.25, abs=0.02), False)]


def test_a_pause_that_goes_on_past_the_limit_is_cut_before_it() -> None:
    starts = [part.start for part in cut(speech(7.0, 30.0, 5.0), 10.0)]
    assert starts[1] == pytest.approx(8.5, abs=0.02) and len(starts) >= 5


def test_without_a_pause_the_quietest_place_is_cut() -> None:
    waveform = speech(25.0)
    waveform[samples(8.0) : samples(8.02)] *= 0.5
    second = cut(waveform, 10.0)[1]
    assert second.start == pytest.approx(8.0, abs=0.02) and second.seam
