"""Recordings as people name them, and what was heard as they want it written."""

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu.audio.files import Recording
from wavu.errors import WavuError
from wavu.hearing import check_out, opened, recordings_of, transcribe_all
from wavu.transcription import FORMATS, Span, Transcription


def save(path: Path) -> Path:
    """A second of silence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(16_000), 16_000)
    return path


class Parrot:
    """Hears "a i" in every recording; those named bad are of no use."""

    words = None

    def stream(self, recordings: list[Recording], advance: Callable) -> Iterator[tuple[Recording, Transcription | str]]:
        for recording in recordings:
            spans = [Span("a", 0.0, 0.1, 0.9), Span("i", 0.1, 0.2, 0.9)]
            yield recording, "too short" if recording.id == "bad" else Transcription(recording.id, 1.0, spans)


# Names


def test_recordings_are_named_by_their_files_and_by_their_folders_where_names_meet(tmp_path: Path) -> None:
    files = [save(tmp_path / folder / "1.wav") for folder in "xy"]
    assert [each.id for each in recordings_of([str(files[0])])] == ["1"]
    twice = recordings_of([*map(str, files), str(files[0])])  # what is named twice is heard once
    assert [(each.id, each.path) for each in twice] == [("x/1", files[0]), ("y/1", files[1])]
    assert {each.id for each in recordings_of([str(tmp_path)])} == {"x/1", "y/1"}


def test_recordings_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    files = [save(tmp_path / folder / name) for folder, name in (("x", "1.wav"), ("x", "1.flac"), ("y", "1.wav"))]
    with pytest.raises(WavuError, match="would both have the id 1; transcribe them apart"):
        recordings_of([str(each) for each in files[:2]])


def test_a_list_on_standard_input_may_name_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{tmp_path}/missing.wav\n\n{save(tmp_path / 'in' / '1.wav')}\n"))
    assert [each.id for each in recordings_of(["-"])] == ["missing", "1"]
    with pytest.raises(WavuError, match="missing.wav does not exist; check the path"):
        recordings_of([f"{tmp_path}/missing.wav"])
    with pytest.raises(WavuError, match="missing.wav does not exist, nor do the others"):
        recordings_of([f"{tmp_path}/missing.wav", f"{tmp_path}/too.wav"])
    assert [each.id for each in recordings_of([f"{tmp_path}/missing.wav", f"{tmp_path}/in/1.wav"])] == ["missing", "1"]
    with pytest.raises(WavuError, match="no audio was given"):
        recordings_of([])


# Places


@pytest.mark.parametrize(
    ("name", "out", "n_files", "told"),
    [
        ("srt", None, 2, "format=srt holds one recording, and there are 2"),
        ("srt", "all.srt", 2, "all.srt is one file, and format=srt makes 2"),
        ("tsv", "folder", 1, "folder is a folder, and format=tsv makes one file; give out=.*transcriptions.tsv"),
    ],
)
def test_places_that_do_not_fit_are_refused(name: str, out: str | None, n_files: int, told: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(WavuError, match=told):
        check_out(out and tmp_path / out, FORMATS[name], n_files)


@pytest.mark.parametrize(
    ("name", "out", "n_files"), [("json", None, 2), ("srt", "folder", 2), ("srt", "1.srt", 1), ("tsv", "all.tsv", 2)]
)
def test_places_that_fit_are_not(name: str, out: str | None, n_files: int, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    check_out(out and tmp_path / out, FORMATS[name], n_files)


def test_one_file_holds_all_or_a_folder_a_file_each(tmp_path: Path) -> None:
    recordings = [Recording(path.stem, path) for path in (save(tmp_path / f"{name}.wav") for name in ("1", "bad", "2"))]
    with (
        opened(tmp_path / "all.tsv", FORMATS["tsv"], words=False, warning="") as put,
        opened(tmp_path / "each", FORMATS["srt"], words=False, warning="") as one,
    ):
        summary = transcribe_all(recordings, Parrot(), [put, one])
        assert not (tmp_path / "all.tsv").exists()  # before all are in it
    assert (tmp_path / "all.tsv").read_text() == "id\tphones\n1\ta i\n2\ta i\n"
    assert sorted(path.name for path in (tmp_path / "each").iterdir()) == ["1.srt", "2.srt"]
    assert summary.startswith("2 of 3 files (1 left out), 4 phones: 2 s of audio in ")


def test_what_is_left_out_is_named_and_nothing_usable_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    bad = Recording("bad", save(tmp_path / "bad.wav"))
    everything = opened(tmp_path / "all.tsv", FORMATS["tsv"], words=False, warning="")
    with pytest.raises(WavuError, match="none of the 1 files could be used"), everything as put:
        transcribe_all([bad], Parrot(), [put])
    assert "bad.wav is left out: too short" in " ".join(capsys.readouterr().err.split()) and not (tmp_path / "all.tsv").exists()


@pytest.mark.parametrize("name", ["../x", "../../x", "a/../../x", "/etc/x", "a\0b", "../each2/x"])
def test_no_id_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    there = sorted(tmp_path.rglob("*"))
    with opened(tmp_path / "in" / "each", FORMATS["srt"], words=False, warning="") as put:
        with pytest.raises(WavuError, match="leads out of out=.*; give the recording another id"):
            put(Transcription(name, 1.0, []))
        assert sorted(tmp_path.rglob("*")) == there
        for inside in ("..", "a/b", "a/../c", "...x"):
            put(Transcription(inside, 1.0, []))
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {
        tmp_path / "in" / "each" / file for file in ("...srt", "a/b.srt", "c.srt", "...x.srt")
    }
