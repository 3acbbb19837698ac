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

from wavu.decipher.grammar import Grammar, log
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
class Model:
    """Phones that sound like units. emission (V, n, K): probability of each unit; stay (V, n): as in ``Sounds``."""

    emission: Tensor
    stay: Tensor

    def log_likelihood(self, units: Ragged) -> Tensor:
        """See ``Sounds``; units (N)."""
        heard = torch.from_numpy(np.asarray(units.flat, np.int64)).to(self.emission.device)
        return log(self.emission).flatten(0, 1).T[heard]

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
    return model.packed() | grammar.packed()


def unpacked(arrays: dict[str, np.ndarray]) -> tuple[Model, Grammar]:
    """What ``packed`` packed, of a model of units."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Model(tensors["emission"], tensors["stay"]), Grammar.unpacked(arrays)


@dataclass(frozen=True)
class Padded:
    """Utterances of similar length. heard: their rows; active (T): how many still go on. places (N): frames in order of time."""

    rows: np.ndarray
    heard: Ragged
    active: list[int]
    places: np.ndarray


def batches(heard: Ragged, floats_per_frame: int) -> Iterator[Padded]:
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
        yield Padded(rows, taken, inside.sum(1).tolist(), places)


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


def _hear(model: Sounds, batch: Padded) -> tuple[list[Tensor], Tensor]:
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
