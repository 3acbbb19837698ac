"""Recordings at a URL are found, told apart and fetched as those on this machine are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu.audio.files import Recording, find_audio, marks_of, measured, read_manifest
from wavu.audio.read import duration, read_audio
from wavu.audio.remote import Unreachable, below, fetched, file_mark, files_below, open_at
from wavu.errors import WavuError

fsspec = pytest.importorskip("fsspec")
LONG = np.random.default_rng(0).uniform(-0.1, 0.1, 16_000 * 5).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[str]:
    """A folder in memory: two recordings, a manifest, and what is none."""
    system = fsspec.filesystem("memory")
    for name in ("a.wav", "deep/er/b.FLAC"):
        soundfile.write(tmp_path / Path(name).name, LONG, 16_000)
        system.pipe_file(f"/corpus/{name}", (tmp_path / Path(name).name).read_bytes())
    for name, content in (("notes.txt", b"x"), (".hidden.wav", b"x"), ("list.tsv", b"id\tpath\none\tdeep/er/b.FLAC\n")):
        system.pipe_file(f"/corpus/{name}", content)
    system.pipe_file("/lists/theirs.tsv", b"memory://corpus\na.wav\t80000\n")
    yield "memory://corpus"
    system.store.clear()


def test_recordings_are_found_by_their_names_below(store: str) -> None:
    found = find_audio(store)
    assert [recording.id for recording in found] == ["a", "deep/er/b"]
    assert all(isinstance(recording.path, str) and recording.path.startswith("memory://") for recording in found)
    assert str(below(found[1].path, store)) == "deep/er/b.FLAC" and len(files_below(store)) == 4


def test_manifests_name_them_too(store: str, tmp_path: Path) -> None:
    assert [(one.id, one.path) for one in read_manifest(f"{store}/list.tsv")] == [("one", "memory://corpus/deep/er/b.FLAC")]
    assert read_manifest("memory://lists/theirs.tsv")[0].path == "memory://corpus/a.wav"
    (tmp_path / "list.tsv").write_text("id\tpath\nfar\tmemory://corpus/a.wav\nnear\tb.wav\n")
    far, near = read_manifest(tmp_path / "list.tsv")
    assert far.path == "memory://corpus/a.wav" and near.path == tmp_path / "b.wav"
    with pytest.raises(WavuError, match="cannot read manifest=memory://corpus/none.tsv"):
        read_manifest(f"{store}/none.tsv")


def test_they_are_heard_where_they_lie(store: str, tmp_path: Path) -> None:
    recording = find_audio(store)[0]
    near, part = replace(recording, path=tmp_path / "a.wav"), {"start": 1.0, "end": 2.0}
    assert duration(recording.path) == 5.0 and duration(f"{store}/none.wav") == 0.0
    assert np.array_equal(read_audio(recording.path, **part), read_audio(near.path, **part))
    pieces = [measured(one, max_seconds=2.6) for one in (recording, near)]
    assert len(pieces[0]) == 2 and [piece.end for piece in pieces[0]] == [piece.end for piece in pieces[1]]
    with open_at(recording.path) as file:
        assert file.read(4) == b"RIFF"
    with pytest.raises(WavuError, match="unreadable: the file does not exist"):
        read_audio(f"{store}/none.wav")


def test_a_mark_tells_whether_a_file_has_changed(store: str) -> None:
    recordings = find_audio(store)
    before = marks_of(recordings)
    assert before == marks_of(recordings) and file_mark(f"{store}/none.wav") == "unreadable"
    fsspec.filesystem("memory").pipe_file("/corpus/a.wav", b"other")
    after = marks_of(recordings)
    assert after["a"] != before["a"] and after["deep/er/b"] == before["deep/er/b"]


def test_files_are_fetched_for_as_long_as_they_are_of_use(store: str, tmp_path: Path) -> None:
    far, gone, near = f"{store}/a.wav", f"{store}/none.wav", tmp_path / "a.wav"
    with fetched([far, near, gone, far]) as here:
        assert here[far].read_bytes() == near.read_bytes() and here[far].suffix == ".wav" and here[near] == near
        assert not here[gone].exists()
        copy = here[far]
    assert not copy.exists() and near.exists()


@pytest.mark.parametrize("url", ["nosuch://a/b", "memory2+x://a"])
def test_a_protocol_that_nobody_knows_is_told(url: str) -> None:
    with pytest.raises(WavuError, match=f"^{url.replace('+', '.')}.*(check the URL|not installed)"):
        find_audio(url)


def test_a_store_that_does_not_answer_is_told_and_no_file_is_taken_for_unreadable(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionError("no route\nto host")

    for name in ("find", "info", "open", "get_file"):
        monkeypatch.setattr(type(fsspec.filesystem("memory")), name, away)
    for act in (find_audio, duration, file_mark, read_manifest, lambda url: measured(Recording("a", url), max_seconds=1)):
        with pytest.raises(Unreachable, match="^cannot read memory://corpus/a.wav: no route to host; check the URL, the network"):
            act(f"{store}/a.wav")
