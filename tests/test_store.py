import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu import store
from wavu.errors import WavuError
from wavu.store import (
    read_array,
    read_json,
    read_table,
    read_tensors,
    write_array,
    write_json,
    write_table,
    write_tensors,
    write_text,
)


def everything_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


# Files: whole or not there


def disk_full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


WRITERS = {
    "text": lambda path: write_text(path, "new"),
    "json": lambda path: write_json(path, {"new": 1}),
    "array": lambda path: write_array(path, np.arange(3)),
    "tensors": lambda path: write_tensors(path, {"a": np.arange(3)}, {}),
    "table": lambda path: write_table(path, [{"a": 1}], ["a"]),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("before", [None, "old"])
def test_a_full_disk_leaves_what_was_there(write, before: str | None, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_text(before)
    monkeypatch.setattr(os, "replace", disk_full)
    with pytest.raises(WavuError, match=r"cannot write .*file: No space left.*free some space"):
        write(path)
    assert everything_in(tmp_path) == (["file"] if before else [])
    assert before is None or path.read_text() == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_write_that_fails_half_way_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="No space left"), store.atomic(tmp_path / "file") as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_text("x" * 100_000)
    assert everything_in(tmp_path) == []


def test_a_failing_block_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), store.atomic(tmp_path / "file") as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert everything_in(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(WavuError, match="cannot write"):
        write_text(tmp_path / "file" / "inner", "x")


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"not an array"])
def test_a_broken_array_names_its_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(WavuError, match=r"x\.npy.*run the stage"):
        store.read_array(tmp_path / "x.npy")


def test_tensors_come_back_with_what_is_known_about_them(tmp_path: Path) -> None:
    tensors = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T, "best": np.zeros((0, 2), np.int16)}
    write_tensors(tmp_path / "x.safetensors", tensors, {"phones": ["iː"], "dim": 3})
    back, about = read_tensors(tmp_path / "x.safetensors")
    assert about == {"phones": ["iː"], "dim": 3} and back.keys() == tensors.keys()
    assert all(np.array_equal(back[name], array) and back[name].dtype == array.dtype for name, array in tensors.items())


def test_broken_tensors_name_their_file(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="missing"):
        read_tensors(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"not tensors at all")
    with pytest.raises(WavuError, match=r"x\.safetensors.*run the stage"):
        read_tensors(tmp_path / "x.safetensors")


def test_broken_or_missing_json_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="missing"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(WavuError, match=r"x\.json"):
        read_json(tmp_path / "x.json")


# Tables


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(), st.integers()), max_size=5))
def test_a_table_comes_back_whatever_is_in_it(tmp_path_factory, rows: list[tuple[str, int]]) -> None:
    rows = [(name.encode("utf-8", "ignore").decode(), count) for name, count in rows]
    path = tmp_path_factory.mktemp("table") / "table.tsv"
    write_table(path, [{"name": name, "count": count} for name, count in rows], ("name", "count"))
    back = read_table(path, ["name", "count"])
    assert [row["count"] for row in back] == [str(count) for _, count in rows]
    assert [row["name"] for row in back] == [" ".join(name.splitlines()).replace("\t", " ") for name, _ in rows]


def test_tables_from_other_programs(tmp_path: Path) -> None:
    path = tmp_path / "windows.tsv"
    path.write_bytes(b'\xef\xbb\xbfid\ttext\r\na\t"quoted\r\n')
    assert read_table(path, ["text"]) == [{"id": "a", "text": '"quoted'}]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"id text\na b\n", r"no column id, text \(found: id text\)"),
        (b"id\ttext\na\n", "line 2 has 1 fields, the header 2"),
        (b"id\ttext\na\tb\nc\td\te\n", "line 3 has 3 fields"),
        (b"id\ttext\na\t\xff\n", "not UTF-8.*byte 10"),
        (b"", "no column"),
    ],
)
def test_a_table_that_is_wrong_is_told_in_the_readers_terms(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_bytes(content)
    with pytest.raises(WavuError, match=told):
        read_table(tmp_path / "x.tsv", ["id", "text"])


def test_a_missing_table_and_a_folder_in_its_place(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.tsv", tmp_path):
        with pytest.raises(WavuError, match="check the path"):
            read_table(path, ["id"])


def test_a_memory_map_is_written_as_an_array_in_memory_is(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "COPIED_AT_ONCE", 3)
    values = np.arange(20, dtype=np.float32).reshape(10, 2)
    write_array(tmp_path / "memory.npy", values)
    mapped = store.read_array(tmp_path / "memory.npy")
    write_array(tmp_path / "mapped.npy", mapped)
    write_array(tmp_path / "turned.npy", mapped.T)
    assert (tmp_path / "mapped.npy").read_bytes() == (tmp_path / "memory.npy").read_bytes()
    assert (np.load(tmp_path / "turned.npy") == values.T).all()


def test_letting_go_of_a_memory_map_keeps_its_values(tmp_path):
    mapped = np.memmap(tmp_path / "x", np.int32, "w+", shape=(5,))
    mapped[2:] = 7
    for array in (mapped, mapped[1:], np.asarray(mapped), np.ones(2)):
        store.let_go(array)
    assert mapped.tolist() == [0, 0, 7, 7, 7]


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    """They are pickles."""

    class Evil:
        def __reduce__(self) -> tuple:
            return open, (str(tmp_path / "hurt"), "w")

    np.save(tmp_path / "x.npy", np.array([Evil()], object), allow_pickle=True)
    with pytest.raises(WavuError, match="x.npy") as caught:
        read_array(tmp_path / "x.npy")
    assert "\n" not in str(caught.value) and not (tmp_path / "hurt").exists()


def test_a_name_that_a_file_lacks_is_told_with_the_file(tmp_path: Path) -> None:
    write_json(tmp_path / "x.json", {"a": {"b": 1}})
    facts = read_json(tmp_path / "x.json")
    assert facts == {"a": {"b": 1}} and facts.get("c") is None
    for missing in (lambda: facts["c"], lambda: facts["a"]["c"]):
        with pytest.raises(WavuError, match=r"x\.json is damaged \(it has no 'c'\); run the stage"):
            missing()
    write_tensors(tmp_path / "x.safetensors", {"t": np.zeros(2)}, {"u": {}})
    tensors, about = read_tensors(tmp_path / "x.safetensors")
    for missing in (lambda: tensors["c"], lambda: about["c"], lambda: about["u"]["c"]):
        with pytest.raises(WavuError, match=r"x\.safetensors is damaged \(it has no 'c'\); run the stage"):
            missing()


def test_what_fails_for_damage_is_told_with_the_path(tmp_path: Path) -> None:
    for error in (KeyError("two\nlines"), RuntimeError(), TypeError("x" * 999)):
        with pytest.raises(WavuError, match="is damaged .*; run the stage") as caught, store.intact(tmp_path):
            raise error
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    with pytest.raises(WavuError, match="^as it is$"), store.intact(tmp_path):
        raise WavuError("as it is")
