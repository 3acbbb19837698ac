import io

from rich.console import Console
from rich.table import Table

from wavu.pictures.scores import comparison_table, rates_table, worst_table

RATE = {"rate": 0.02348, "low": 0.02176, "high": 0.02517, "insertions": 77, "deletions": 1289, "substitutions": 579,
        "true": 31_735, "length_ratio": 0.99962}  # fmt: skip


def shown(table: Table) -> list[list[str]]:
    """The words of each line on a terminal of 80 columns."""
    console = Console(file=io.StringIO(), width=80)
    console.print(table)
    return [line.split() for line in console.file.getvalue().split("\n")[:-1]]


def test_a_rate_has_its_interval_and_operations() -> None:
    title, line = shown(rates_table({"PER": RATE}, level=0.9))
    assert " ".join(title) == "rate 90% interval inserted deleted substituted of length"
    assert " ".join(line) == "PER 0.0235 0.0218 to 0.0252 77 1,289 579 31,735 1.000"


def test_a_million_words_fit_a_narrow_terminal() -> None:
    large = RATE | {"insertions": 99_999, "deletions": 99_999, "substitutions": 999_999, "true": 9_999_999}
    assert len(shown(rates_table({"WER": large, "CER": large}, level=0.95))) == 3


def test_a_comparison_has_signs() -> None:
    row = {"rate": 0.05, "baseline": 0.06, "difference": -0.01, "low": -0.0215, "high": 0.002, "better": 0.935}
    _, line = shown(comparison_table({"WER": row}, level=0.95))
    assert " ".join(line) == "WER 0.0500 0.0600 -0.0100 -0.0215 to +0.0020 93.5% of resamples"


def test_an_insertion_has_no_share_of_a_true_phone() -> None:
    pairs = [
        {"true": "k", "found": "p", "count": 1359, "share": 0.533},
        {"true": "u", "found": "-", "count": 49, "share": 0.01},
        {"true": "-", "found": "ɲ", "count": 39, "share": 0.4},
    ]
    _, *lines = shown(worst_table(pairs, nothing="-"))
    assert lines == [["k", "p", "1,359", "53.3%"], ["u", "deleted", "49", "1.0%"], ["inserted", "ɲ", "39"]]


def test_symbols_that_look_like_markup_are_shown_as_they_are() -> None:
    pairs = [{"true": "[red]", "found": "[/b]", "count": 1, "share": 1.0}]
    assert shown(worst_table(pairs, nothing="-"))[1] == ["[red]", "[/b]", "1", "100.0%"]
