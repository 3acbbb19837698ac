import json
from pathlib import Path

import pytest

from wavu.errors import WavuError
from wavu.references import read_boundaries, read_references, read_times, read_words
from wavu.store import write_table


def tsv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def write_times(path: Path, rows: list[tuple[str, float, float, str]]) -> Path:
    columns = ("id", "start", "end", "phone")
    write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    return path


def test_times_are_grouped_by_utterance(tmp_path: Path) -> None:
    rows = [("a", 0.1, 0.2, "t"), ("b", 0, 1, "o"), ("a", 0.2, 0.3, "a"), ("a", 0.3, 0.5, "<SIL>"), ("a", 0.5, 0.6, "t")]
    path = write_times(tmp_path / "times.tsv", rows)
    assert read_times(path)["b"] == [(0.0, 1.0, "o")]
    assert read_boundaries(path) == {"a": [0.2, 0.3, 0.5], "b": []}


def test_times_that_are_no_numbers_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=r"times\.tsv line 3: start and end must be seconds, got '0.2' and 'end'"):
        read_times(write_times(tmp_path / "times.tsv", [("a", 0, 0.2, "t"), ("a", 0.2, "end", "a")]))


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


def test_words_are_normalised_with_the_language_of_the_text(tmp_path: Path, text_folder: Path) -> None:
    path = tsv(tmp_path / "hyp.tsv", "id\twords\na\tTak’s  KI!\nb\t\n")
    assert read_words(path, text_folder, column="words") == {"a": ["tak's", "ki"], "b": []}
