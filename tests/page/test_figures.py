"""Figures of a run whose every number is planted."""

import shutil
from pathlib import Path

import pytest

from wavu.page import figures
from wavu.page.run import Run
from wavu.store import read_json, write_json, write_table


def changed(run: Path, folder: str, **counts: object) -> Run:
    record = read_json(run / folder / "stage.json")
    write_json(run / folder / "stage.json", record | {"counts": record["counts"] | counts})
    return Run.read(run)


def test_shares_of_phones_in_the_text_and_in_what_the_student_says(run_folder: Path) -> None:
    rows = {row["phone"]: row for row in figures.inventory(Run.read(run_folder))}
    assert rows["k"] == {"phone": "k", "text": pytest.approx(5 / 14), "found": pytest.approx(4 / 12)}
    assert rows["o"] == {"phone": "o", "text": pytest.approx(1 / 14), "found": 0.0}
    assert "<SIL>" not in rows and list(rows) == ["i", "a", "o", "t", "k"]


def test_without_any_labels_the_text_stands_alone(run_folder: Path) -> None:
    for name in ("found", "model"):
        shutil.rmtree(run_folder / name)
    run = Run.read(run_folder)
    assert {row["found"] for row in figures.inventory(run)} == {None}
    assert figures.confusions(run) == figures.divergences(run) == figures.members(run) == []


def test_what_self_training_renamed(run_folder: Path) -> None:
    assert figures.confusions(Run.read(run_folder)) == [
        {"segments": "t", "HMM": "k", "frames": 10, "share": pytest.approx(10 / 30)}
    ]


def test_divergences_of_every_system(run_folder: Path) -> None:
    rows = figures.divergences(Run.read(run_folder))
    assert [row["name"] for row in rows] == ["segments", "HMM", "student"]
    assert rows[0]["values"] == [0.1, 0.2, 0.3, 0.4]


def test_the_verdict_in_words_with_its_figures(run_folder: Path) -> None:
    verdict = figures.verdict(Run.read(run_folder))
    assert verdict.word == "found" and verdict.headline == "Found: predicted PER 0.24 ± 0.12"
    named = {name: value for name, value, _ in verdict.figures}
    assert (
        named["phones used"] == "80 %"
        and named["agreement"] == "0.80"
        and named["perplexity"] == "4.00"
        and named["student's disagreement"] == "0.050"
    )
    facts = dict(verdict.facts)
    assert facts["start"] == "read by espeak-ng's voice xx" and facts["encoder"] == "the encoder has seen nothing"
    assert facts["suspected failed"] == "self_train: no"


def test_other_verdicts(run_folder: Path) -> None:
    hmm = read_json(run_folder / "model" / "stage.json")["counts"]["hmm"]
    partly = changed(run_folder, "model", hmm=hmm | {"verdict": "partly found: predicted PER 0.45 ± 0.12"})
    assert figures.verdict(partly).word == "partly found"
    doubted = figures.verdict(changed(run_folder, "model", hmm=hmm, suspected_failed="student: collapsed"))
    assert doubted.word == "suspected" and "collapsed" in doubted.headline and "predicted PER 0.24" in doubted.headline
    failed = "failed: predicted PER 0.75 ± 0.12"
    assert figures.verdict(changed(run_folder, "model", hmm=hmm | {"verdict": failed}, suspected_failed=failed)).word == "failed"
    del hmm["verdict"]
    assert figures.verdict(changed(run_folder, "model", hmm=hmm, suspected_failed=None)).word == "unjudged"
    suspected = figures.verdict(changed(run_folder, "model", hmm=hmm, suspected_failed="collapsed"))
    assert suspected.word == "suspected" and "collapsed" in suspected.headline
    shutil.rmtree(run_folder / "model")
    without = figures.verdict(Run.read(run_folder))
    assert without.word == "none" and "No model" in without.headline and "decipher_segments" in without.headline
    assert without.figures


def test_looks_at_members_leave_out_what_is_no_number(run_folder: Path) -> None:
    rows = [{"update": 0, "member": 1, "score": "inf", "jsd": 0.5, "suspected_failed": "collapsed"}]
    write_table(run_folder / "gan" / "scores.tsv", rows, list(rows[0]))
    write_json(run_folder / "gan" / "stage.json", {"command": "gan_train", "counts": {}})
    assert figures.members(Run.read(run_folder)) == [{"update": 0.0, "member": 1.0, "jsd": 0.5}]


def test_seconds_of_every_stage(run_folder: Path) -> None:
    rows = {row["folder"]: row for row in figures.timings(Run.read(run_folder))}
    assert rows["model"] == {"folder": "model", "command": "self_train", "seconds": 1.5, "peak_memory_gb": None}
    assert rows["text"]["seconds"] is None


def test_agreement_is_that_of_self_training_alone(run_folder: Path) -> None:
    """What gan_train counts under the same name is how far its members agree."""
    changed(run_folder, "found", agreement=0.9)
    shutil.rmtree(run_folder / "model")
    assert "agreement" not in [name for name, _, _ in figures.verdict(Run.read(run_folder)).figures]
