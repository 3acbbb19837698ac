"""A hidden Markov model of phones over anything that can be heard: transitions from text, sounds learned from speech alone.

A state is (p, v, i): phone v in context p, in its i-th of n sub-states passed from left to right. Transitions between
phones are an n-gram of the text and stay fixed; what each phone sounds like (how likely a frame is in each of its sub-states)
and how long it lasts are learned by Baum-Welch (Rabiner 1989, section III.C), tied over p. The likelihood of the speech
judges a model without labels. Sounds may be a distribution over K acoustic units, as here, or whatever else is ``Sounds``.

Shapes: U utterances of at most T frames, N frames in all, V phones, n sub-states, K units, P contexts. In a trigram the
context is the phone before, or the beginning of the utterance: P = V + 1. In a bigram there is one: P = 1.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from wavu.ragged import Ragged

# Added to every scaled probability, and how many nats the likelihood of a frame may lie below that of its best sub-state: the
# CPU works with numbers below 1e-38, where those of hopeless states would end, many times slower. The product of two
# probabilities and a likelihood stays above.
_FLOOR = 1e-12
_FAINTEST = -30.0

# Working memory of one batch of utterances, in floats: about 256 MB.
_BATCH_FLOATS = 2**26


class Sounds(Protocol):
    """What the phones sound like and how long they last. stay (V, n): probability of one more frame in the sub-state."""

    stay: Tensor

    def log_likelihood(self, heard: Ragged) -> Tensor:
        """Natural log likelihood (N, V * n) of each frame in each sub-state, that of sub-state i of phone v in column v * n + i."""

    def packed(self) -> dict[str, np.ndarray]:
        """Its arrays, for disk."""


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

    def to(self, device: torch.device) -> "Grammar":
        """The same, elsewhere."""
        return Grammar(*(part.to(device) for part in (self.first, self.next, self.last)))

    def weighted(self, weight: float, phone_bonus: float) -> "Grammar":
        """Natural logarithms of the probabilities times ``weight``, with ``phone_bonus`` for each phone that is not silence."""
        bonus = torch.full_like(self.first, phone_bonus)
        bonus[-1] = 0.0
        return Grammar(weight * _log(self.first) + bonus, weight * _log(self.next) + bonus, weight * _log(self.last))


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
    """Phones that sound like units. emission (V, n, K): probability of each unit; stay (V, n): as in ``Sounds``."""

    emission: Tensor
    stay: Tensor

    def log_likelihood(self, units: Ragged) -> Tensor:
        """See ``Sounds``; units (N)."""
        heard = torch.from_numpy(np.asarray(units.flat, np.int64)).to(self.emission.device)
        return _log(self.emission).flatten(0, 1).T[heard]

    def to(self, device: torch.device) -> "Model":
        """The same, elsewhere."""
        return Model(self.emission.to(device), self.stay.to(device))

    def packed(self) -> dict[str, np.ndarray]:
        """Its arrays, for disk."""
        return {name: tensor.cpu().numpy() for name, tensor in vars(self).items()}


def initial_model(emission: Tensor, frames_per_phone: float, *, n_states: int) -> Model:
    """A model that emits (V, K) in each of its n sub-states and lasts ``frames_per_phone`` on average."""
    stay = max(0.05, 1 - n_states / frames_per_phone)
    spread = emission[:, None].expand(-1, n_states, -1).contiguous()
    return Model(spread, torch.full(spread.shape[:2], stay))


def model_of(labels: Ragged, units: Ragged, *, n_phones: int, n_units: int, n_states: int, smoothing: float) -> Model:
    """The model that frames labelled with phones speak for: each run of a phone is cut into n equal sub-states.

    labels, units: one per frame, rows alike. smoothing: as in ``train``.
    """
    counts = np.zeros((n_phones * n_states, n_units))
    np.add.at(counts, (cut(labels, n_states).flat, np.asarray(units.flat, np.int64)), 1)
    counts = counts.reshape(n_phones, n_states, n_units)
    frames = counts.sum(-1)
    runs = np.bincount(labels.flat[labels.run_starts()], minlength=n_phones)[:, None]
    # A run shorter than n frames passes through fewer sub-states; counted as if it passed through all.
    stay = (np.maximum(frames - runs, 0) + 1) / (np.maximum(frames, runs) + 2)
    counts += smoothing * np.bincount(units.flat, minlength=n_units) / len(labels.flat)
    emission = counts / counts.sum(-1, keepdims=True)
    return Model(torch.tensor(emission, dtype=torch.float32), torch.tensor(stay, dtype=torch.float32))


def cut(labels: Ragged, n_states: int) -> Ragged:
    """Labels of frames -> their sub-states v * n + i (N), each run of a phone cut into n equal parts."""
    flat = np.asarray(labels.flat, np.int64)
    edges = np.append(np.flatnonzero(labels.run_starts()), len(flat))
    lengths = np.diff(edges)
    part = (np.arange(len(flat)) - np.repeat(edges[:-1], lengths)) * n_states // np.repeat(lengths, lengths)
    return Ragged(flat * n_states + part, labels.offsets)


def packed(model: Sounds, grammar: Grammar) -> dict[str, np.ndarray]:
    """The arrays of a model and its grammar, for disk."""
    return model.packed() | {name: tensor.cpu().numpy() for name, tensor in vars(grammar).items()}


def unpacked(arrays: dict[str, np.ndarray]) -> tuple[Model, Grammar]:
    """What ``packed`` packed, of a model of units."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Model(tensors["emission"], tensors["stay"]), grammar_of(arrays)


def grammar_of(arrays: dict[str, np.ndarray]) -> Grammar:
    """The grammar that ``packed`` packed beside any model."""
    return Grammar(*(torch.from_numpy(arrays[name]) for name in ("first", "next", "last")))


@dataclass(frozen=True)
class Batch:
    """Utterances of similar length. heard: their rows; active (T): how many still go on. places (N): frames in order of time."""

    rows: np.ndarray
    heard: Ragged
    active: list[int]
    places: np.ndarray


def batches(heard: Ragged, floats_per_frame: int) -> Iterator[Batch]:
    """Non-empty utterances, longest first, so that those that still go on at frame t are the first ``active[t]``."""
    order = np.argsort(-heard.lengths, kind="stable")
    order = order[heard.lengths[order] > 0]
    while len(order):
        longest = int(heard.lengths[order[0]])
        size = max(1, _BATCH_FLOATS // (floats_per_frame * longest))
        rows, order = order[:size], order[size:]
        inside = np.arange(longest)[:, None] < heard.lengths[rows]  # (T, U)
        taken = heard.take(rows)
        places = (taken.offsets[:-1] + np.arange(longest)[:, None])[inside]
        yield Batch(rows, taken, inside.sum(1).tolist(), places)


def train(
    model: Model,
    grammar: Grammar,
    units: Ragged,
    *,
    iterations: int,
    smoothing: float,
    report: Callable[[float], None] = lambda line: None,
) -> tuple[Model, float]:
    """Baum-Welch. smoothing: pseudo-counts per state, shared out over the units by their frequency.

    Returns the model and the log likelihood per frame under the model before the last update.
    """
    V, n, K = model.emission.shape
    frequency = torch.from_numpy(np.bincount(units.flat, minlength=K) / len(units.flat)).to(model.stay)
    for _ in range(iterations):
        counts = torch.zeros(K, V * n, device=frequency.device)

        def learn(heard: Ragged, occupied: Tensor, counts: Tensor = counts) -> None:
            counts.index_add_(0, torch.from_numpy(np.asarray(heard.flat, np.int64)).to(counts.device), occupied)

        stay, log_likelihood = expect(model, grammar, units, learn)
        emitted = counts.T.view(V, n, K) + smoothing * frequency
        model = Model(emitted / emitted.sum(-1, keepdim=True), stay)
        report(log_likelihood)
    return model, log_likelihood


def expect(model: Sounds, grammar: Grammar, heard: Ragged, learn: Callable[[Ragged, Tensor], None]) -> tuple[Tensor, float]:
    """One pass of forward and backward: the stay (V, n) that Baum-Welch makes of it, and the log likelihood per frame.

    learn: called with some utterances at a time and the posterior (N, V * n) of each of their frames' sub-states.
    """
    V, n = model.stay.shape
    occupied, stayed = torch.zeros(V * n, device=model.stay.device), torch.zeros_like(model.stay)
    log_likelihood = 0.0
    grammar = grammar.to(model.stay.device)
    for batch in batches(heard, 2 * grammar.n_contexts * V * n):
        likelihood, loudest = _hear(model, batch)
        likelihood, alpha, scale = _forward(model.stay, grammar, likelihood)
        posterior, kept, ended = _backward(model.stay, grammar, likelihood, alpha)
        log_likelihood += (loudest + scale + ended).item()
        in_rows = torch.empty_like(posterior)
        in_rows[torch.from_numpy(batch.places).to(posterior.device)] = posterior
        learn(batch.heard, in_rows)
        occupied += posterior.sum(0)
        stayed += kept
    left = (occupied.view(V, n) - stayed).clamp(min=0)
    # One pseudo-visit in each direction keeps every phone able to stay and to end.
    return (stayed + 1) / (stayed + left + 2), log_likelihood / len(heard.flat)


def evidence(model: Sounds, grammar: Grammar, heard: Ragged) -> float:
    """Natural log likelihood per frame: the last number of ``expect`` without the backward pass."""
    grammar = grammar.to(model.stay.device)
    total, ending = 0.0, _ending(model.stay, grammar)
    for batch in batches(heard, 2 * ending.numel()):
        likelihood, loudest = _hear(model, batch)
        _, alpha, scale = _forward(model.stay, grammar, likelihood)
        total += (loudest + scale).item()
        for t, (active, next_active) in enumerate(pairwise([*batch.active, 0])):
            if next_active < active:
                total += _end(alpha[t][next_active:], ending, t)[1].log().double().sum().item()
    return total / len(heard.flat)


def likelihood_of(labels: Ragged, units: Ragged, grammar: Grammar, *, n_units: int, n_states: int, smoothing: float) -> float:
    """How well labels explain the speech: log likelihood per frame of the units under the HMM that the labels speak for.

    labels, units: one per frame, rows alike. Both must fit: labels that go with the sounds, and phones in an order that the
    grammar expects. A phone no frame is labelled with sounds like the average of the speech; so labels of one phone alone
    explain no more than the frequencies of the units do, and nothing is infinite. smoothing: as in ``train``; above 0.
    """
    V = grammar.last.shape[1]
    model = model_of(labels, units, n_phones=V, n_units=n_units, n_states=n_states, smoothing=smoothing)
    return evidence(model, grammar, units)


def _hear(model: Sounds, batch: Batch) -> tuple[list[Tensor], Tensor]:
    """Likelihood of each frame in every sub-state by that in its best one, (U, 1, V, n) for each of T; the log of what was cut."""
    scores = model.log_likelihood(batch.heard)
    scores = scores[torch.from_numpy(batch.places).to(scores.device)]
    loudest = scores.amax(1, keepdim=True)
    likelihood = (scores - loudest).clamp_(min=_FAINTEST).exp_().view(-1, 1, *model.stay.shape)
    return list(likelihood.split(batch.active)), loudest.double().sum()


def _advance(mass: Tensor, stay: Tensor, onward: Tensor) -> Tensor:
    """One frame on, before it is heard. mass (U, P, V, n) -> the same; onward (X, Y, W)."""
    X, Y, _ = onward.shape
    left = mass * (1 - stay)
    after = mass * stay
    done = left[..., -1].flatten(1).unflatten(1, (X, Y)).transpose(1, 2)
    after[:, :Y, :, 0] += _through(done, onward.transpose(0, 1))
    after[..., 1:] += left[..., :-1]
    return after


def _through(mass: Tensor, matrices: Tensor) -> Tensor:
    """Mass (U, Y, A) by matrices (Y, A, B): (U, Y, B). What einsum would do, without a copy for each y of its own."""
    return (mass.transpose(0, 1).contiguous() @ matrices).transpose(0, 1)


def _forward(stay: Tensor, grammar: Grammar, likelihood: list[Tensor]) -> tuple[list[Tensor], list[Tensor], Tensor]:
    """Scaled forward pass. Lists over frames: likelihood (U, 1, V, n) divided by its scale, alpha (U, P, V, n); sum of log scales."""
    mass = torch.zeros(len(likelihood[0]), grammar.n_contexts, *stay.shape, device=stay.device)
    mass[:, -1, :, 0] = grammar.first
    scaled, alpha = [], []
    total = torch.zeros((), dtype=torch.float64, device=stay.device)
    for t, heard in enumerate(likelihood):
        if t:
            mass = _advance(mass[: len(heard)], stay, grammar.next)
        mass = mass * heard
        scale = mass.sum((1, 2, 3), keepdim=True) + 1e-30
        mass = mass / scale + _FLOOR
        scaled.append(heard / scale)
        alpha.append(mass)
        total += scale.log().double().sum()
    return scaled, alpha, total


def _backward(stay: Tensor, grammar: Grammar, likelihood: list[Tensor], alpha: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Posterior of each frame's sub-state (N, V * n) in order of time, expected stays (V, n), log probability of ending where they do."""
    P, (_, Y, _) = grammar.n_contexts, grammar.next.shape
    ending = _ending(stay, grammar)
    occupied, stayed = [], torch.zeros_like(stay)
    ended = torch.zeros((), dtype=torch.float64, device=stay.device)
    beta = torch.zeros(0, P, *stay.shape, device=stay.device)
    for t in range(len(alpha) - 1, -1, -1):
        if len(beta):
            ahead = likelihood[t + 1] * beta  # (U, P, V, n) value of being in a sub-state at t + 1
            stayed += (alpha[t][: len(ahead)] * stay * ahead).sum((0, 1))
            entered = _through(ahead[:, :Y, :, 0], grammar.next.permute(1, 2, 0))  # (U, Y, X)
            entered = entered.transpose(1, 2).reshape(-1, P, len(stay))
            onward = torch.cat([ahead[..., 1:], entered[..., None]], -1)
            beta = stay * ahead + (1 - stay) * onward + _FLOOR
        if len(alpha[t]) > len(beta):
            reached, probability = _end(alpha[t][len(beta) :], ending, t)
            beta = torch.cat([beta, reached / probability])
            ended += probability.log().double().sum()
        occupied.append((alpha[t] * beta).sum(1).flatten(1))
    return torch.cat(occupied[::-1]), stayed, ended


def _ending(stay: Tensor, grammar: Grammar) -> Tensor:
    """Probability (P, V, n) to end after each sub-state."""
    ending = torch.zeros(*grammar.last.shape, stay.shape[-1], device=stay.device)
    ending[..., -1] = (1 - stay[:, -1]) * grammar.last
    return ending


def _end(mass: Tensor, ending: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """For utterances that end at frame t with mass (U, P, V, n): ``ending`` as far as they can, and its probability (U, 1, 1, 1)."""
    # An utterance shorter than n frames cannot end: it has no posterior, and teaches nothing.
    reached = ending * (t + 1 >= ending.shape[-1])
    probability = (mass * reached).sum((1, 2, 3), keepdim=True)
    return reached, torch.where(probability == 0, 1.0, probability)


def decode(model: Sounds, grammar: Grammar, heard: Ragged, *, grammar_weight: float) -> Ragged:
    """Viterbi: the best phone of each frame (int16, rows as in ``heard``). grammar_weight: as in ``best_states``."""
    states = best_states(model, grammar, heard, grammar_weight=grammar_weight, phone_bonus=0.0)
    return Ragged(states.flat // model.stay.shape[1], states.offsets)


def best_states(model: Sounds, grammar: Grammar, heard: Ragged, *, grammar_weight: float, phone_bonus: float) -> Ragged:
    """Viterbi: the sub-states v * n + i (int16, rows as in ``heard``) of the best path.

    grammar_weight: power of the n-gram's probabilities. phone_bonus: nats for each phone that is not silence.
    """
    V, n = model.stay.shape
    weighted = grammar.to(model.stay.device).weighted(grammar_weight, phone_bonus)
    states = np.zeros(len(heard.flat), np.int16)
    for batch in batches(heard, grammar.n_contexts * V * n):
        path = _viterbi(model, weighted, batch).cpu().numpy()
        inside = np.arange(len(path))[:, None] < heard.lengths[batch.rows]
        states[(heard.offsets[batch.rows] + np.arange(len(path))[:, None])[inside]] = path[inside]
    return Ragged(states, heard.offsets)


def begins(states: Ragged, n_states: int) -> np.ndarray:
    """Which frames (N) bool begin a phone: also a phone that follows itself, which runs of equal labels cannot tell.

    states: v * n + i. A path goes from left to right through a phone, so where it goes back another one begins.
    """
    first = Ragged(states.flat // n_states, states.offsets).run_starts()
    first[1:] |= states.flat[1:] < states.flat[:-1]
    return first


def said(states: np.ndarray, *, n_states: int, silence: int) -> np.ndarray:
    """Sub-states (N) of one utterance -> (R, 3) int64: phone, first frame, and the frame after the last, of each of R phones.

    >>> said(np.array([8, 0, 1, 0, 1, 1, 4, 5, 8]), n_states=2, silence=4).tolist()
    [[0, 1, 3], [0, 3, 6], [2, 6, 8]]
    """
    states = Ragged(np.asarray(states, np.int64), np.array([0, len(states)]))
    starts = np.flatnonzero(begins(states, n_states)) if len(states.flat) else np.zeros(0, np.int64)
    phones = states.flat[starts] // n_states
    return np.stack([phones, starts, np.append(starts[1:], len(states.flat))[: len(starts)]], axis=1)[phones != silence]


def _log(probability: Tensor) -> Tensor:
    """Natural logarithm, finite for zero."""
    return torch.log(probability.clamp(min=1e-30))


def _viterbi(model: Sounds, grammar: Grammar, batch: Batch) -> Tensor:
    """Best sub-states (T, U) of one batch; grammar: logarithms."""
    V, n = model.stay.shape
    device = model.stay.device
    U, P, (X, Y, _) = len(batch.rows), grammar.n_contexts, grammar.next.shape
    log_stay, log_leave = _log(model.stay), _log(1 - model.stay)
    scores = model.log_likelihood(batch.heard)
    scores = scores[torch.from_numpy(batch.places).to(device)].view(-1, 1, V, n).split(batch.active)
    best = torch.full((U, P, V, n), -torch.inf, device=device)
    best[:, -1, :, 0] = grammar.first
    final = torch.zeros(U, dtype=torch.int64, device=device)
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
        best = best + scores[t]
        stops = batch.active[t + 1] if t + 1 < len(batch.active) else 0
        final[stops:active] = _finish(best[stops:], log_leave[:, -1] + grammar.last)
    return _trace(final, moved, done, grammar, n, batch)


def _finish(best: Tensor, log_end: Tensor) -> Tensor:
    """Final states (U) of utterances that end here: best (U, P, V, n), log probability to end after each phone (P, V)."""
    ended = torch.full_like(best, -torch.inf)
    ended[..., -1] = best[..., -1] + log_end
    # An utterance shorter than n frames cannot reach a last sub-state: take where it stands.
    unfinished = torch.isinf(ended.flatten(1).amax(1))[:, None, None, None]
    return torch.where(unfinished, best, ended).flatten(1).argmax(1)


def _trace(final: Tensor, moved: list[Tensor], done: list[Tensor], grammar: Grammar, n: int, batch: Batch) -> Tensor:
    """Follow the best path back from the final state of each utterance: sub-states (T, U)."""
    _, Y, V = grammar.next.shape
    state = final.clone()
    path = torch.zeros(len(batch.active), len(batch.rows), dtype=torch.int64, device=final.device)
    for t in range(len(batch.active) - 1, -1, -1):
        rows = torch.arange(batch.active[t], device=final.device)
        p, v, i = state[rows] // (V * n), state[rows] // n % V, state[rows] % n
        path[t, rows] = v * n + i
        if t:
            # Sub-state 0 is entered from the last one of (x, y) with y = p; sub-state i > 0 from i - 1.
            y = p.clamp(max=Y - 1)
            x = (done[t - 1][rows, :, y] + grammar.next[:, y, v].T).argmax(1)
            entered = torch.where(i == 0, (x * Y + y) * n + n - 1, (p * V + v) * n + i - 1)
            state[rows] = torch.where(moved[t - 1][rows, p, v, i], entered, state[rows])
    return path
