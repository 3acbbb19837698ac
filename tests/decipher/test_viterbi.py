"""The best path against every path written out, one by one."""

import numpy as np
import pytest
import torch

from tests.decipher.paths import SHAPES, UTTERANCES, paths, some_grammar, some_model
from wavu.decipher.grammar import Grammar
from wavu.decipher.viterbi import begins, best_states, decode
from wavu.ragged import Ragged


@pytest.mark.parametrize(("order", "V", "n"), SHAPES)
@pytest.mark.parametrize("grammar_weight", [1.0, 3.0])
def test_the_decoded_path_is_the_best_of_all(order: int, V: int, n: int, grammar_weight: float) -> None:
    for seed in range(5):
        model, grammar = some_model(V, n, seed=seed), some_grammar(order, V, seed=seed)
        weighted = Grammar(*(part**grammar_weight for part in vars(grammar).values()))
        decoded = decode(model, grammar, UTTERANCES, grammar_weight=grammar_weight)
        assert np.array_equal(decoded.offsets, UTTERANCES.offsets) and decoded.flat.dtype == np.int16
        for row, labels in zip(UTTERANCES, decoded, strict=True):
            if len(row) >= n:
                states = max(paths(model, weighted, row), key=lambda path: path[0])[1]
                assert labels.tolist() == [v for v, _ in states]


@pytest.mark.parametrize(("order", "V", "n"), SHAPES)
def test_the_best_path_knows_its_sub_states_and_counts_its_phones(order: int, V: int, n: int) -> None:
    for seed in range(5):
        model, grammar = some_model(V, n, seed=seed), some_grammar(order, V, seed=seed)
        bonus = torch.exp(torch.tensor([0.7] * (V - 1) + [0.0]))
        weighted = Grammar(grammar.first * bonus, grammar.next * bonus, grammar.last)
        states = best_states(model, grammar, UTTERANCES, grammar_weight=1.0, phone_bonus=0.7)
        began = Ragged(begins(states, n), states.offsets)
        for row, found, starts in zip(UTTERANCES, states, began, strict=True):
            if len(row) >= n:
                _, best, stays = max(paths(model, weighted, row), key=lambda path: path[0])
                assert found.tolist() == [v * n + i for v, i in best]
                if n > 1:  # with one sub-state, a phone that follows itself looks like one that lasts
                    assert starts.tolist() == [True, *((~stays) & (found[1:] % n == 0))]
