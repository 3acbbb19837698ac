"""Which recordings there are, in every form they may be given."""

import os
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.audio.files import Recording, deal, find_audio, measured, read_manifest, read_precomputed, recordings_fingerprint
from wavu.errors import WavuError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_a_folder_is_searched_at_any_depth_and_through_links(tmp_path: Path) -> None:
    touch(tmp_path / "in", "b.WAV", "x/y/a.flac", "a.b.opus", "c.m4a", "notes.txt", ".hidden.wav")
    (tmp_path / "in" / "linked").symlink_to(touch(tmp_path / "far", "z.mp3"))
    found = find_audio(tmp_path / "in")
    assert [recording.id for recording in found] == ["a.b", "b", "c", "linked/z", "x/y/a"]
    assert all(recording.path.is_absolute() for recording in found)


def test_no_folder_is_entered_twice(tmp_path: Path) -> None:
    """A link to its own folder made 41 recordings of one."""
    touch(tmp_path / "in", "a.wav", "x/b.wav")
    touch(tmp_path / "far", "c.wav")
    for name, target in (("loop", "in"), ("x/up", "in"), ("again", "in/x"), ("first", "far"), ("second", "far"), ("gone", "no")):
        (tmp_path / "in" / name).symlink_to(tmp_path / target)
    (tmp_path / "far" / "back").symlink_to(tmp_path / "in")
    assert [recording.id for recording in find_audio(tmp_path / "in")] == ["a", "first/c", "x/b"]


def test_a_folder_that_is_called_like_a_recording_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "x.wav/a.wav")
    assert [recording.id for recording in find_audio(tmp_path)] == ["x.wav/a"]


def test_names_that_no_table_can_hold_are_written_with_backslashes(tmp_path: Path) -> None:
    for name in (b"tab\there.wav", b"new\nline.wav", b"n\xff.wav", "ü.wav".encode()):
        open(os.fsencode(tmp_path) + b"/" + name, "wb").close()
    found = find_audio(tmp_path)
    assert {recording.id for recording in found} == {"tab\\there", "new\\nline", "n\\udcff", "ü"}
    assert all(recording.path.exists() for recording in found) and recordings_fingerprint(found)


@pytest.mark.parametrize(
    ("names", "folder", "told"),
    [
        ([], "nowhere", "nowhere is not a folder"),
        (["a.txt"], ".", "holds no audio"),
        (["a.wav"], "a.wav", "a.wav is not a folder"),
        (["a.wav", "a.flac"], ".", "2 recordings have the id a"),
    ],
)
def test_folders_that_cannot_be_used(names: list[str], folder: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=told):
        find_audio(touch(tmp_path, *names) / folder)


def manifest(tmp_path: Path, text: str) -> Path:
    (tmp_path / "list.tsv").write_text(text, encoding="utf-8")
    return tmp_path / "list.tsv"


def test_our_manifest(tmp_path: Path) -> None:
    rows = "path\tid\tstart\tend\tspeaker\na b.wav\tone\t1.5\t2.5\tx\n/far/c.wav\ttwo\t\t\t\n"
    assert read_manifest(manifest(tmp_path, rows)) == [
        Recording("one", tmp_path / "a b.wav", 1.5, 2.5, "x"),
        Recording("two", Path("/far/c.wav")),
    ]


def test_the_originals_manifest(tmp_path: Path) -> None:
    found = read_manifest(manifest(tmp_path, "/corpus\nx/a b.flac\t16000\nc.d.flac\t32000\n"))
    assert found == [Recording("x/a b", Path("/corpus/x/a b.flac")), Recording("c.d", Path("/corpus/c.d.flac"))]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no recordings|no column"),
        ("id\tpath\n", "lists no recordings"),
        ("name\tfile\na\tb\n", "no column id, path"),
        ("id\tpath\tstart\na\ta.wav\tsoon\n", "line 2: start and end must be seconds"),
        ("id\tpath\tstart\tend\na\ta.wav\t2\t1\n", "line 2: .*start before the end"),
        ("id\tpath\na\ta.wav\na\tb.wav\n", "2 recordings have the id a"),
    ],
)
def test_manifests_that_cannot_be_used(text: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=told):
        read_manifest(manifest(tmp_path, text))


def test_a_missing_manifest_is_told(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="manifest=.*nowhere.tsv"):
        read_manifest(tmp_path / "nowhere.tsv")


def precomputed(folder: Path, lengths: list[int], rows: int) -> Path:
    np.save(folder / "train.npy", np.arange(2.0 * rows, dtype=np.float32).reshape(rows, 2))
    (folder / "train.lengths").write_text("".join(f"{length}\n" for length in lengths))
    return folder


def test_precomputed_frames(tmp_path: Path) -> None:
    recordings, frames = read_precomputed(precomputed(tmp_path, [2, 0, 3], 5), "train")
    assert [recording.id for recording in recordings] == ["train-000000", "train-000001", "train-000002"]
    assert [recording.seconds for recording in recordings] == pytest.approx([0.04, 0.0, 0.06])
    assert frames[2].tolist() == [[4, 5], [6, 7], [8, 9]]
    (tmp_path / "train.tsv").write_text("/corpus\na.flac\t9\nb.flac\t9\nc.flac\t9\n")
    assert [recording.id for recording in read_precomputed(tmp_path, "train")[0]] == ["a", "b", "c"]


def test_precomputed_frames_that_do_not_fit_together(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="train.npy"):
        read_precomputed(tmp_path, "train")
    with pytest.raises(WavuError, match=r"shape \(5, 2\), but train.lengths add up to 4"):
        read_precomputed(precomputed(tmp_path, [2, 2], 5), "train")
    with pytest.raises(WavuError, match=r"shape \(0, 2\)"):
        read_precomputed(precomputed(tmp_path, [], 0), "train")
    precomputed(tmp_path, [2, 2], 5)
    (tmp_path / "train.lengths").write_text("2\nx\n")
    with pytest.raises(WavuError, match="train.lengths"):
        read_precomputed(tmp_path, "train")
    precomputed(tmp_path, [2, 3], 5)
    (tmp_path / "train.tsv").write_text("/corpus\na.flac\t9\n")
    with pytest.raises(WavuError, match="lists 1 files"):
        read_precomputed(tmp_path, "train")


def test_a_long_recording_is_measured_in_pieces(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.1, 0.1, 16_000 * 5), 16_000)
    short, long = Recording("s", tmp_path / "a.wav", 1.0, 2.0, "x"), Recording("l", tmp_path / "a.wav", speaker="x")
    assert measured(short, max_seconds=2) == [short]
    parts = measured(long, max_seconds=2)
    assert [part.id for part in parts] == ["l-000", "l-001", "l-002"]
    assert sum(part.seconds for part in parts) == pytest.approx(5) and {part.speaker for part in parts} == {"x"}
    assert measured(Recording("n", tmp_path / "nowhere.wav"), max_seconds=2)[0].seconds == 0


@settings(max_examples=30)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.floats(0.1, 5))
def test_shards_hold_everyone_once(seconds: list[float], shard_minutes: float) -> None:
    recordings = [Recording(str(number), Path("a.wav"), 0, length) for number, length in enumerate(seconds)]
    shards = deal(recordings, shard_minutes=shard_minutes)
    assert sorted(chain.from_iterable(shards), key=recordings.index) == recordings
    assert all(len(shard) for shard in shards)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_a_fingerprint_tells_files_and_parts_apart(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"first")
    whole, part = Recording("a", tmp_path / "a.wav"), Recording("a", tmp_path / "a.wav", 0, 1)
    before = [recordings_fingerprint([recording]) for recording in (whole, part)]
    assert before[0] == recordings_fingerprint([whole]) != before[1]
    (tmp_path / "a.wav").write_bytes(b"other")
    assert not set(before) & {recordings_fingerprint([recording]) for recording in (whole, part)}
