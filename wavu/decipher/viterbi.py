"""The best path of speech through a hidden Markov model (Viterbi), and the phones on it.

Shapes: U utterances of at most T frames, N frames in all, V phones, n sub-states, P contexts: see :mod:`wavu.decipher.hmm`.
"""

import numpy as np
import torch
from torch import Tensor

from wavu.decipher.grammar import Grammar, log
from wavu.decipher.hmm import Padded, Sounds, batches
from wavu.ragged import Ragged


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


def _viterbi(model: Sounds, grammar: Grammar, batch: Padded) -> Tensor:
    """Best sub-states (T, U) of one batch; grammar: logarithms."""
    V, n = model.stay.shape
    device = model.stay.device
    U, P, (X, Y, _) = len(batch.rows), grammar.n_contexts, grammar.next.shape
    log_stay, log_leave = log(model.stay), log(1 - model.stay)
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


def _trace(final: Tensor, moved: list[Tensor], done: list[Tensor], grammar: Grammar, n: int, batch: Padded) -> Tensor:
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
