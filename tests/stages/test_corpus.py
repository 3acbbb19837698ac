"""Recordings to learn from: some held out, the same samples in memory or not."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu.audio.files import Recording
from wavu.errors import WavuError
from wavu.stages.corpus import Corpus


@pytest.fixture
def recordings(tmp_path: Path) -> dict[str, list[Recording]]:
    """Twenty of one language, ten of another, a second each: the second half of a file, louder from one to the next."""
    found: dict[str, list[Recording]] = {"one": [], "two": []}
    for number in range(30):
        wave = np.concatenate([np.zeros(16_000), np.full(16_000, (number + 1) / 100)])
        soundfile.write(tmp_path / f"{number}.wav", wave, 16_000)
        found["one" if number < 20 else "two"].append(Recording(str(number), tmp_path / f"{number}.wav", 1.0, 2.0))
    return found


def corpus(recordings: dict, **changes: float) -> Corpus:
    return Corpus.of(recordings, **{"held_out_minutes": 10, "memory_hours": 1.0, "seed": 0} | changes)


def test_a_tenth_at_most_is_held_out(recordings: dict) -> None:
    found = corpus(recordings)
    assert len(found.held) == 2 and sorted([*found.held, *found.learned]) == list(range(30))
    assert len(corpus(recordings, held_out_minutes=1 / 60).held) == 1
    assert found.counts()["audio_seconds_by_language"] == {"one": 20.0, "two": 10.0}
    assert found.counts()["held_out_seconds"] == 2.0
    with pytest.raises(WavuError, match="one recording cannot be learned from and held out"):
        corpus({"one": recordings["one"][:1]})


def test_what_is_in_memory_is_what_is_in_the_files(recordings: dict) -> None:
    kept, read = corpus(recordings), corpus(recordings, memory_hours=0.0)
    assert kept.kept is not None and read.kept is None
    for place in (0, 25):
        for one in (kept, read):
            assert np.allclose(one.part(place, 4_000, 8_000), (place + 1) / 100, atol=1e-3)
            assert len(one.part(place, 4_000, 8_000)) == 4_000


def test_pieces_are_of_the_rows_that_are_asked_for(recordings: dict) -> None:
    found = corpus(recordings)
    crops = found.crops(np.array([25]), None, longest=0.5, batch=2.0, augment=None, alpha=1.0)
    (plan,) = crops.epoch(np.random.default_rng(0))
    waveforms = crops.read(plan).waveforms
    assert waveforms.shape[1] <= 8_000 and np.allclose(waveforms.abs().max(), waveforms.abs().min(), rtol=1e-3)
