import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.text.ngram import NGram, estimate, read_arpa, score, write_arpa

# corpus.txt, and what KenLM's `lmplz -o 3 --discount_fallback` makes of it (no discount had to fall back).
LMPLZ = Path(__file__).parent / "lmplz"


def read_lines(path: Path) -> tuple[Ragged, list[str]]:
    number: dict[str, int] = {}
    rows = [
        [number.setdefault(word, len(number)) for word in line.split()] for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return Ragged.of(rows, np.int32), list(number)


def grams(model: NGram) -> dict[str, tuple[float, float]]:
    """``{"a b": (log10 probability, log10 back-off)}``, spelled out one by one."""
    spelled, shorter = {}, [""]
    for keys, probs, backoffs in zip(model.keys, model.log10_probs, model.log10_backoffs, strict=True):
        words = [f"{shorter[key // len(model.symbols)]} {model.symbols[key % len(model.symbols)]}".strip() for key in keys]
        spelled |= {word: (p, b) for word, p, b in zip(words, probs, backoffs, strict=True)}
        shorter = words
    return spelled


def plain_log10(table: dict[str, tuple[float, float]], history: list[str], word: str) -> float:
    """The back-off rule, as the ARPA format states it."""
    whole = " ".join([*history, word])
    if whole in table:
        return table[whole][0]
    return table.get(" ".join(history), (0, 0))[1] + plain_log10(table, history[1:], word)


def assert_same(ours: NGram, theirs: NGram) -> None:
    a, b = grams(ours), grams(theirs)
    assert a.keys() == b.keys()
    assert np.abs(np.array([a[gram] for gram in b]) - np.array(list(b.values()))).max() < 2e-6


def test_equals_the_recorded_lmplz():
    lines, symbols = read_lines(LMPLZ / "corpus.txt")
    assert_same(estimate(lines, symbols, order=3), read_arpa(LMPLZ / "order3.arpa"))


@pytest.mark.skipif(shutil.which("lmplz") is None, reason="lmplz is not installed")
@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_equals_lmplz(tmp_path_factory, seed, order):
    folder = tmp_path_factory.mktemp("lmplz")
    generator = np.random.default_rng(seed)
    rows = [generator.zipf(1.5, generator.integers(1, 20)) % 300 for _ in range(generator.integers(order, 300))]
    text = "".join(" ".join(f"w{index}" for index in row) + "\n" for row in [*rows, np.arange(order)])
    (folder / "text").write_text(text)
    command = [
        "lmplz",
        "-o",
        str(order),
        "-S",
        "100M",
        "--discount_fallback",
        "--text",
        folder / "text",
        "--arpa",
        folder / "arpa",
    ]
    subprocess.run(command, check=True, capture_output=True)
    lines, symbols = read_lines(folder / "text")
    assert_same(estimate(lines, symbols, order=order), read_arpa(folder / "arpa"))


sentences = st.lists(st.lists(st.integers(0, 4), min_size=0, max_size=8), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(sentences, st.integers(1, 4))
def test_sums_to_one_in_every_context(rows, order):
    model = estimate(Ragged.of(rows, np.int32), list("abcde"), order=order)
    table = grams(model)
    contexts = [gram.split() for gram in table if "</s>" not in gram and len(gram.split()) < order]
    for context in [[], *contexts]:
        total = sum(10 ** plain_log10(table, context, word) for word in model.symbols if word != "<s>")
        assert total == pytest.approx(1, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(sentences, sentences, st.integers(1, 4))
def test_score_is_the_back_off_rule(rows, others, order):
    symbols = list("abcdef")
    model = estimate(Ragged.of(rows, np.int32), symbols, order=order)
    table = grams(model)
    scores = model.score(Ragged.of(others, np.int32), symbols)
    for row, found in zip(others, scores, strict=True):
        words = ["<s>", *(symbols[index] if symbols[index] in table else "<unk>" for index in row), "</s>"]
        expected = sum(
            plain_log10(table, words[max(0, place - order + 1) : place], words[place]) for place in range(1, len(words))
        )
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_fair_die_has_as_many_sides_as_its_perplexity():
    throws = np.random.default_rng(0).integers(0, 8, (2, 3, 10_000))
    train, test = (Ragged.of(list(half), np.int32) for half in throws)
    assert estimate(train, list("abcdefgh"), order=2).perplexity(test, list("abcdefgh")) == pytest.approx(8, rel=0.01)


def test_a_cycle_is_learned():
    rows = Ragged.of([np.arange(60) % 3] * 50, np.int32)
    assert estimate(rows, list("abc"), order=1).perplexity(rows, list("abc")) == pytest.approx(3, rel=0.1)
    assert estimate(rows, list("abc"), order=3).perplexity(rows, list("abc")) < 1.2


def test_symbols_may_be_numbered_in_any_way():
    lines, symbols = read_lines(LMPLZ / "corpus.txt")
    mixed = np.random.default_rng(0).permutation(len(symbols))
    renamed = Ragged(np.argsort(mixed)[lines.flat], lines.offsets)
    names = [symbols[index] for index in mixed]
    assert_same(estimate(lines, symbols, order=3), estimate(renamed, names, order=3))
    model = estimate(lines, symbols, order=3)
    np.testing.assert_allclose(model.score(lines, symbols), model.score(renamed, names))


def test_unknown_and_unused_symbols():
    model = estimate(Ragged.of([[0, 1], [1, 0]], np.int32), ["a", "b", "never"], order=2)
    assert model.symbols == ["<unk>", "<s>", "</s>", "a", "b"]
    assert model.score(Ragged.of([[0]], np.int32), ["never"]) == model.score(Ragged.of([[0]], np.int32), ["foreign"])


def test_order_beyond_every_sentence():
    model = estimate(Ragged.of([[0], [1], []], np.int32), ["a", "b"], order=5)
    assert [len(keys) for keys in model.keys] == [5, 5, 2, 0, 0]
    assert np.isfinite(model.score(Ragged.of([[0, 1, 0, 1, 0, 1], []], np.int32), ["a", "b"])).all()


def test_written_and_read_back(tmp_path):
    lines, symbols = read_lines(LMPLZ / "corpus.txt")
    model = estimate(lines, symbols, order=4)
    write_arpa(model, tmp_path / "lm.arpa")
    assert_same(model, read_arpa(tmp_path / "lm.arpa"))
    np.testing.assert_allclose(read_arpa(tmp_path / "lm.arpa").score(lines, symbols), model.score(lines, symbols), atol=1e-5)


def test_scores_equal_kenlm(tmp_path):
    kenlm = pytest.importorskip("kenlm")
    lines, symbols = read_lines(LMPLZ / "corpus.txt")
    model = estimate(Ragged(lines.flat[:60], lines.offsets[lines.offsets <= 60]), symbols, order=4)
    write_arpa(model, tmp_path / "lm.arpa")
    theirs = kenlm.Model(str(tmp_path / "lm.arpa"))
    expected = [theirs.score(" ".join(symbols[index] for index in line)) for line in lines]
    np.testing.assert_allclose(model.score(lines, symbols), expected, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(score(tmp_path / "lm.arpa", lines, symbols), expected)


def test_score_without_kenlm(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "kenlm", None)
    lines, symbols = read_lines(LMPLZ / "corpus.txt")
    np.testing.assert_allclose(
        score(LMPLZ / "order3.arpa", lines, symbols), estimate(lines, symbols, order=3).score(lines, symbols), atol=1e-5
    )


def test_an_arpa_file_of_another_toolkit(tmp_path):
    (tmp_path / "a.arpa").write_text(
        "made by hand\n\n\\data\\\nngram 1=3\nngram 2=1\n\n\\1-grams:\n-1 b -0.5\n-0.5 </s>\n-0.7\ta\t-0.2\n\n\\2-grams:\n-0.1\tb a\n\n\\end\\\n"
    )
    model = read_arpa(tmp_path / "a.arpa")
    scores = model.score(Ragged.of([[0, 1], [1, 0], [2]], np.int32), ["b", "a", "new"])
    np.testing.assert_allclose(scores, [-1 - 0.1 - 0.2 - 0.5, -0.7 - 0.2 - 1 - 0.5 - 0.5, -100 - 0.5])


@pytest.mark.parametrize("cut", [0, 100, 3000])
def test_a_cut_arpa_file_is_refused(tmp_path, cut):
    (tmp_path / "cut.arpa").write_text((LMPLZ / "order3.arpa").read_text()[:cut])
    with pytest.raises(WavuError, match="cut.arpa is not a whole ARPA file"):
        read_arpa(tmp_path / "cut.arpa")
    with pytest.raises(WavuError, match="missing"):
        read_arpa(tmp_path / "none.arpa")
