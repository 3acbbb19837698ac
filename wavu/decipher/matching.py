"""What each phone sounds like, from statistics alone: skipgrams of heard units against skipgrams of spoken text.

The text is "spoken" in simulation (each phone repeated for a random number of frames), so that both sides count the same
thing: how often a symbol is followed by another so many frames later, and which symbols begin and end an utterance. If
phone v sounds like unit k with probability E[v, k], frames far enough apart to lie in different phones obey

    C_lag = E^T T_lag E        (K, K), units        from (V, V), phones

for every lag, and E is what makes it true. What stands at the ends of a sentence tells phones apart like nothing else, but a
recording is not cut there to the frame: how much silence was left before and after is learned along with E.

The idea of matching skipgrams and positional unigrams is that of Wang, Hasegawa-Johnson & Yoo 2023 (ESPUM), on segments;
here frames are matched, so no segmentation is needed, and E generates units from phones, so a unit may belong to several
phones. The loss is a composite likelihood (Varin, Reid & Firth 2011) of pairs of frames; its best point, unlike that of
the likelihood of a hidden Markov model, is found from most random starts.

Shapes: V phones, the last of them silence; K units, R restarts, J lags, Q positions, W frames of silence at most.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavu.ragged import Ragged


@dataclass(frozen=True)
class Skipgrams:
    """Statistics of symbols at frame rate, A symbols. Every row and matrix sums to one.

    pairs (J, A, A): of two frames ``lag`` apart. ends (2, Q, A): of the q-th frame from the start, and from the end.
    """

    pairs: Tensor
    ends: Tensor


def skipgrams(symbols: Ragged, n_symbols: int, *, lags: list[int], positions: int, margin: int) -> Skipgrams:
    """Count skipgrams of one symbol per frame.

    lags: in frames. positions: Q. margin: frames at both ends that are left out of the pairs, as they may be silence.
    """
    flat, offsets, lengths = np.asarray(symbols.flat, np.int64), symbols.offsets, symbols.lengths
    row = np.repeat(np.arange(len(symbols)), lengths)
    place = np.arange(len(flat)) - offsets[row]
    pairs = []
    for lag in lags:
        inside = (row[lag:] == row[:-lag]) & (place[:-lag] >= margin) & (place[lag:] < lengths[row[lag:]] - margin)
        pairs.append(np.bincount((flat[:-lag] * n_symbols + flat[lag:])[inside], minlength=n_symbols**2))
    ends = []
    for edge, direction in ((offsets[:-1], 1), (offsets[1:] - 1, -1)):
        for position in range(positions):
            here = edge[lengths > position] + direction * position
            ends.append(np.bincount(flat[here], minlength=n_symbols))
    shape = (len(lags), n_symbols, n_symbols)
    return Skipgrams(_shares(np.reshape(pairs, shape), (1, 2)), _shares(np.reshape(ends, (2, positions, n_symbols)), 2))


def _shares(counts: np.ndarray, axis: int | tuple[int, ...]) -> Tensor:
    total = np.maximum(counts.sum(axis, keepdims=True), 1)
    return torch.tensor(counts / total, dtype=torch.float32)


def speak(lines: Ragged, frames_per_phone: np.ndarray, *, regularity: float, generator: np.random.Generator) -> Ragged:
    """Text at frame rate: every phone repeated for a gamma-distributed number of frames, at least one.

    frames_per_phone (V): mean duration of each phone. regularity: shape of the gamma distribution; the standard deviation
    is mean / sqrt(regularity).
    """
    drawn = generator.gamma(regularity, frames_per_phone[lines.flat] / regularity)
    frames = np.maximum(1, np.rint(drawn)).astype(np.int64)
    ends = np.concatenate([[0], np.cumsum(frames)])
    return Ragged(np.repeat(lines.flat, frames), ends[lines.offsets])


def match(
    speech: Skipgrams,
    text: Skipgrams,
    frequency: Tensor,
    *,
    restarts: int,
    steps: int,
    learning_rate: float,
    longest_silence: int,
    generator: torch.Generator,
    report: Callable[[int], None] = lambda steps: None,
) -> tuple[Tensor, Tensor]:
    """Find E by gradient (Adam, the rate falling to a fifth) from random starts, all in one batch.

    text: without silence at its ends. frequency (K): of the units, where every phone starts from. longest_silence: W.
    Returns E (R, V, K) and its surprise in nats (R), least first.
    """
    V, K = text.pairs.shape[-1], speech.pairs.shape[-1]
    prior = torch.log(frequency + 1e-6)
    logits = (0.5 * torch.randn(restarts, V, K, generator=generator)).requires_grad_()
    quiet = torch.zeros(restarts, 2, longest_silence + 1, requires_grad=True)  # log odds of so many frames of it at each end
    delayed = delays(text.ends, longest_silence)
    optimiser = torch.optim.Adam([logits, quiet], lr=learning_rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.2, total_iters=steps)
    for _ in range(steps):
        ends = torch.einsum("rew,weqv->reqv", torch.softmax(quiet, -1), delayed)
        loss = surprise(torch.softmax(prior + logits, -1), ends, speech, text)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        schedule.step()
        report(1)
    order = loss.detach().argsort()
    return torch.softmax(prior + logits, -1).detach()[order], loss.detach()[order]


def delays(ends: Tensor, longest: int) -> Tensor:
    """Ends (2, Q, V) behind 0, 1, ... ``longest`` frames of silence: (W + 1, 2, Q, V)."""
    silence = torch.zeros_like(ends)
    silence[..., -1] = 1
    return torch.stack([torch.cat([silence[:, :wait], ends], 1)[:, : ends.shape[1]] for wait in range(longest + 1)])


def surprise(emission: Tensor, ends: Tensor, speech: Skipgrams, text: Skipgrams) -> Tensor:
    """Cross-entropy (R), nats, of the speech's skipgrams under the text's, heard through E (R, V, K); ends (R, 2, Q, V)."""
    pairs = torch.einsum("rvk,jvw->rjkw", emission, text.pairs) @ emission[:, None]  # (R, J, K, K)
    between = -(speech.pairs * torch.log(pairs + 1e-8)).sum((-1, -2)).mean(-1)
    heard = ends @ emission[:, None]  # (R, 2, Q, K)
    return between - 0.5 * (speech.ends * torch.log(heard + 1e-8)).sum(-1).mean(-1).sum(-1)
