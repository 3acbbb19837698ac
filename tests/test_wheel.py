"""The installed package works outside the clone: its settings travel inside the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The wheel, built from the clone and unpacked; an empty folder beside it to run in."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(pip, check=True)
    (wheel,) = folder.glob("wavu-*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "site")
    (folder / "empty").mkdir()
    return folder


def run(installed: Path, *words: str) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(installed / "site")}
    return subprocess.run(
        [sys.executable, *words], cwd=installed / "empty", env=environment, capture_output=True, text=True, check=False
    )


def test_the_wheel_is_what_is_run(installed: Path) -> None:
    where = run(installed, "-c", "import wavu.command; print(wavu.command.CONFIGS)").stdout.strip()
    assert Path(where) == installed / "site" / "wavu" / "configs"


def test_every_setting_and_the_licence_are_inside(installed: Path) -> None:
    inside = {path.relative_to(installed / "site" / "wavu") for path in (installed / "site" / "wavu" / "configs").rglob("*.yaml")}
    assert inside == {path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.yaml")}
    assert list((installed / "site").rglob("LICENSE"))
    assert (installed / "site" / "wavu" / "py.typed").exists(), "type checkers of programs that use wavu look for it"


def test_the_page_of_serve_is_inside(installed: Path) -> None:
    page = Path("wavu") / "web" / "page"
    inside = {path.name for path in (installed / "site" / page).iterdir()}
    assert inside == {path.name for path in (ROOT / page).iterdir()} and "index.html" in inside


def test_the_template_of_the_report_is_inside(installed: Path) -> None:
    there, here = (folder / "wavu" / "page" for folder in (installed / "site", ROOT))
    assert (
        {path.name for path in there.glob("page.*")}
        == {path.name for path in here.glob("page.*")}
        == {"page.html", "page.css", "page.js"}
    )


def test_help_and_a_command_work_in_an_empty_folder(installed: Path) -> None:
    assert "tolerance_ms" in run(installed, "-m", "wavu.evaluate", "--help").stdout
    (installed / "empty" / "both.tsv").write_text("id\tphones\na\tt a k\n")
    done = run(installed, "-m", "wavu.evaluate", "hypotheses=both.tsv", "references=both.tsv")
    assert done.returncode == 0 and "PER  0.0000" in done.stdout, done.stderr
    assert [path.name for path in (installed / "empty").iterdir()] == ["both.tsv"]
