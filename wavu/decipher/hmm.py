"""A hidden Markov model of phones over acoustic units: transitions from text, emissions learned from speech alone.

A state is (p, v, i): phone v in context p, in its i-th of n sub-states passed from left to right. Transitions between
phones are an n-gram of the text and stay fixed; what each phone sounds like (a distribution over the K units for each of
its sub-states) and how long it lasts are learned by Baum-Welch (Rabiner 1989, section III.C), tied over p. The likelihood
of the speech judges a model without labels.

Shapes: M models side by side, U utterances of at most T frames, V phones, n sub-states, K units, P contexts. In a trigram
the context is the phone before, or the beginning of the utterance: P = V + 1. In a bigram there is one: P = 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from wavu.store import Ragged

# Added to every scaled probability: the CPU works with numbers below 1e-38, where those of hopeless states would end, many
# times slower. The product of two and of an emission stays above.
_FLOOR = 1e-16

# Working memory of one batch of utterances, in floats: about 256 MB.
_BATCH_FLOATS = 2**26


@dataclass(frozen=True)
class Grammar:
    """Probabilities of phones: first (V) to begin with v; last (P, V) to end after (p, v); next (X, Y, V) to go on with w.

    Going on from (p, v) to w drops what the n-gram forgets: with (P, V) viewed as (X, Y), x is forgotten and y becomes the
    context of w. A trigram has X = P, Y = V; a bigram X = V, Y = 1.
    """

    first: Tensor
    next: Tensor
    last: Tensor

    @property
    def n_contexts(self) -> int:
        """P."""
        return len(self.last)


def grammar(lines: Ragged, n_phones: int, *, order: int) -> Grammar:
    """Estimate a bigram or trigram (order 2 or 3) on phone lines by interpolated Witten-Bell smoothing (Chen & Goodman 1998).

    lines: phone ids, one row per sentence. The end of a line is one more symbol.
    """
    begin, end = n_phones, n_phones
    flat, offsets = np.asarray(lines.flat, np.int64), lines.offsets
    starts, stops = offsets[:-1][lines.lengths > 0], offsets[1:][lines.lengths > 0]
    after = np.append(flat[1:], end)
    after[stops - 1] = end
    before = np.append(begin, flat[:-1])
    before[starts] = begin
    counts = np.zeros((n_phones + 1, n_phones, n_phones + 1))
    np.add.at(counts, (before, flat, after), 1)
    unigram = _witten_bell(counts.sum((0, 1)), np.full(n_phones + 1, 1 / (n_phones + 1)))
    bigram = _witten_bell(counts.sum(0), unigram)
    ngram = torch.tensor(_witten_bell(counts, bigram) if order == 3 else bigram[None], dtype=torch.float32)
    first = _witten_bell(np.bincount(flat[starts], minlength=n_phones).astype(float), unigram[:-1] / unigram[:-1].sum())
    onward = ngram[..., :-1] if order == 3 else ngram[..., :-1].transpose(0, 1)  # (P, V, W) -> (X, Y, W)
    return Grammar(torch.tensor(first, dtype=torch.float32), onward.contiguous(), ngram[..., -1].contiguous())


def with_optional_silence(lines: Ragged, silence: int) -> Ragged:
    """Every line twice: as it is, and with a silence at both ends, as a recording may be cut either way."""
    places = np.concatenate([lines.offsets[:-1], lines.offsets[1:]])
    surrounded = Ragged(np.insert(lines.flat, places, silence), lines.offsets + 2 * np.arange(len(lines.offsets)))
    return Ragged.join([lines, surrounded])


def _witten_bell(counts: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Counts (..., W) interpolated with the lower order (broadcast): weight of the lower is the number of distinct successors."""
    distinct = np.maximum((counts > 0).sum(-1, keepdims=True), 1)
    return (counts + distinct * lower) / (counts.sum(-1, keepdims=True) + distinct)


@dataclass(frozen=True)
class Model:
    """M phone HMMs. emission (M, V, n, K): probability of each unit; stay (M, V, n): of one more frame in the sub-state."""

    emission: Tensor
    stay: Tensor

    def __len__(self) -> int:
        return len(self.emission)

    def pick(self, member: int) -> "Model":
        """One of the M models, M kept as 1."""
        return Model(self.emission[member : member + 1], self.stay[member : member + 1])


def initial_model(emission: Tensor, frames_per_phone: float, *, n_states: int) -> Model:
    """Models that emit (M, V, K) in each of their n sub-states and last ``frames_per_phone`` on average."""
    stay = max(0.05, 1 - n_states / frames_per_phone)
    spread = emission[:, :, None].expand(-1, -1, n_states, -1).contiguous()
    return Model(spread, torch.full(spread.shape[:3], stay))


def model_of(labels: Ragged, units: Ragged, *, n_phones: int, n_units: int, n_states: int, smoothing: float) -> Model:
    """The model (M = 1) that frames labelled with phones speak for: each run of a phone is cut into n equal sub-states.

    labels, units: one per frame, rows alike. smoothing: as in ``train``.
    """
    flat = np.asarray(labels.flat, np.int64)
    edges = np.append(np.flatnonzero(labels.run_starts()), len(flat))
    lengths = np.diff(edges)
    state = (np.arange(len(flat)) - np.repeat(edges[:-1], lengths)) * n_states // np.repeat(lengths, lengths)
    counts = np.zeros((n_phones, n_states, n_units))
    np.add.at(counts, (flat, state, np.asarray(units.flat, np.int64)), 1)
    frames = counts.sum(-1)
    runs = np.bincount(flat[edges[:-1]], minlength=n_phones)[:, None]
    # A run shorter than n frames passes through fewer sub-states; counted as if it passed through all.
    stay = (np.maximum(frames - runs, 0) + 1) / (np.maximum(frames, runs) + 2)
    counts += smoothing * np.bincount(units.flat, minlength=n_units) / len(flat)
    emission = counts / counts.sum(-1, keepdims=True)
    return Model(torch.tensor(emission[None], dtype=torch.float32), torch.tensor(stay[None], dtype=torch.float32))


def packed(model: Model, grammar: Grammar) -> dict[str, np.ndarray]:
    """The arrays of one model and its grammar, for disk."""
    return {name: tensor.numpy() for part in (model, grammar) for name, tensor in vars(part).items()}


def unpacked(arrays: dict[str, np.ndarray]) -> tuple[Model, Grammar]:
    """What ``packed`` packed."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Model(tensors["emission"], tensors["stay"]), Grammar(tensors["first"], tensors["next"], tensors["last"])


@dataclass(frozen=True)
class Batch:
    """Utterances of similar length. rows (U); units (T, U) int64, zero past the end; active (T): how many still go on."""

    rows: np.ndarray
    units: Tensor
    active: list[int]


def batches(units: Ragged, floats_per_frame: int) -> Iterator[Batch]:
    """Non-empty utterances, longest first, so that those that still go on at frame t are the first ``active[t]``."""
    order = np.argsort(-units.lengths, kind="stable")
    order = order[units.lengths[order] > 0]
    while len(order):
        longest = int(units.lengths[order[0]])
        size = max(1, _BATCH_FLOATS // (floats_per_frame * longest))
        rows, order = order[:size], order[size:]
        lengths = units.lengths[rows]
        inside = np.arange(longest)[:, None] < lengths  # (T, U)
        padded = np.zeros(inside.shape, np.int64)
        padded[inside] = units.flat[(units.offsets[rows] + np.arange(longest)[:, None])[inside]]
        yield Batch(rows, torch.from_numpy(padded), inside.sum(1).tolist())


def train(
    model: Model,
    grammar: Grammar,
    units: Ragged,
    *,
    iterations: int,
    smoothing: float,
    report: Callable[[Tensor], None] = lambda line: None,
) -> tuple[Model, Tensor]:
    """Baum-Welch. smoothing: pseudo-counts per state, shared out over the units by their frequency.

    Returns the models and the log likelihood per frame (M) under the models before the last update.
    """
    n_units = model.emission.shape[-1]
    frequency = torch.from_numpy(np.bincount(units.flat, minlength=n_units) / len(units.flat)).float()
    for _ in range(iterations):
        emitted, stayed, left, log_likelihood = expect(model, grammar, units)
        counts = emitted + smoothing * frequency
        # One pseudo-visit in each direction keeps every phone able to stay and to end.
        model = Model(counts / counts.sum(-1, keepdim=True), (stayed + 1) / (stayed + left + 2))
        report(log_likelihood)
    return model, log_likelihood


def expect(model: Model, grammar: Grammar, units: Ragged) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Expected counts under the models: emitted (M, V, n, K), stayed and left (M, V, n), log likelihood per frame (M)."""
    M, V, n, K = model.emission.shape
    emitted = torch.zeros(K, M, V, n)
    stayed = torch.zeros(M, V, n)
    log_likelihood = torch.zeros(M, dtype=torch.float64)
    for batch in batches(units, 2 * M * grammar.n_contexts * V * n):
        likelihood, alpha, scale = _forward(model, grammar, batch)
        occupied, kept, ended = _backward(model, grammar, batch, likelihood, alpha)
        log_likelihood += scale + ended
        inside = torch.cat([batch.units[t, :active] for t, active in enumerate(batch.active)])
        emitted.index_add_(0, inside, occupied)
        stayed += kept
    emitted = emitted.permute(1, 2, 3, 0)  # (K, M, V, n) -> (M, V, n, K)
    return emitted, stayed, (emitted.sum(-1) - stayed).clamp(min=0), log_likelihood / len(units.flat)


def evidence(model: Model, grammar: Grammar, units: Ragged) -> Tensor:
    """Natural log likelihood per frame (M), in double: the last number of ``expect`` without the backward pass."""
    total, ending = torch.zeros(len(model), dtype=torch.float64), _ending(model, grammar)
    for batch in batches(units, 2 * len(model) * ending[0].numel()):
        _, alpha, scale = _forward(model, grammar, batch)
        total += scale
        for t, (active, next_active) in enumerate(pairwise([*batch.active, 0])):
            if next_active < active:
                total += _end(alpha[t][:, next_active:], ending, t)[1].log().sum((1, 2, 3, 4)).double()
    return total / len(units.flat)


def likelihood_of(labels: Ragged, units: Ragged, grammar: Grammar, *, n_units: int, n_states: int, smoothing: float) -> float:
    """How well labels explain the speech: log likelihood per frame of the units under the HMM that the labels speak for.

    labels, units: one per frame, rows alike. Both must fit: labels that go with the sounds, and phones in an order that the
    grammar expects. A phone no frame is labelled with sounds like the average of the speech; so labels of one phone alone
    explain no more than the frequencies of the units do, and nothing is infinite. smoothing: as in ``train``; above 0.
    """
    V = grammar.last.shape[1]
    model = model_of(labels, units, n_phones=V, n_units=n_units, n_states=n_states, smoothing=smoothing)
    return evidence(model, grammar, units).item()


def _advance(mass: Tensor, stay: Tensor, onward: Tensor) -> Tensor:
    """One frame on, before it is heard. mass (M, U, P, V, n) -> the same; onward (X, Y, W)."""
    X, Y, _ = onward.shape
    left = mass * (1 - stay)
    after = mass * stay
    done = left[..., -1].flatten(2).unflatten(2, (X, Y)).transpose(2, 3)
    after[:, :, :Y, :, 0] += _through(done, onward.transpose(0, 1))
    after[..., 1:] += left[..., :-1]
    return after


def _through(mass: Tensor, matrices: Tensor) -> Tensor:
    """Mass (M, U, Y, A) by matrices (Y, A, B): (M, U, Y, B). What einsum would do, without a copy for each y of its own."""
    M, U, Y, _ = mass.shape
    product = mass.permute(2, 0, 1, 3).contiguous().flatten(1, 2) @ matrices
    return product.view(Y, M, U, -1).permute(1, 2, 0, 3)


def _hear(model: Model, units: Tensor) -> Tensor:
    """Likelihood of units (U) in every sub-state: (M, U, 1, V, n)."""
    return model.emission[..., units].permute(0, 3, 1, 2)[:, :, None]


def _forward(model: Model, grammar: Grammar, batch: Batch) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Scaled forward pass. Lists over frames: likelihood (M, U, 1, V, n) divided by its scale, alpha (M, U, P, V, n); sum of log scales (M)."""
    M, V, n, _ = model.emission.shape
    stay = model.stay[:, None, None]  # (M, 1, 1, V, n)
    mass = torch.zeros(M, len(batch.rows), grammar.n_contexts, V, n)
    mass[:, :, -1, :, 0] = grammar.first
    heard, alpha = [], []
    total = torch.zeros(M, dtype=torch.float64)
    for t, active in enumerate(batch.active):
        if t:
            mass = _advance(mass[:, :active], stay, grammar.next)
        likelihood = _hear(model, batch.units[t, :active])
        mass = mass * likelihood
        scale = mass.sum((2, 3, 4), keepdim=True) + 1e-30
        mass = mass / scale + _FLOOR
        heard.append(likelihood / scale)
        alpha.append(mass)
        total += scale.log().sum((1, 2, 3, 4)).double()
    return heard, alpha, total


def _backward(
    model: Model, grammar: Grammar, batch: Batch, heard: list[Tensor], alpha: list[Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior of each frame's sub-state (frames, M, V, n), expected stays (M, V, n), log probability of ending where they do (M)."""
    M, V, n, _ = model.emission.shape
    stay = model.stay[:, None, None]
    P, (_, Y, _) = grammar.n_contexts, grammar.next.shape
    ending = _ending(model, grammar)
    occupied, stayed, ended = [], torch.zeros(M, V, n), torch.zeros(M, dtype=torch.float64)
    beta = torch.zeros(M, 0, P, V, n)
    for t in range(len(alpha) - 1, -1, -1):
        if beta.shape[1]:
            ahead = heard[t + 1] * beta  # (M, U, P, V, n) value of being in a sub-state at t + 1
            stayed += (alpha[t][:, : ahead.shape[1]] * stay * ahead).sum((1, 2))
            entered = _through(ahead[:, :, :Y, :, 0], grammar.next.permute(1, 2, 0))  # (M, U, Y, X)
            entered = entered.transpose(2, 3).reshape(M, -1, P, V)
            onward = torch.cat([ahead[..., 1:], entered[..., None]], -1)
            beta = stay * ahead + (1 - stay) * onward + _FLOOR
        newly_ended = alpha[t].shape[1] - beta.shape[1]
        if newly_ended:
            reached, probability = _end(alpha[t][:, -newly_ended:], ending, t)
            beta = torch.cat([beta, reached / probability], 1)
            ended += probability.log().sum((1, 2, 3, 4)).double()
        occupied.append((alpha[t] * beta).sum(2).transpose(0, 1))
    return torch.cat(occupied[::-1]), stayed, ended


def _ending(model: Model, grammar: Grammar) -> Tensor:
    """Probability (M, 1, P, V, n) to end after each sub-state."""
    ending = torch.zeros(len(model), 1, *grammar.last.shape, model.stay.shape[-1])
    ending[..., -1] = (1 - model.stay[:, None, None, :, -1]) * grammar.last
    return ending


def _end(mass: Tensor, ending: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """For utterances that end at frame t with mass (M, U, P, V, n): ``ending`` as far as they can, and its probability (M, U, 1, 1, 1)."""
    # An utterance shorter than n frames cannot end: it has no posterior, and teaches nothing.
    reached = ending * (t + 1 >= ending.shape[-1])
    probability = (mass * reached).sum((2, 3, 4), keepdim=True)
    probability[probability == 0] = 1
    return reached, probability


def decode(model: Model, grammar: Grammar, units: Ragged, *, grammar_weight: float) -> Ragged:
    """Viterbi: the best phone of each frame (int16, rows as in ``units``), for a single model.

    grammar_weight: power of the n-gram's probabilities.
    """
    _, V, n, _ = model.emission.shape
    log_stay, log_leave = _log(model.stay[0]), _log(1 - model.stay[0])
    weighted = Grammar(*(grammar_weight * _log(part) for part in (grammar.first, grammar.next, grammar.last)))
    labels = np.zeros(len(units.flat), np.int16)
    for batch in batches(units, grammar.n_contexts * V * n):
        path = _viterbi(_log(model.emission[0]), log_stay, log_leave, weighted, batch)
        inside = np.arange(len(path))[:, None] < units.lengths[batch.rows]
        labels[(units.offsets[batch.rows] + np.arange(len(path))[:, None])[inside]] = path.numpy()[inside]
    return Ragged(labels, units.offsets)


def _log(probability: Tensor) -> Tensor:
    """Natural logarithm, finite for zero."""
    return torch.log(probability.clamp(min=1e-30))


def _viterbi(log_emission: Tensor, log_stay: Tensor, log_leave: Tensor, grammar: Grammar, batch: Batch) -> Tensor:
    """Best phones (T, U) of one batch."""
    V, n, _ = log_emission.shape
    U, P, (X, Y, _) = len(batch.rows), grammar.n_contexts, grammar.next.shape
    best = torch.full((U, P, V, n), -torch.inf)
    best[:, -1, :, 0] = grammar.first
    final = torch.zeros(U, dtype=torch.int64)
    moved: list[Tensor] = []  # (U, P, V, n): whether the sub-state was entered at this frame
    done: list[Tensor] = []  # (U, X, Y): log probability of the best path that leaves a phone here
    for t, active in enumerate(batch.active):
        if t:
            best = best[:active]
            left = best + log_leave
            done.append(left[..., -1].reshape(-1, X, Y))
            entered = (done[-1][..., None] + grammar.next).amax(1)  # (U, X, Y, W) -> (U, Y, W)
            onward = torch.full_like(best, -torch.inf)
            onward[:, :Y, :, 0] = entered
            onward[..., 1:] = left[..., :-1]
            best = best + log_stay
            moved.append(onward > best)
            best = torch.maximum(best, onward)
        best = best + log_emission[..., batch.units[t, :active]].permute(2, 0, 1)[:, None]
        stops = batch.active[t + 1] if t + 1 < len(batch.active) else 0
        ended = best[stops:].clone()
        ended[..., -1] += log_leave[:, -1] + grammar.last
        ended[..., :-1] = -torch.inf
        # An utterance shorter than n frames cannot reach a last sub-state: take where it stands.
        unfinished = torch.isinf(ended.flatten(1).max(1).values)
        ended[unfinished] = best[stops:][unfinished]
        final[stops:active] = ended.flatten(1).argmax(1)
    return _trace(final, moved, done, grammar, n, batch)


def _trace(final: Tensor, moved: list[Tensor], done: list[Tensor], grammar: Grammar, n: int, batch: Batch) -> Tensor:
    """Follow the best path back from the final sub-state of each utterance: phones (T, U)."""
    _, Y, V = grammar.next.shape
    state = final.clone()
    path = torch.zeros(len(batch.active), len(batch.rows), dtype=torch.int64)
    for t in range(len(batch.active) - 1, -1, -1):
        rows = torch.arange(batch.active[t])
        p, v, i = state[rows] // (V * n), state[rows] // n % V, state[rows] % n
        path[t, rows] = v
        if t:
            # Sub-state 0 is entered from the last one of (x, y) with y = p; sub-state i > 0 from i - 1.
            y = p.clamp(max=Y - 1)
            x = (done[t - 1][rows, :, y] + grammar.next[:, y, v].T).argmax(1)
            entered = torch.where(i == 0, (x * Y + y) * n + n - 1, (p * V + v) * n + i - 1)
            state[rows] = torch.where(moved[t - 1][rows, p, v, i], entered, state[rows])
    return path
