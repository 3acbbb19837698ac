from pathlib import Path

import pytest

from wavu.errors import WavuError
from wavu.stage import Stage, fingerprint, finished, folder_fingerprint
from wavu.store import write_text


def everything_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


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
    assert (
        record["counts"] == {"files": 3}
        and record["config"] == {"seed": 0, "pca": {"dim": 4}}
        and record["seconds"] >= 0
        and record["peak_memory_gb"] > 0.01
    )
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
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint(1, 2) != fingerprint(2, 1)


def test_a_folders_fingerprint_tells_its_files(tmp_path: Path) -> None:
    nothing = folder_fingerprint(None)
    assert nothing == folder_fingerprint("somebody/a-model") == folder_fingerprint(str(tmp_path))
    (tmp_path / "weights").write_bytes(b"first")
    before = folder_fingerprint(str(tmp_path))
    (tmp_path / "weights").write_bytes(b"other")
    assert len({nothing, before, folder_fingerprint(str(tmp_path))}) == 3
