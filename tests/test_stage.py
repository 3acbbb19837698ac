import os
from pathlib import Path

import pytest

from wavu.errors import WavuError
from wavu.settings.base import Place, Settings, Work
from wavu.stage import Stage, fingerprint, finished, folder_fingerprint
from wavu.store import write_text


class Pca(Settings):
    dim: int


class Toy(Work):
    source_dir: Place | None
    seed: int
    pca: Pca


def everything_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def stage(
    folder: Path,
    *,
    seed: int = 0,
    overwrite: bool = False,
    source: str = "f1",
    source_dir: Path | None = None,
    grows: str | None = None,
) -> Stage:
    settings = Toy(source_dir=source_dir, out_dir=folder, overwrite=overwrite, seed=seed, pca=Pca(dim=4))
    return Stage(settings, command="gan_train", inputs={"audio": source}, makes=("result.txt", "shard*"), grows=grows)


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
        and record["config"] == {"source_dir": None, "seed": 0, "pca": {"dim": 4}}
        and record["seconds"] >= 0
        and record["peak_memory_gb"] > 0.01
    )
    assert everything_in(folder) == ["result.txt", "stage.json"]


class Longer(Toy):
    """As a later version of wavu has it."""

    bits: int = 16


@pytest.mark.parametrize("part", ["plan.json", "stage.json"])
def test_a_setting_that_came_later_has_its_usual_value_in_a_folder_made_before(part: str, tmp_path: Path) -> None:
    finish(tmp_path)
    if part == "plan.json":
        (tmp_path / "stage.json").rename(tmp_path / part)

    def later(**given: int) -> bool:
        settings = Longer(source_dir=None, out_dir=tmp_path, overwrite=False, seed=0, pca=Pca(dim=4), **given)
        return Stage(settings, command="gan_train", inputs={"audio": "f1"}, makes=("result.txt",)).done()

    assert later() == (part == "stage.json")
    with pytest.raises(WavuError, match="bits: 16 -> 8"):
        later(bits=8)


def test_other_settings_or_inputs_are_refused_by_name(tmp_path: Path) -> None:
    finish(tmp_path)
    with pytest.raises(WavuError, match=r"seed: 0 -> 1.*overwrite=true"):
        stage(tmp_path, seed=1).done()
    with pytest.raises(WavuError, match="audio: f1 -> f2"):
        stage(tmp_path, source="f2").done()
    assert (tmp_path / "result.txt").exists()


def test_overwrite_starts_from_an_empty_folder(tmp_path: Path) -> None:
    finish(tmp_path)
    write_text(tmp_path / "shards" / "7" / "rows", "of an unfinished run before")
    assert not stage(tmp_path, seed=1, overwrite=True).done()
    finish(tmp_path, seed=1, overwrite=True)
    assert everything_in(tmp_path) == ["result.txt", "stage.json"] and stage(tmp_path, seed=1).done()


@pytest.mark.parametrize("name", ["thesis.tex", "result.txt", "shards/mine.txt"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_of_somebody_elses_is_left_alone(name: str, overwrite: bool, tmp_path: Path) -> None:
    """Whatever its files are called: wavu has not begun it."""
    write_text(tmp_path / name, "years of work")
    with pytest.raises(WavuError, match=f"did not make .{name}.; choose another out_dir"):
        stage(tmp_path, overwrite=overwrite).done()
    assert (tmp_path / name).read_text() == "years of work" and not (tmp_path / "plan.json").exists()


@pytest.mark.parametrize("finished", [False, True])
def test_overwrite_never_deletes_what_wavu_did_not_make(finished: bool, tmp_path: Path) -> None:
    if finished:
        finish(tmp_path)
    else:
        with pytest.raises(KeyboardInterrupt), stage(tmp_path).run():
            write_text(tmp_path / "shard0", "whole")
            raise KeyboardInterrupt
    before = everything_in(tmp_path)
    for name in ("thesis.tex", "figures/1.png"):
        write_text(tmp_path / name, "years of work")
    with pytest.raises(WavuError, match=r"did not make \(figures/1.png and 1 more\)"):
        stage(tmp_path, overwrite=True).done()
    assert everything_in(tmp_path) == sorted([*before, "thesis.tex", "figures", "1.png"])


def test_hidden_files_of_a_file_manager_are_no_hindrance_and_stay(tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").touch()
    finish(tmp_path)
    assert not stage(tmp_path, overwrite=True, seed=1).done()
    finish(tmp_path, overwrite=True, seed=1)
    assert everything_in(tmp_path) == [".DS_Store", "result.txt", "stage.json"]


def test_killed_while_it_empties_a_folder_the_next_run_goes_on_with_that(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(KeyboardInterrupt), stage(tmp_path).run():
        for shard in range(3):
            write_text(tmp_path / f"shard{shard}", "of seed 0")
        raise KeyboardInterrupt

    unlink = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name == "shard1":
            raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt), stage(tmp_path, seed=1, overwrite=True).run():
        pass
    assert (tmp_path / "shard1").exists()
    monkeypatch.undo()
    assert not stage(tmp_path, seed=1).done()
    with stage(tmp_path, seed=1).run():
        assert everything_in(tmp_path) == ["plan.json"]
    assert stage(tmp_path, seed=1).done()


@pytest.mark.parametrize("where", ["", "deep/er"])
def test_what_is_read_is_not_written_into(where: str, tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    with pytest.raises(WavuError, match=r"lies in .*recordings, which is read"):
        stage(tmp_path / "recordings" / where, source_dir=tmp_path / "recordings").done()
    assert not stage(tmp_path / "recordings2", source_dir=tmp_path / "recordings").done()


def test_of_two_writers_the_second_is_told_who_was_first(tmp_path: Path) -> None:
    with stage(tmp_path).run():
        with pytest.raises(WavuError, match=f"is being written by process {os.getpid()} on .*; wait"), stage(tmp_path).run():
            pass
        write_text(tmp_path / "result.txt", "of the first")
    assert stage(tmp_path).done() and (tmp_path / "result.txt").read_text() == "of the first"
    with pytest.raises(WavuError, match="just been finished"), stage(tmp_path).run():
        pass


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with (
        pytest.raises(WavuError, match="cannot make the folder .*out: a file has its name; choose another"),
        stage(tmp_path / "out").run(),
    ):
        pass


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


def test_a_stage_that_grows_goes_on_in_a_finished_folder_with_the_same_settings(tmp_path: Path) -> None:
    finish(tmp_path, grows="audio")
    record = finished(tmp_path, "gan_train")
    assert stage(tmp_path, source="f2", grows="audio").done()
    with pytest.raises(WavuError, match=r"seed: 0 -> 1\)"):
        stage(tmp_path, source="f2", grows="audio", seed=1).done()
    with pytest.raises(KeyboardInterrupt), stage(tmp_path, source="f2", grows="audio").run():
        assert everything_in(tmp_path) == ["plan.json", "result.txt"]
        raise KeyboardInterrupt
    assert (tmp_path / "result.txt").exists() and not stage(tmp_path, source="f2", grows="audio").done()
    with stage(tmp_path, grows="audio").run() as counts:
        counts["files"] = 3
    assert finished(tmp_path, "gan_train") == record, "what was only mended is what it was"
    with stage(tmp_path, source="f2", grows="audio").run() as counts:
        counts["files"] = 4
    assert finished(tmp_path, "gan_train")["inputs"] == {"audio": "f2"} and everything_in(tmp_path) == [
        "result.txt",
        "stage.json",
    ]


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
