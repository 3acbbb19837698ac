"""Small models, and every path through them written out, one by one."""

from collections.abc import Iterator

import numpy as np
import torch

from wavu.decipher import hmm
from wavu.decipher.grammar import Grammar
from wavu.ragged import Ragged

UNITS = 4
SHAPES = [(2, 2, 1), (2, 2, 2), (3, 2, 1), (3, 2, 2), (3, 3, 2), (2, 3, 2), (3, 2, 3)]  # order, V, n
UTTERANCES = Ragged.of(
    [np.array(row) for row in ([0, 3, 1], [2, 2, 1, 0, 3], [], [1, 1], [3, 0, 0, 1, 2], [3, 2, 0, 0])], np.int16
)


def drawn(*shape: int, seed: int) -> torch.Tensor:
    """Distributions over the last axis."""
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.ones(shape[-1]), shape[:-1])).float()


def some_grammar(order: int, V: int, seed: int = 0) -> Grammar:
    ngram = drawn(*((V + 1, V) if order == 3 else (1, V)), V + 1, seed=seed)
    onward = ngram[..., :-1] if order == 3 else ngram[..., :-1].transpose(0, 1)
    return Grammar(drawn(V, seed=seed + 1), onward.contiguous(), ngram[..., -1].contiguous())


def some_model(V: int, n: int, seed: int = 0) -> hmm.Model:
    stay = torch.from_numpy(np.random.default_rng(seed).uniform(0.2, 0.9, (V, n))).float()
    return hmm.Model(drawn(V, n, UNITS, seed=seed + 2), stay)


def paths(model: hmm.Model, grammar: Grammar, units: np.ndarray) -> Iterator[tuple[float, list[tuple[int, int]], np.ndarray]]:
    """Every way to say ``units``: probability, (phone, sub-state) of each frame, whether each frame but the last stays."""
    emission, stay = model.emission.double().numpy(), model.stay.double().numpy()
    first, onward, last = (part.double().numpy() for part in (grammar.first, grammar.next, grammar.last))
    V, n = stay.shape
    trigram = grammar.n_contexts > 1

    def context(said: tuple[int, ...]) -> int:
        return (said[-2] if len(said) > 1 else V) if trigram else 0

    def extend(said: tuple[int, ...], i: int, probability: float, states: list, stays: list) -> Iterator:
        v, t = said[-1], len(states)
        probability, states = probability * emission[v, i, units[t]], [*states, (v, i)]
        if t + 1 == len(units):
            if i == n - 1:
                yield probability * (1 - stay[v, i]) * last[context(said), v], states, np.array(stays, bool)
            return
        yield from extend(said, i, probability * stay[v, i], states, [*stays, True])
        leave, stays = probability * (1 - stay[v, i]), [*stays, False]
        if i < n - 1:
            yield from extend(said, i + 1, leave, states, stays)
            return
        for w in range(V):
            step = onward[context(said), v, w] if trigram else onward[v, 0, w]
            yield from extend((*said, w), 0, leave * step, states, stays)

    for v in range(V):
        yield from extend((v,), 0, first[v], [], [])
