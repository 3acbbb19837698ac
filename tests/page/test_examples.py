"""Which utterances are chosen, and that they sound and lie in time as they did."""

import io
from base64 import b64decode
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from wavu.audio.files import Recording
from wavu.page.examples import chosen_rows, collected, segments, sound, spectrogram
from wavu.page.run import Run
from wavu.store import read_table, write_table
from wavu.transcription import Span, Transcription

ALL = {"examples": 3, "seconds": 10.0, "seed": 0}


class Hearer:
    """Hears one phone and two words that overlap in everything, at times of the file."""

    def stream(self, recordings: Iterable[Recording]) -> Iterator[tuple[Recording, Transcription | str]]:
        for row in recordings:
            words = [Span("tak", row.start + 0.1, row.start + 0.5, 0.9), Span("ki", row.start + 0.4, row.start + 0.9, 0.3)]
            yield row, Transcription(row.id, 1.0, [Span("t", row.start + 0.25, row.start + 0.5, 0.8)], words)


def decoded(uri: str) -> bytes:
    return b64decode(uri.split(",", 1)[1])


def times(spans: list[Span]) -> list[tuple[str, float, float]]:
    return [(span.text, pytest.approx(span.start, abs=0.011), pytest.approx(span.end, abs=0.011)) for span in spans]


def test_one_of_each_degree_of_confidence_the_surest_first() -> None:
    sure = np.random.default_rng(0).permutation(100) / 100
    rows = chosen_rows(np.ones(100), sure, **ALL | {"examples": 10})
    chosen = sure[rows]
    assert (np.diff(chosen) < 0).all() and (np.floor(chosen * 10) == np.arange(10)[::-1]).all()
    assert rows == chosen_rows(np.ones(100), sure, **ALL | {"examples": 10})
    assert rows != chosen_rows(np.ones(100), sure, **ALL | {"examples": 10, "seed": 1})


def test_short_ones_where_there_are_enough() -> None:
    lengths = np.array([20.0, 3.0, 20.0, 3.0])
    assert sorted(chosen_rows(lengths, None, **ALL | {"examples": 2})) == [1, 3]
    assert len(chosen_rows(lengths, None, **ALL)) == 3
    assert len(chosen_rows(lengths, None, **ALL | {"examples": 9})) == 4
    assert chosen_rows(lengths, None, **ALL | {"examples": 0}) == []


def test_what_was_heard_when(run_folder: Path) -> None:
    two, three, one = collected(Run.read(run_folder), Hearer(), **ALL)
    assert [example.id for example in (two, three, one)] == ["two", "three", "one"]
    assert two.confidence == pytest.approx(0.9) and two.surer == pytest.approx(2 / 3) and one.surer == 0
    assert [("t", 0.25, 0.5)] == times(one.phones)
    assert [("tak", 0.1, 0.4), ("ki", 0.4, 0.9)] == times(one.words)  # one at a time
    assert [("t", 0.0, 0.2), ("a", 0.2, 0.5), ("k", 0.5, 0.7), ("i", 0.7, 1.0)] == times(one.segments)


def test_a_pause_belongs_to_no_segment(run_folder: Path) -> None:
    run = Run.read(run_folder)
    found = segments(run, 1, np.array([[0.0, 0.4], [0.6, 1.0]]))
    assert [("t", 0.0, 0.2), ("a", 0.2, 0.4), ("a", 0.6, 0.7), ("k", 0.7, 0.9), ("i", 0.9, 1.0)] == times(found)


def test_a_piece_of_a_recording_begins_at_0_and_what_is_long_is_cut(run_folder: Path) -> None:
    path = run_folder / "audio" / "manifest.tsv"
    rows = read_table(path, ["id"])
    for row in rows:
        row["start"], row["end"] = "0.2", "0.8"
    write_table(path, rows, list(rows[0]))
    (example, *_) = collected(Run.read(run_folder), Hearer(), **ALL)
    assert example.seconds == pytest.approx(0.6) and [("t", 0.25, 0.5)] == times(example.phones) and not example.shortened
    (example, *_) = collected(Run.read(run_folder), Hearer(), **ALL | {"seconds": 0.3})
    assert example.seconds == pytest.approx(0.3) and [("t", 0.25, 0.3)] == times(example.phones) and example.shortened


def test_a_recording_that_is_gone_says_so(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "one.wav").unlink()
    *_, one = collected(Run.read(run_folder), None, **ALL)
    assert "does not exist" in one.problem and "one.wav" in one.problem and one.sound == "" and one.phones == []


def test_the_sound_is_the_recording_neither_shifted_nor_longer() -> None:
    waveform = np.zeros(12_345, np.float32)
    waveform[5_000:5_400] = 0.5 * np.sin(2 * np.pi * 800 * np.arange(400) / 16_000)
    heard, rate = soundfile.read(io.BytesIO(decoded(sound(waveform))), dtype="float32")
    assert rate == 16_000 and len(heard) == len(waveform)
    assert np.correlate(heard, waveform[5_000:5_400], "valid").argmax() == 5_000
    assert np.abs(heard - waveform).max() < 0.05


@pytest.mark.parametrize("hertz", [1_000, 6_000])
def test_a_tone_is_a_dark_line_at_its_height(hertz: int) -> None:
    waveform = np.sin(2 * np.pi * hertz * np.arange(16_000) / 16_000).astype(np.float32)
    picture = np.asarray(Image.open(io.BytesIO(decoded(spectrogram(waveform)))))
    height, width = picture.shape
    assert width == 100 and picture.mean(axis=1).argmin() == pytest.approx((1 - hertz / 8_000) * height, abs=2)


def test_digital_silence_has_a_picture() -> None:
    assert decoded(spectrogram(np.zeros(800, np.float32)))
