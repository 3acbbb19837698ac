"""The door of every command, tried with a toy command ``toy`` that has one group ``engine``."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from wavu import command
from wavu.errors import WavuError
from wavu.settings.base import Count, Place, Seed, Settings, Share, Word, Work

YAML = """\
defaults:
  - base
  - engine: small  # of two
  - gearbox: automatic
  - _self_
audio_dir: ???             # folder of speech
out_dir: ???               # where results go
files: []
loud: false                # noise
seed: 0                    # of every random draw
pca:
  dim: 8                   # dimensions kept
"""


class Small(Settings):
    kind: Literal["small"]
    oil: Share = 0.5
    """how full it is"""


class HuggingFace(Settings):
    kind: Literal["huggingface"]
    model: Word


class Gearbox(Settings):
    gears: Count


class Pca(Settings):
    dim: Count
    whiten: bool = False
    """to variance 1"""


class Toy(Work):
    engine: Annotated[Small | HuggingFace, Field(discriminator="kind")]
    gearbox: Gearbox
    audio_dir: Place
    files: list[str]
    loud: bool
    seed: Seed
    pca: Pca


@pytest.fixture
def toy(tmp_path: Path, monkeypatch, capsys) -> Callable[..., tuple[int, dict, str]]:
    """Runs the toy command: exit code, the settings it saw, what it printed."""
    configs = tmp_path / "configs"
    (configs / "engine").mkdir(parents=True)
    (configs / "gearbox").mkdir()
    (configs / "gearbox" / "automatic.yaml").write_text("gears: 5\n")
    shutil.copy(command.CONFIGS / "base.yaml", configs)
    (configs / "toy.yaml").write_text(YAML)
    (configs / "engine" / "small.yaml").write_text("kind: small\n")
    (configs / "engine" / "huggingface.yaml").write_text("kind: huggingface\nmodel: ???\n")
    monkeypatch.setattr(command, "CONFIGS", configs)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, work: Callable[[Toy], None] = lambda settings: None, files: bool = False) -> tuple[int, dict, str]:
        seen: dict = {}
        monkeypatch.setattr(sys, "argv", ["toy", *arguments])
        main = command.command(
            "toy",
            Toy,
            lambda settings: (seen.update(settings.plain()), work(settings)),
            "A toy.\n\n    python -m wavu.toy audio_dir=speech out_dir=runs/x\n",
            files=files,
            open_groups=("engine",),
        )
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, seen, out + err

    return run


GIVEN = ("audio_dir=speech", "out_dir=runs/x")


def test_settings_arrive_as_plain_values(toy) -> None:
    code, seen, printed = toy(*GIVEN, "seed=7", "pca.dim=4")
    assert code == 0 and printed == ""
    given = {"audio_dir": "speech", "out_dir": "runs/x", "seed": 7, "pca": {"dim": 4, "whiten": False}}
    others = {"files": [], "loud": False, "overwrite": False, "engine": {"kind": "small", "oil": 0.5}, "gearbox": {"gears": 5}}
    assert seen == given | others


def test_what_stands_in_no_yaml_is_given_like_all_else(toy) -> None:
    code, seen, printed = toy(*GIVEN, "engine.oil=0.2", "pca.whiten=true", "overwrite=true")
    assert code == 0, printed
    assert (seen["engine"]["oil"], seen["pca"]["whiten"], seen["overwrite"]) == (0.2, True, True)


def test_hydra_leaves_no_folder_behind(toy, tmp_path: Path) -> None:
    toy(*GIVEN)
    assert [path.name for path in tmp_path.iterdir()] == ["configs"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("seeed=1",), "unknown setting 'seeed' (did you mean 'seed'?); see python -m wavu.toy --help"),
        (("pca.dims=1",), "did you mean 'pca.dim'?"),
        (("audio_dri=x",), "did you mean 'audio_dir'?"),
        (("engine.modle=x",), "unknown setting 'engine.modle'"),
        (("--seed=1",), "'--seed=1' is not an option; settings are given as name=value"),
        (("speech.wav",), "'speech.wav' is not a setting; write name=value"),
        (("engine=smal",), "unknown engine 'smal' (did you mean 'small'?)"),
        (("gearbox=atomatic",), "unknown gearbox 'atomatic' (did you mean 'automatic'?); known: automatic\n"),
        (("pca=4",), "pca is a block of settings; give one of them: pca.dim, pca.whiten"),
        (("pca=null",), "pca is a block of settings"),
        (("engine.oyl=0.1",), "unknown setting 'engine.oyl' (did you mean 'engine.oil'?)"),
        (("engine.oil=1.5",), "engine.oil=1.5 must be at most 1"),
        (("engine.oil=nan",), "engine.oil=nan must be a finite number"),
        (("engine.kind=large",), "engine.kind=large is unknown"),
        (("pca.dim=0",), "pca.dim=0 must be at least 1"),
        (("pca.dim=2.5",), "pca.dim=2.5 must be a whole number"),
        (("pca.dim=1e99",), "pca.dim=1e+99 must be a whole number"),
        (("seed=-1",), "seed=-1 must be at least 0"),
        (("seed=many",), "seed=many must be a whole number"),
        (("seed=true",), "seed=true must be a whole number"),
        (("seed=null",), "seed=null must be a whole number"),
        (("files=3",), "files=3 must be a list in [brackets]"),
        (("loud=1",), "loud=1 must be true or false"),
        (("audio_dir=''",), "audio_dir= must be the path of a file or folder"),
        (("~seed",), "'~seed' is not a setting"),
        (("audio_dir=${nope}",), "'nope' not found"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_nearest_right_one(arguments: tuple[str, ...], told: str, toy) -> None:
    code, seen, printed = toy(*GIVEN, *arguments)
    assert code == 1 and not seen
    assert printed.startswith("error: ") and told in printed and printed.count("\n") == 1


def test_what_must_be_given_is_named_all_at_once(toy) -> None:
    code, _, printed = toy("seed=1")
    assert code == 1
    assert printed == "error: audio_dir, out_dir must be given, as in: python -m wavu.toy audio_dir=speech out_dir=runs/x\n"


@pytest.mark.parametrize(
    "name", ["München (2).txt", "a,b.txt", "x[1]{2}.txt", "it's", "Кыргыз тили", "a=b", "semi;colon & more!", "50%"]
)
def test_a_path_is_read_as_it_is_written(name: str, toy) -> None:
    assert toy(f"audio_dir={name}", "out_dir=x")[1]["audio_dir"] == name


def test_the_home_folder_is_meant_by_a_tilde(toy) -> None:
    assert toy("audio_dir=~/speech", "out_dir=x")[1]["audio_dir"] == str(Path.home() / "speech")


def test_bare_arguments_are_files_where_the_command_takes_files(toy, tmp_path: Path) -> None:
    (tmp_path / "a=b.wav").touch()
    names = ["x y.wav", "ü,[1].flac", "a=b.wav"]
    assert toy(*GIVEN, *names, files=True)[1]["files"] == names


@pytest.mark.parametrize("model", ["facebook/hubert-base-ls960", "my models/ü"])
def test_an_open_group_takes_a_hub_name_or_a_folder(model: str, toy, tmp_path: Path) -> None:
    (tmp_path / "my models" / "ü").mkdir(parents=True)
    assert toy(*GIVEN, f"engine={model}")[1]["engine"] == {"kind": "huggingface", "model": model}


def test_a_sweep_runs_the_command_for_each_value(toy) -> None:
    seeds: list[int] = []
    toy(*GIVEN, "-m", "seed=1,2", work=lambda settings: seeds.append(settings.seed))
    assert seeds == [1, 2]


def test_a_users_mistake_is_one_line_and_an_exit_code(toy) -> None:
    def work(settings: Toy) -> None:
        raise WavuError("x.tsv is empty; fill it")

    code, _, printed = toy(*GIVEN, work=work)
    assert code == 1 and printed == "error: x.tsv is empty; fill it\n"


def test_interrupted_says_how_to_go_on(toy) -> None:
    def work(settings: Toy) -> None:
        raise KeyboardInterrupt

    code, _, printed = toy(*GIVEN, work=work)
    assert code == 130 and "run the same command again" in printed


def test_help_shows_the_settings_with_their_comments(toy) -> None:
    code, seen, printed = toy("--help")
    assert code == 0 and not seen
    assert (
        printed.startswith("A toy.")
        and "# of every random draw" in printed
        and "Choices of engine: huggingface, small. If none is given, engine=small:\n\nengine:\n  kind: small\n" in printed
        and "gearbox:\n  gears: 5" in printed
        and "Seldom changed:\n\noverwrite=false  # true: throw away" in printed
        and "engine.oil=0.5  # how full it is\npca.whiten=false  # to variance 1" in printed
    )
    assert "_self_" not in printed and "base" not in printed


def test_the_settings_of_another_command_are_those_it_would_see(toy) -> None:
    seen: list[dict] = []

    def work(settings: Toy) -> None:
        given = ["audio_dir=ä [1]", "out_dir=out", "pca.dim=4", "engine=facebook/hubert"]
        seen.append(command.composed("toy", Toy, given, open_groups=("engine",)).plain())
        with pytest.raises(WavuError, match="did you mean 'pca.dim'"):
            command.composed("toy", Toy, ["audio_dir=a", "out_dir=b", "pca.dimm=3"])

    code, _, told = toy("audio_dir=in", "out_dir=out", work=work)
    assert code == 0, told
    _, alone, _ = toy("audio_dir=ä [1]", "out_dir=out", "pca.dim=4", "engine=facebook/hubert")
    assert seen == [alone]
