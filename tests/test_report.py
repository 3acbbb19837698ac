"""The command: what it writes, what it scores, what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from wavu import report
from wavu.errors import WavuError
from wavu.recogniser import Recogniser


@pytest.fixture(autouse=True)
def unheard(monkeypatch) -> None:
    """No recogniser is opened: its page is tested elsewhere."""

    def refuse(folder: Path) -> None:
        raise WavuError("not in this test")

    monkeypatch.setattr(Recogniser, "read", refuse)


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    path = tmp_path / "truth.tsv"
    path.write_text("id\tphones\none\tt a k i\ntwo\tt a k i\nthree\tt a\n", encoding="utf-8")
    return path


def test_a_page_without_references_shows_no_errors(typed: Callable, run_folder: Path) -> None:
    code, said = typed(report, f"run={run_folder}")
    html = (run_folder / "report.html").read_text(encoding="utf-8")
    assert code == 0 and "report.html" in said and 'id="scores"' not in html


def test_references_add_the_rate_of_every_system(typed: Callable, run_folder: Path, truth: Path) -> None:
    assert typed(report, f"run={run_folder}", f"references={truth}")[0] == 0
    html = (run_folder / "report.html").read_text(encoding="utf-8")
    # two phones too many in "three" for everybody, and one wrong in "one" for the HMM and the student
    assert "0.200" in html and html.count("0.300") >= 2 and 'id="scores"' in html


def test_the_worst_first_each_with_its_errors() -> None:
    found = {"a": ["t", "a"], "b": ["t", "i"], "c": [], "unknown": ["t"]}
    truth = {"a": ["t", "a"], "b": ["t", "a"], "c": ["o"], "silent": []}
    rows = report.worst(found, truth, limit=2)
    assert [(row["id"], row["rate"]) for row in rows] == [("c", 1.0), ("b", 0.5)]
    assert rows[0]["pairs"] == [("o", "")] and rows[1]["pairs"] == [("t", "t"), ("a", "i")]


@pytest.mark.parametrize(
    ("setting", "told"),
    [("examples=-1", "examples=-1 must be"), ("worst=0.5", "worst=0.5 must be"), ("seconds=0", "seconds=0 must be above 0"), ("refrences=x", "references")],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(typed: Callable, run_folder: Path, setting: str, told: str) -> None:
    code, said = typed(report, f"run={run_folder}", setting)
    assert code == 1 and told in said and not (run_folder / "report.html").exists()


def test_a_folder_that_is_no_run(typed: Callable, tmp_path: Path) -> None:
    code, said = typed(report, f"run={tmp_path / 'nowhere'}")
    assert code == 1 and "nowhere is no folder" in said and said.count("\n") == 1
