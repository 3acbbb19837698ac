"""What lies in a folder is verified, and only what is damaged, new or changed is made; any process can make it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.stages.spoken import SMALL, files, prepared, speak
from wavu.prepared import Speech
from wavu.seal import read_rows
from wavu.store import read_json, read_table, write_json

SHARDS = ("shard_minutes=0.05", "targets.clusters=8", *SMALL)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for index in range(8):
        speak(tmp_path / "in" / f"{index}.wav", 1.0 + 0.1 * index, seed=index)
    return tmp_path / "in"


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]], corpus: Path, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    return partial(prepared, typed, f"audio_dir={corpus}", f"out_dir={tmp_path / 'out'}", *SHARDS)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def times(out_dir: Path) -> dict[str, int]:
    return {path.name: (path / "rows.json").stat().st_mtime_ns for path in (out_dir / "shards").iterdir()}


def ids(out_dir: Path) -> dict[str, list[str]]:
    return {path.name: [row["id"] for row in read_rows(path)["kept"]] for path in sorted((out_dir / "shards").iterdir())}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("name", ["frames.npy", "rows.json", "targets.offsets.npy", None])
def test_a_damaged_shard_is_named_and_made_anew_as_it_was(name: str | None, finished: bool, tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    before, began, record = files(out), times(out), read_json(out / "stage.json")
    if not finished:
        (out / "stage.json").rename(out / "plan.json")
        plan = out / "plan.json"
        plan.write_text(plan.read_text().replace('"counts"', '"working_folder": "x", "counts"'))
    flip(out / "shards" / "00002" / name) if name else shutil.rmtree(out / "shards" / "00002")
    code, told = run()
    assert code == 0 and (f"warning: {out}/shards/00002/{name} is damaged; shard 2 is made anew" in told or not name), told
    assert files(out) == before and (not finished or read_json(out / "stage.json") == record)
    assert {shard for shard, time in times(out).items() if time != began[shard]} == {"00002"}
    assert run() == (0, f"{out} is complete\n")


@pytest.mark.parametrize("name", ["frontend.safetensors", "frontend.json"])
def test_a_damaged_front_end_is_told_with_the_remedy(name: str, tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    flip(out / "frontend" / name) if name.endswith("s") else (out / "frontend" / name).unlink()
    code, told = run()
    assert code == 1 and told.count("\n") == 1 and "is damaged, and all shards hang on it; copy frontend/" in told
    assert run("overwrite=true")[0] == 0 and "is complete" in run()[1]


def test_what_is_added_is_all_that_is_made(corpus: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    before, began, record = files(out), times(out), read_json(out / "stage.json")
    for index in range(20, 24):
        speak(corpus / "0" / f"{index}.wav", 1.5, seed=index)
    code, told = run()
    assert code == 0 and "12 utterances" in told and "gone" not in told
    after = files(out)
    assert {name for name in before if after[name] != before[name]} == {"manifest.tsv", "recordings.jsonl"}
    assert {shard: time for shard, time in times(out).items() if shard in began} == began
    added = sorted(set(ids(out)) - set(began))
    assert sorted(sum((ids(out)[shard] for shard in added), [])) == [f"0/{index}" for index in range(20, 24)]
    assert (
        Speech.read(out).ids == [row["id"] for row in read_table(out / "manifest.tsv", ["id"])]
        and len(Speech.read(out).ids) == 12
    )
    renewed = read_json(out / "stage.json")
    assert renewed["counts"]["utterances"] == 12 and renewed["inputs"]["recordings"] != record["inputs"]["recordings"]
    assert run() == (0, f"{out} is complete\n")
    assert "other settings (seed: 0 -> 1)" in run("seed=1")[1]


def test_of_what_changed_or_vanished_only_its_shards_are_made_anew(corpus: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    began, where = times(out), {name: shard for shard, names in ids(out).items() for name in names}
    speak(corpus / "3.wav", 1.7, seed=99)
    (corpus / "5.wav").unlink()
    code, told = run()
    assert code == 0 and "2 recordings have changed or are gone, such as 3" in told and "7 utterances" in told
    now = ids(out)
    assert {shard for shard, time in times(out).items() if began.get(shard) != time} == {where["3"], where["5"], max(now)}
    assert now[max(now)] == ["3"] and sum(now.values(), []).count("3") == 1 and "5" not in sum(now.values(), [])


def test_a_shard_of_which_nobody_is_left_is_gone(corpus: Path, tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    for name in ids(out)["00001"]:
        (corpus / f"{name}.wav").unlink()
    assert run()[0] == 0
    assert "00001" not in ids(out) and len(Speech.read(out).ids) == sum(map(len, ids(out).values()))
    assert run() == (0, f"{out} is complete\n")


def test_a_corpus_that_was_moved_is_the_same(corpus: Path, tmp_path: Path, typed) -> None:
    (tmp_path / "list.tsv").write_text("id\tpath\n" + "".join(f"{index}\tin/{index}.wav\n" for index in range(8)))
    arguments = (f"manifest={tmp_path / 'list.tsv'}", f"out_dir={tmp_path / 'out'}", *SHARDS)
    assert prepared(typed, *arguments)[0] == 0
    corpus.rename(tmp_path / "elsewhere")
    (tmp_path / "list.tsv").write_text("id\tpath\n" + "".join(f"{index}\telsewhere/{index}.wav\n" for index in range(8)))
    assert "is complete" in prepared(typed, *arguments)[1]


ALONE = """
import sys
from pathlib import Path
from wavu.stages.shard import finish_shard
finish_shard(Path(sys.argv[1]), 1)
"""


def test_another_process_makes_a_shard_from_the_folder_alone(tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    before = files(out)
    record = (out / "stage.json").read_text().replace('"counts"', '"working_folder": "/", "counts"')
    (out / "plan.json").write_text(record)
    shutil.rmtree(out / "shards" / "00001")
    assert subprocess.run([sys.executable, "-c", ALONE, str(out)]).returncode == 0
    (out / "plan.json").unlink()
    assert files(out) == before


def test_overwriting_the_same_tells_its_own_seconds(tmp_path: Path, run) -> None:
    out = tmp_path / "out"
    assert run()[0] == 0
    record = read_json(out / "stage.json")
    write_json(out / "stage.json", record | {"seconds": -1})
    assert run("overwrite=true")[0] == 0 and read_json(out / "stage.json")["seconds"] > 0
