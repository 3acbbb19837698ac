import errno
import os
import shutil
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu import store
from wavu.errors import WavuError
from wavu.store import (
    Ragged,
    Speech,
    Stage,
    Text,
    finished,
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


# Ragged arrays

ROWS = st.lists(st.lists(st.integers(-5, 5), max_size=6), max_size=8)


@settings(max_examples=50)
@given(ROWS)
def test_ragged_gives_its_rows_back(tmp_path_factory, rows: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("ragged")
    Ragged.of([np.array(row) for row in rows], np.int16).write(folder, "x")
    back = Ragged.read(folder, "x")
    assert [row.tolist() for row in back] == rows
    assert back.lengths.tolist() == [len(row) for row in rows] and len(back) == len(rows)
    assert back.flat.dtype == np.int16


@settings(max_examples=50)
@given(ROWS, ROWS, st.data())
def test_joining_and_taking_are_what_lists_do(first: list, second: list, data) -> None:
    joined = Ragged.join([Ragged.of([np.array(row) for row in part], np.int32) for part in (first, second)])
    rows = first + second
    assert [row.tolist() for row in joined] == rows
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10)) if rows else []
    assert [row.tolist() for row in joined.take(np.array(chosen, int))] == [rows[index] for index in chosen]


@settings(max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2), max_size=6), max_size=8))
def test_runs_begin_where_a_value_differs_from_the_one_before_in_its_row(rows: list[list[int]]) -> None:
    ragged = Ragged.of([np.array(row) for row in rows], np.int16)
    begins = ragged.run_starts()
    assert begins.tolist() == [t == 0 or row[t] != row[t - 1] for row in rows for t in range(len(row))]
    assert [row.tolist() for row in ragged.keep(begins)] == [[value for value, _ in groupby(row)] for row in rows]


def test_rows_of_vectors_keep_their_dimension() -> None:
    ragged = Ragged.of([np.ones((2, 3)), np.zeros((0, 3)), np.ones((1, 3))], np.float16)
    assert ragged.flat.shape == (3, 3) and ragged[1].shape == (0, 3)


# What the stages leave


def test_speech_joins_its_shards_in_order(speech_folder: Path) -> None:
    speech = Speech.read(speech_folder)
    assert speech.ids == ["a", "b"] and speech.n_units == 3
    assert speech.frames.lengths.tolist() == [4, 6] and speech.segments[1].tolist() == [[1, 1], [1, 1]]
    assert speech.units[1].tolist() == [0, 1, 2, 0, 1, 2] and speech.starts[1].tolist() == [0, 2]


def test_speech_has_targets_where_prepare_audio_was_asked_for_them(speech_folder: Path) -> None:
    assert Speech.read(speech_folder).targets is None and Speech.read(speech_folder).n_targets == 0
    for shard, n_frames in enumerate((4, 6)):
        Ragged.of([np.arange(n_frames)], np.int16).write(speech_folder / "shards" / f"{shard:05d}", "targets")
    write_json(speech_folder / "stage.json", {"command": "prepare_audio", "counts": {"clusters": 3, "targets": 7}})
    speech = Speech.read(speech_folder)
    assert speech.n_targets == 7 and [row.tolist() for row in speech.targets] == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


def test_there_may_be_more_shards_than_files_open_at_once(speech_folder: Path) -> None:
    resource = pytest.importorskip("resource")
    for shard in range(2, 60):
        shutil.copytree(speech_folder / "shards" / "00001", speech_folder / "shards" / f"{shard:05d}")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as file:
        lowest_free = file.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 30, limits[1]))
    try:
        speech = Speech.read(speech_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert speech.units.lengths.tolist() == [4] + 59 * [6]
    assert all(row.tolist() == [0, 1, 2, 0, 1, 2] for row in list(speech.units)[1:])
    assert speech.frames.flat.dtype == np.float16 and speech.segments.flat.shape == (120, 2)


def test_text_spells_its_words(text_folder: Path) -> None:
    text = Text.read(text_folder)
    assert text.phones[-1] == store.SILENCE and text.words == ["tak", "ki", "o"]
    assert [row.tolist() for row in text.pronunciations] == [[0, 1, 2], [2, 3], [4]]
    assert [row.tolist() for row in text.lines] == [[0, 1], [0, 2], [1, 0]]


def test_nothing_that_trains_can_hold_a_transcript() -> None:
    assert set(Speech.__dataclass_fields__) == {"ids", "frames", "units", "segments", "starts", "n_units", "targets", "n_targets"}


def test_swapped_unfinished_and_missing_folders_are_told_apart(text_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="made by wavu.prepare_text, expected the output of wavu.prepare_audio"):
        Speech.read(text_folder)
    with pytest.raises(WavuError, match="does not exist; run python -m wavu.prepare_text"):
        finished(tmp_path / "none", "prepare_text")
    (text_folder / "stage.json").unlink()
    with pytest.raises(WavuError, match="not finished"):
        Text.read(text_folder)


# Stages: complete or absent


def stage(folder: Path, *, seed: int = 0, overwrite: bool = False, source: str = "f1") -> Stage:
    config = {"out_dir": str(folder), "overwrite": overwrite, "seed": seed, "pca": {"dim": 4}}
    return Stage(config, command="gan_train", inputs={"audio": source})


def finish(folder: Path, **settings: object) -> None:
    with stage(folder, **settings).run() as counts:
        write_text(folder / "result.txt", str(settings))
        counts["files"] = 3


def test_a_finished_stage_is_done_and_says_what_it_did(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "stage"
    assert not stage(folder).done()
    finish(folder)
    assert stage(folder).done()
    record = finished(folder, "gan_train")
    assert record["counts"] == {"files": 3} and record["config"] == {"seed": 0, "pca": {"dim": 4}} and record["seconds"] >= 0
    assert everything_in(folder) == ["result.txt", "stage.json"]


def test_other_settings_or_inputs_are_refused_by_name(tmp_path: Path) -> None:
    finish(tmp_path)
    with pytest.raises(WavuError, match=r"seed: 0 -> 1.*overwrite=true"):
        stage(tmp_path, seed=1).done()
    with pytest.raises(WavuError, match="audio: f1 -> f2"):
        stage(tmp_path, source="f2").done()
    assert (tmp_path / "result.txt").exists()


def test_overwrite_starts_from_an_empty_folder(tmp_path: Path) -> None:
    finish(tmp_path)
    (tmp_path / "leftover.txt").write_text("x")
    assert not stage(tmp_path, seed=1, overwrite=True).done()
    finish(tmp_path, seed=1, overwrite=True)
    assert everything_in(tmp_path) == ["result.txt", "stage.json"] and stage(tmp_path, seed=1).done()


def test_overwrite_never_deletes_what_wavu_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(WavuError, match="did not make"):
        stage(tmp_path, overwrite=True).done()
    assert everything_in(tmp_path) == ["thesis.tex"]


def test_a_stage_that_achieved_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(WavuError), stage(tmp_path / "out").run():
        (tmp_path / "out" / "shards").mkdir()
        raise WavuError("all files are bad")
    assert everything_in(tmp_path) == []


def test_a_killed_stage_goes_on_where_it_stopped(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), stage(tmp_path).run():
        write_text(tmp_path / "shard0", "whole")
        raise KeyboardInterrupt
    (tmp_path / ".shard1.77.partial").write_text("what SIGKILL leaves")
    assert not stage(tmp_path).done()
    with pytest.raises(WavuError, match="other settings"):
        stage(tmp_path, seed=1).done()
    with stage(tmp_path).run():
        assert (tmp_path / "shard0").read_text() == "whole"
    assert everything_in(tmp_path) == ["shard0", "stage.json"] and stage(tmp_path).done()


def test_fingerprints_tell_values_apart_and_nothing_else() -> None:
    assert store.fingerprint({"a": 1, "b": 2}) == store.fingerprint({"b": 2, "a": 1})
    assert store.fingerprint(1, 2) != store.fingerprint(2, 1)


def test_tensors_come_back_with_what_is_said_about_them(tmp_path: Path) -> None:
    arrays = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3).T, "step": np.array(3.0)}
    store.write_tensors(tmp_path / "x.safetensors", arrays, {"phones": ["ʃ", "<SIL>"]})
    back, about = store.read_tensors(tmp_path / "x.safetensors")
    assert about == {"phones": ["ʃ", "<SIL>"]} and back.keys() == arrays.keys()
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


def test_missing_and_damaged_tensors_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="is missing"):
        store.read_tensors(tmp_path / "x.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(WavuError, match="cannot read"):
        store.read_tensors(tmp_path / "x.safetensors")


def test_a_folders_fingerprint_tells_its_files(tmp_path: Path) -> None:
    nothing = store.folder_fingerprint(None)
    assert nothing == store.folder_fingerprint("somebody/a-model") == store.folder_fingerprint(str(tmp_path))
    (tmp_path / "weights").write_bytes(b"first")
    before = store.folder_fingerprint(str(tmp_path))
    (tmp_path / "weights").write_bytes(b"other")
    assert len({nothing, before, store.folder_fingerprint(str(tmp_path))}) == 3
