import json
import sys
from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu import evaluate
from wavu.errors import WavuError
from wavu.evaluate import BoundaryScore, boundary_score, edit_operations, phone_error_rate, read_boundaries, read_references
from wavu.store import write_table

PHONES = st.lists(st.sampled_from(["t", "a", "kʰ", "iː"]), max_size=12)


# Phones


@settings(max_examples=150)
@given(PHONES, PHONES)
def test_edit_operations_add_up_and_agree_with_jiwer(hypothesis: list[str], reference: list[str]) -> None:
    insertions, deletions, substitutions = edit_operations(hypothesis, reference)
    assert min(insertions, deletions, substitutions) >= 0
    assert insertions - deletions == len(hypothesis) - len(reference)
    assert deletions + substitutions <= len(reference)
    if reference:
        theirs = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
        assert insertions + deletions + substitutions == theirs.insertions + theirs.deletions + theirs.substitutions
        assert substitutions <= theirs.substitutions  # of equally cheap alignments, the one with the most phones right


@settings(max_examples=30)
@given(st.lists(st.tuples(PHONES, PHONES.filter(len)), min_size=1, max_size=6))
def test_the_rate_of_a_corpus_agrees_with_jiwer(pairs: list[tuple[list[str], list[str]]]) -> None:
    hypotheses, references = ({str(index): pair[side] for index, pair in enumerate(pairs)} for side in (0, 1))
    ours = phone_error_rate(hypotheses, references)
    theirs = jiwer.wer([" ".join(phones) for phones in references.values()], [" ".join(phones) for phones in hypotheses.values()])
    assert ours.per == pytest.approx(theirs)
    assert ours.length_ratio == pytest.approx(sum(len(pair[0]) for pair in pairs) / sum(len(pair[1]) for pair in pairs))


@pytest.mark.parametrize(
    ("hypothesis", "reference", "operations"),
    [
        ("a b c", "a b c", (0, 0, 0)),
        ("", "a b c", (0, 3, 0)),
        ("a b c", "", (3, 0, 0)),
        ("", "", (0, 0, 0)),
        ("a x c", "a b c", (0, 0, 1)),
        ("b a", "a b", (1, 1, 0)),  # as cheap as two substitutions, and one phone is right
        ("a a b", "a b", (1, 0, 0)),
        ("k i t e n", "s i t i n k", (0, 1, 2)),
    ],
)
def test_operations_known_by_hand(hypothesis: str, reference: str, operations: tuple[int, int, int]) -> None:
    assert edit_operations(hypothesis.split(), reference.split()) == operations


def test_planted_errors_are_counted() -> None:
    generator = np.random.default_rng(0)
    reference = [f"r{index}" for index in range(600)]  # all different: no cheaper alignment exists
    fate = generator.choice(["keep", "drop", "swap", "add"], len(reference), p=[0.7, 0.1, 0.1, 0.1])
    made = {"keep": lambda p: [p], "drop": lambda p: [], "swap": lambda p: ["x"], "add": lambda p: [p, "x"]}
    hypothesis = [phone for phone, what in zip(reference, fate, strict=True) for phone in made[what](phone)]
    rate = phone_error_rate({"a": hypothesis}, {"a": reference})
    # A swap next to a drop or an addition may be told apart otherwise, never more cheaply by much.
    assert rate.per == pytest.approx((fate != "keep").mean(), abs=0.03)
    assert rate.insertions - rate.deletions == (fate == "add").sum() - (fate == "drop").sum()


def test_silence_counts_on_neither_side() -> None:
    rate = phone_error_rate({"a": ["<SIL>", "t", "<SIL>", "a"]}, {"a": ["t", "a", "<SIL>"]})
    assert rate.per == 0 and rate.reference_phones == rate.hypothesis_phones == 2


def test_what_is_not_transcribed_counts_as_deleted_and_what_has_no_reference_is_ignored() -> None:
    rate = phone_error_rate({"a": ["t"], "extra": ["t"] * 9}, {"a": ["t"], "b": ["t", "a", "k"]})
    assert (rate.deletions, rate.missing, rate.utterances, rate.per) == (3, 1, 2, 0.75)


def test_nothing_in_common_is_an_error_that_shows_both_ids() -> None:
    with pytest.raises(WavuError, match=r"'a\.wav' and 'a'.*without the ending"):
        phone_error_rate({"a.wav": ["t"]}, {"a": ["t"]})
    with pytest.raises(WavuError, match="no phone"):
        phone_error_rate({"a": ["t"]}, {"a": ["<SIL>"]})


# Boundaries


def most_pairs(found: list[float], true: list[float], tolerance: float) -> int:
    """Plain twin: the largest matching, by trying everything."""
    if not found or not true:
        return 0
    best = most_pairs(found[1:], true, tolerance)
    for index, time in enumerate(true):
        if abs(found[0] - time) <= tolerance:
            best = max(best, 1 + most_pairs(found[1:], true[:index] + true[index + 1 :], tolerance))
    return best


TIMES = st.lists(st.integers(0, 25), max_size=6, unique=True).map(sorted)


@settings(max_examples=100)
@given(TIMES, TIMES.filter(len), st.integers(0, 5))
def test_matching_is_one_to_one_and_the_largest(found: list[int], true: list[int], tolerance: int) -> None:
    score = boundary_score(
        {"a": [time / 100 for time in found]}, {"a": [time / 100 for time in true]}, tolerance_seconds=tolerance / 100
    )
    assert score == BoundaryScore(len(true), len(found), most_pairs(found, true, tolerance))


def test_perfect_boundaries_score_one() -> None:
    score = BoundaryScore(true=40, found=40, hits=40)
    assert score.precision == score.recall == score.f1 == score.r_value == 1


def test_the_r_value_is_that_of_the_paper() -> None:
    # Hit rate 75 %, over-segmentation 0: r1 = 25, r2 = -25 / sqrt(2), R = 1 - (25 + 17.678) / 200.
    assert BoundaryScore(true=100, found=100, hits=75).r_value == pytest.approx(0.78661, abs=1e-5)
    # Boundaries everywhere: every true one is hit, and the R-value is not fooled.
    everywhere = BoundaryScore(true=100, found=400, hits=100)
    assert everywhere.recall == 1 and everywhere.r_value < 0 < everywhere.f1


def test_nothing_found_scores_zero() -> None:
    score = boundary_score({"a": []}, {"a": [0.1, 0.2], "b": [0.3]}, tolerance_seconds=0.02)
    assert score == BoundaryScore(true=3, found=0, hits=0) and score.precision == score.f1 == 0


def write_times(path: Path, rows: list[tuple[str, float, float, str]]) -> Path:
    columns = ("id", "start", "end", "phone")
    write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    return path


def test_boundaries_lie_between_phones(tmp_path: Path) -> None:
    rows = [
        ("a", 0.0, 0.1, "<SIL>"),
        ("a", 0.1, 0.2, "t"),
        ("a", 0.2, 0.3, "a"),
        ("a", 0.3, 0.5, "<SIL>"),
        ("a", 0.5, 0.6, "t"),
        ("b", 0, 1, "o"),
    ]
    boundaries = read_boundaries(write_times(tmp_path / "times.tsv", rows))
    assert boundaries == {"a": [0.2, 0.3, 0.5], "b": []}


def test_times_that_are_no_numbers_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=r"times\.tsv line 3: start and end must be seconds, got '0.2' and 'end'"):
        read_boundaries(write_times(tmp_path / "times.tsv", [("a", 0, 0.2, "t"), ("a", 0.2, "end", "a")]))


# Files


def tsv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("id\tphones\n", "no row"),
        ("id\tphones\na\tt\na\tt\n", "twice"),
        ("id\twords\na\tt\n", "neither a column phones nor a column text"),
        ("id\ttext\na\ttak\n", "add text=FOLDER"),
        ("name\tphones\na\tt\n", "no column id"),
    ],
)
def test_references_that_cannot_be_used_are_told(content: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=told):
        read_references(tsv(tmp_path / "ref.tsv", content), None)


def test_text_becomes_phones_as_prepare_text_made_them(tmp_path: Path, text_folder: Path, capsys) -> None:
    references = tsv(tmp_path / "ref.tsv", "id\ttext\na\tTak, ki -- O!\nb\tpa tak\n")
    # The lexicon spells o as o; pa is not in it and is spelled by its letters, as units=char does.
    assert read_references(references, text_folder) == {"a": ["t", "a", "k", "k", "i", "o"], "b": ["p", "a", "t", "a", "k"]}


def test_the_lexicon_comes_before_the_phonemiser_and_unsayable_words_are_told(tmp_path: Path, text_folder: Path, capsys) -> None:
    stage = json.loads((text_folder / "stage.json").read_text())
    (text_folder / "stage.json").write_text(json.dumps(stage | {"config": {"language": "de", "units": "phone"}}))
    references = tsv(tmp_path / "ref.tsv", "id\ttext\na\ttak Tag мир\n")
    assert read_references(references, text_folder) == {"a": ["t", "a", "k", "t", "ɑː", "k"]}
    assert "1 different words" in capsys.readouterr().err


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    code = 0
    try:
        evaluate.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def test_the_command_prints_and_writes_every_score(tmp_path: Path, monkeypatch, capsys) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\tphones\na\tt a k\nextra\tt\n")
    references = tsv(tmp_path / "ref.tsv", "id\tphones\na\tt o k\nb\ti\n")
    cuts = [0.0, 0.1, 0.2, 0.3]
    rows = [("a", start, end, phone) for (start, end), phone in zip(pairwise(cuts), "tak", strict=True)]
    times = write_times(tmp_path / "times.tsv", rows)
    code, out, err = run(
        monkeypatch,
        capsys,
        f"hypotheses={hypotheses}",
        f"references={references}",
        f"times={times}",
        f"alignments={times}",
        f"out={tmp_path}/s.json",
    )
    assert code == 0, err
    assert out.startswith("PER 0.5000") and "r_value 1.000" in out
    assert "1 references have no hypothesis" in err and "1 hypotheses have no reference" in err
    scores = json.loads((tmp_path / "s.json").read_text())
    assert scores["per"] == 0.5 and scores["deletions"] == scores["substitutions"] == 1 and scores["boundaries"]["f1"] == 1


def test_times_without_alignments_are_refused_before_anything_is_read(monkeypatch, capsys) -> None:
    code, _, err = run(monkeypatch, capsys, "hypotheses=none.tsv", "references=none.tsv", "times=none.tsv")
    assert code == 1 and "go together" in err
