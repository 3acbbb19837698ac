"""An n-gram as a graph: its contexts are states, and backing off is an arc that a path may take at any time.

Shapes: W words, K_n n-grams of order n, N the longest; contexts of length 0 are the empty one alone.
"""

from dataclasses import dataclass

import kaldifst
import numpy as np

from wavu.decode.topology import compiled
from wavu.ragged import Ragged
from wavu.text.counts import BEGIN, END
from wavu.text.ngram import NGram

LN10 = float(np.log(10))


@dataclass(frozen=True, eq=False)
class _Context:
    """What becomes of the n-grams of one order as contexts.

    state (K_n): the graph's, -1 where no n-gram goes on from it. then (K_n): the state after it was read. owed (K_n): log10 of
    the back-off weights on the way there. back, paid (K_n): the same for the longest known context that is shorter.
    rows: for each length k < n, the row (K_n) of the last k symbols among the k-grams, -1 where they are none.
    """

    state: np.ndarray
    then: np.ndarray
    owed: np.ndarray
    back: np.ndarray
    paid: np.ndarray
    rows: list[np.ndarray]


def grammar_fst(words: list[str], ngram: NGram) -> kaldifst.StdVectorFst:
    """G: words in and out (w + 1), W + 1 in and nothing out for backing off. A sentence begins after <s>, in state 0.

    A word that the n-gram does not know has the probability of <unk>. Ends of sentences are final costs. Contexts that
    nothing goes on from are no states: their back-off weights are paid on the way in.
    """
    contexts, owners = _contexts(ngram), _owners(words, ngram)
    arcs, costs, finals, final_costs = [], [], [], []
    for shorter, context, keys, log10 in zip(contexts, contexts[1:], ngram.keys, ngram.log10_probs, strict=False):
        before, last = np.divmod(keys, len(ngram.symbols))
        row = np.repeat(np.arange(len(keys)), owners.lengths[last])
        word = owners.take(last).flat + 1
        arcs.append(np.stack([shorter.state[before][row], context.then[row], word, word], 1))
        costs.append(log10[row] + context.owed[row])
        ends = last == END
        finals.append(shorter.state[before][ends])
        final_costs.append(log10[ends])
    for context, log10 in zip(contexts[1:], ngram.log10_backoffs, strict=True):
        kept = np.flatnonzero(context.state >= 0)
        mark = np.full(len(kept), len(words) + 1)
        arcs.append(np.stack([context.state[kept], context.back[kept], mark, np.zeros_like(mark)], 1))
        costs.append((log10 + context.paid)[kept])
    return compiled(
        np.concatenate(arcs), costs=-LN10 * np.concatenate(costs),
        finals=np.concatenate(finals), final_costs=-LN10 * np.concatenate(final_costs),
    )  # fmt: skip


def _owners(words: list[str], ngram: NGram) -> Ragged:
    """For each symbol of the n-gram, the words that it stands for."""
    symbol = ngram.rows(words)
    counts = np.bincount(symbol, minlength=len(ngram.symbols))
    return Ragged(np.argsort(symbol, kind="stable"), np.concatenate([[0], np.cumsum(counts)]))


def _contexts(ngram: NGram) -> list[_Context]:
    """For each length 0..N. State 0 is <s>, state 1 the empty context."""
    nothing = np.zeros(1, int)
    contexts, free = [_Context(nothing + 1, nothing + 1, np.zeros(1), nothing, np.zeros(1), [])], 2
    for n, (keys, log10_backoff) in enumerate(zip(ngram.keys, ngram.log10_backoffs, strict=True), 1):
        goes_on = np.zeros(len(keys), bool)
        if n < len(ngram.keys):
            goes_on[ngram.keys[n] // len(ngram.symbols)] = True
        if n == 1:
            goes_on[BEGIN] = True
        state = np.where(goes_on, free - 1 + np.cumsum(goes_on), -1)
        free += int(goes_on.sum())
        if n == 1:
            state[BEGIN] = 0
        rows = _tails(ngram, n, contexts[-1].rows)
        back, paid = contexts[0].then[rows[0]], contexts[0].owed[rows[0]]
        for shorter, row in zip(contexts[1:], rows[1:], strict=True):
            back, paid = np.where(row >= 0, shorter.then[row], back), np.where(row >= 0, shorter.owed[row], paid)
        then, owed = np.where(goes_on, state, back), np.where(goes_on, 0.0, log10_backoff + paid)
        contexts.append(_Context(state, then, owed, back, paid, rows))
    return contexts


def _tails(ngram: NGram, n: int, shorter: list[np.ndarray]) -> list[np.ndarray]:
    """Rows of the last 0..n - 1 symbols of each n-gram (K_n), given those of the (n - 1)-grams."""
    before, last = np.divmod(ngram.keys[n - 1], len(ngram.symbols))
    return [np.zeros(len(last), int)] + [ngram.find(k, row[before], last) for k, row in enumerate(shorter)]
