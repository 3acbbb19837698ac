"""JOIN: neighbouring segments that sound like the same phone are one phone (Baevski et al. 2021)."""

import torch
from torch import Tensor

from wavu.gan.noise import Noise
from wavu.gan.windows import inside


def join(logits: Tensor, lengths: Tensor, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
    """Each run of segments with the same best phone becomes one output.

    logits (M, B, S, V), lengths (M, B) -> joined logits (M, B, S, V), zero beyond the runs, and their number (M, B).

    noise: given in training, where a run becomes the logits of ONE of its segments drawn uniformly (reproduced: its
    author reports that this trains better than the mean); in evaluation a run becomes the mean of its logits.
    """
    if noise is None:
        return joined_mean(logits, lengths)
    return joined_one(logits, lengths, noise.uniform(*logits.shape[1:3]))


def joined_one(logits: Tensor, lengths: Tensor, drawn: Tensor) -> tuple[Tensor, Tensor]:
    """One segment of each run; drawn (M, B, S) in [0, 1): which one of its run, from the first to the last."""
    _, sizes, runs = _runs(logits, lengths)
    first = sizes.cumsum(-1) - sizes
    chosen = first + torch.minimum((drawn * sizes).long(), (sizes - 1).clamp(min=0))
    joined = logits.gather(2, _wide(chosen.clamp(max=logits.shape[2] - 1), logits))
    return joined * inside(runs, logits.shape[2])[..., None], runs


def joined_mean(logits: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each run."""
    run, sizes, runs = _runs(logits, lengths)
    M, B, S, V = logits.shape
    sums = logits.new_zeros(M, B, S + 1, V).scatter_add(2, _wide(run, logits), logits)
    return sums[:, :, :S] / sizes.clamp(min=1)[..., None], runs


def _runs(logits: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The run each segment is in (M, B, S), padding in run S; the size of each run (M, B, S); how many there are (M, B)."""
    S = logits.shape[2]
    best, valid = logits.argmax(-1), inside(lengths, S)
    starts = valid.clone()
    starts[..., 1:] &= best[..., 1:] != best[..., :-1]
    run = torch.where(valid, starts.cumsum(-1) - 1, S)
    sizes = run.new_zeros(*run.shape[:2], S + 1).scatter_add(-1, run, torch.ones_like(run))[..., :S]
    return run, sizes, starts.sum(-1)


def _wide(index: Tensor, like: Tensor) -> Tensor:
    """(M, B, S) -> (M, B, S, V), a view."""
    return index[..., None].expand(*index.shape, like.shape[-1])
