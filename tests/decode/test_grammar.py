from dataclasses import replace

import kaldifst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.decode.grammar import grammar_fst
from wavu.ragged import Ragged
from wavu.text.counts import END
from wavu.text.ngram import NGram, estimate

WORDS = ["a", "b", "c", "stranger"]


def any_ngram(seed: int, order: int, spite: float) -> NGram:
    """An n-gram that lacks some of its shorter n-grams, as pruning leaves it."""
    rng = np.random.default_rng(seed)
    lines = Ragged.of([rng.integers(3, size=rng.integers(1, 5)) for _ in range(6)], np.int32)
    model = estimate(lines, WORDS[:3], order=order)
    backoffs = [log10 + spite * rng.normal(size=len(log10)) for log10 in model.log10_backoffs]
    backoffs[-1] *= 0
    keys, probs = list(model.keys), list(model.log10_probs)
    for n in range(1, order):
        used = np.isin(np.arange(len(keys[n])), keys[n + 1] // len(model.symbols)) if n + 1 < order else False
        kept = used | (rng.random(len(keys[n])) < 0.7)
        if n + 1 < order:
            context, last = np.divmod(keys[n + 1], len(model.symbols))
            keys[n + 1] = (np.cumsum(kept) - 1)[context] * len(model.symbols) + last
        keys[n], probs[n], backoffs[n] = keys[n][kept], probs[n][kept], backoffs[n][kept]
    return replace(model, keys=keys, log10_probs=probs, log10_backoffs=backoffs)


def cost_of(sentence: list[int], grammar: kaldifst.StdVectorFst) -> float:
    """The lowest cost of a sentence in the graph."""
    labels = np.array(sentence, int) + 1
    line = kaldifst.make_linear_acceptor(labels.tolist())
    kaldifst.invert(grammar)
    kaldifst.arcsort(grammar, sort_type="ilabel")
    path = kaldifst.shortest_path(kaldifst.compose(line, grammar))
    kaldifst.invert(grammar)
    return kaldifst.get_linear_symbol_sequence(path)[3].value


def way_of(sentence: list[int], ngram: NGram) -> float:
    """The lowest cost over all ways to back off, one word after another, by the definition of the ARPA format."""
    rows = [*ngram.rows([WORDS[word] for word in sentence]), END]
    table: dict[tuple[int, ...], tuple[float, float]] = {}
    grams: list[tuple[int, ...]] = [()]
    for keys, probs, backoffs in zip(ngram.keys, ngram.log10_probs, ngram.log10_backoffs, strict=True):
        grams = [(*grams[key // len(ngram.symbols)], key % len(ngram.symbols)) for key in keys]
        table |= dict(zip(grams, zip(probs, backoffs, strict=True), strict=True))
    best = {(1,): 0.0}
    for symbol in rows:
        after: dict[tuple[int, ...], float] = {}
        for context, value in best.items():
            while True:
                if (*context, symbol) in table:
                    longer = (*context, symbol)[-(len(ngram.keys) - 1) :] if len(ngram.keys) > 1 else ()
                    total = value + table[*context, symbol][0]
                    after[longer] = max(after.get(longer, -np.inf), total)
                if not context:
                    break
                value += table[context][1] if context in table else 0.0
                context = context[1:]
        best = after
    return -np.log(10) * max(best.values())


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6), st.integers(1, 3), st.sampled_from([0.0, 1.0]),
    st.lists(st.lists(st.integers(0, 3), max_size=5), min_size=1, max_size=5),
)  # fmt: skip
def test_sentences_cost_what_the_best_way_to_back_off_costs(seed: int, order: int, spite: float, sentences: list[list[int]]):
    ngram = any_ngram(seed, order, spite)
    grammar = grammar_fst(WORDS, ngram)
    exact = -np.log(10) * ngram.score(Ragged.of(sentences, np.int64), WORDS)
    for sentence, right in zip(sentences, exact, strict=True):
        cost = cost_of(sentence, grammar)
        assert cost == pytest.approx(way_of(sentence, ngram), abs=1e-4)
        assert cost <= right + 1e-4


def test_contexts_that_nothing_goes_on_from_are_no_states() -> None:
    ngram = estimate(Ragged.of([[0, 1], [0, 2]], np.int32), WORDS[:3], order=2)
    # <s>, the empty context, a, b and c: </s> follows b and c. A unigram has the first two.
    assert grammar_fst(WORDS[:3], ngram).num_states == 5
    single = estimate(Ragged.of([[0, 1], [0, 2]], np.int32), WORDS[:3], order=1)
    assert grammar_fst(WORDS[:3], single).num_states == 2


def test_where_nothing_is_left_to_back_off_with_nothing_goes_on() -> None:
    ngram = estimate(Ragged.of([[0], [1], [1], [1, 1, 0]], np.int32), WORDS[:2], order=3)
    assert np.isinf(ngram.log10_backoffs[0]).any()
    grammar = grammar_fst(WORDS[:2], ngram)
    assert "inf" not in grammar.to_str().lower()
    for sentence in ([0], [1, 1, 0], [0, 0, 1], [1, 0]):
        assert cost_of(sentence, grammar) == pytest.approx(way_of(sentence, ngram), abs=1e-4)
