"""One GAN of wav2vec-U 1.0 or 2.0, trained step by step the way the original trains it: plain, slow, surprises included.

    gan = PlainGan(fresh_v1(44, 512), fresh_discriminator(44), V1)
    for update, batch in enumerate(batches):
        print(gan.step(update, batch))

A yardstick that shares nothing with what it measures: a faster step is timed against it and, in float64, compared with it
term by term. So it keeps what the original (Baevski et al. 2021, Liu et al. 2022, and its code where that departs from
them) wastes: a Python loop and a device sync per utterance in JOIN, one-hot text padded to the longest, D(real) in the
generator's steps, gradients of both networks in every step, a host read per loss.

Letters: B utterances, T frames, R outputs of JOIN, L phones of a line, V phones, d dims, C channels, k taps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Weights = dict[str, Tensor]
ADAM = {"betas": (0.5, 0.98), "eps": 1e-6, "decoupled_weight_decay": True, "foreach": False}  # a tensor at a time
REAL, FAKE = 0.0, 1.0  # what the discriminator answers; the paper has it the other way round


def _uniform(*shape: int, fan_in: int | None = None) -> Tensor:
    """Uniform in +-1 / sqrt(fan_in), what torch's layers start from; a kernel's fan_in is its shape's."""
    return torch.empty(shape).uniform_(-1, 1) / math.sqrt(fan_in or math.prod(shape[1:]))


def fresh_v1(phones: int, dims: int) -> Weights:
    """Random weights of the generator of 1.0: one kernel (V, d, 4) without bias."""
    return {"kernel": _uniform(phones, dims, 4)}


def fresh_v2(phones: int, dims: int, *, classes: int = 64) -> Weights:
    """Random weights of the generator of 2.0. Reproduced: BatchNorm's gamma starts at 30; only the convolution lacks a bias."""
    norm = {"gamma": torch.full((dims,), 30.0), "beta": torch.zeros(dims)}
    running = {"running_mean": torch.zeros(dims), "running_var": torch.ones(dims)}
    linear = {"residual": _uniform(dims, dims), "residual_bias": _uniform(dims, fan_in=dims)}
    head = {"head": _uniform(classes, dims), "head_bias": _uniform(classes, fan_in=dims)}
    return norm | running | linear | {"kernel": _uniform(phones, dims, 9)} | head


def fresh_discriminator(phones: int, *, channels: int = 384, taps: int = 6) -> Weights:
    """Random weights of three convolutions with biases: kernels (C, V, k), (C, C, k), (1, C, k). 2.0 has 8 taps."""
    shapes = {"first": (channels, phones), "second": (channels, channels), "last": (1, channels)}
    biases = {f"{name}_bias": _uniform(rows, fan_in=cols * taps) for name, (rows, cols) in shapes.items()}
    return {name: _uniform(*shape, taps) for name, shape in shapes.items()} | biases


@dataclass(frozen=True)
class Settings:
    """Of the training. Rates are fixed: no warm-up, no schedule."""

    generator_rate: float
    discriminator_rate: float
    gradient_penalty: float
    smoothness: float
    diversity: float
    auxiliary: float = 0.0
    dropout: float = 0.1  # of the generator's input; the discriminator has none
    weight_decay: float = 1e-4  # decoupled, of the discriminator only
    clip: float = 5.0  # the joint norm of both networks


V1 = Settings(4e-4, 5e-4, gradient_penalty=1.5, smoothness=0.5, diversity=4.0)
V2 = Settings(5e-5, 3e-4, gradient_penalty=1.0, smoothness=1.5, diversity=3.0, auxiliary=0.5)


@dataclass(frozen=True)
class Batch:
    """One batch: utterances and lines have nothing to do with each other. Padding is at the end, marked true."""

    features: Tensor  # (B, T, d), zero in padding
    pad: Tensor  # (B, T) bool
    text: Tensor  # (B, L) ids; in padding any id, in the original a class of its own
    text_pad: Tensor  # (B, L) bool
    targets: Tensor | None = None  # (B, about 2T) MFCC clusters at 100 Hz, -1 in padding; 2.0 only


@dataclass(frozen=True)
class Draws:
    """The randomness of one step; what is left out is drawn."""

    keep: tuple[Tensor | None, ...] = (None, None)  # (B, T, d) bool, by dropout; of 2.0 before the Linear, before the kernel
    positions: Tensor | None = None  # (B, >= R) in [0, 1): where in its r-th run JOIN takes its frame
    alpha: Tensor | None = None  # (B) in [0, 1): the real share of what the gradient penalty looks at


DRAWN = Draws()


class Made(NamedTuple):
    """What a generator makes of a batch: logits (B, T or R, V), their pad, and the residual branch (B, T, d) of 2.0."""

    logits: Tensor
    pad: Tensor
    branch: Tensor | None = None


def dropped_out(rows: Tensor, share: float, keep: Tensor | None) -> Tensor:
    """Dropout, with the mask ``keep`` where it is given: any shape."""
    return F.dropout(rows, share) if keep is None else rows * keep / (1 - share)


def convolved(rows: Tensor, kernel: Tensor, bias: Tensor | None = None, **how: int) -> Tensor:
    """A convolution over time: (B, T, in), kernel (out, in, k) -> (B, T', out)."""
    return F.conv1d(rows.transpose(1, 2), kernel, bias, **how).transpose(1, 2)


def generator_v1(batch: Batch, weights: Weights, *, dropout: float, draws: Draws = DRAWN) -> Made:
    """Dropout and one convolution: features (B, T, d) -> logits (B, T + 1, V). In evaluation dropout is 0.

    Reproduced: 4 taps with 2 zeros on either side give T + 1 outputs; the mask moves right by one, the first output is valid.
    """
    logits = convolved(dropped_out(batch.features, dropout, draws.keep[0]), weights["kernel"], padding=2)
    return Made(logits, F.pad(batch.pad, (1, 0), value=False))


def generator_v2(batch: Batch, weights: Weights, *, dropout: float, training: bool, draws: Draws = DRAWN) -> Made:
    """BatchNorm, x + Linear(x), one convolution: features (B, T, d) -> logits (B, ceil(T / 3), V), mask[::3].

    Reproduced: statistics of the frames that are no padding (in training the batch's, which move the running ones by a
    tenth); two dropouts, the first on the Linear's input only; the Linear's bias reaches padding, and from there the last
    outputs of an utterance that is shorter than its neighbours.
    """
    rows, inside, statistics = batch.features.clone(), ~batch.pad, (weights["running_mean"], weights["running_var"])
    rows[inside] = F.batch_norm(rows[inside], *statistics, weights["gamma"], weights["beta"], training)
    branch = F.linear(dropped_out(rows, dropout, draws.keep[0]), weights["residual"], weights["residual_bias"])
    rows = dropped_out(rows + branch, dropout, draws.keep[1])
    logits = convolved(rows, weights["kernel"], stride=3, padding=4)
    return Made(logits, batch.pad[:, ::3], branch)


def join(made: Made, *, training: bool, draws: Draws = DRAWN) -> Made:
    """Each run of equal argmax becomes one output: logits (B, T, V) -> (B, R, V), zero beyond an utterance's runs.

    Reproduced: in training a run becomes the logits of ONE of its frames, drawn uniformly, in evaluation their mean; rows
    are padded with zero logits, uniform after softmax. An utterance at a time, fetched from the device, as in the original.
    """
    joined, device = [], made.logits.device
    best = made.logits.argmax(-1).masked_fill(made.pad, -1)  # padding is the last run, cut off below
    for row, (logits, phones) in enumerate(zip(made.logits, best, strict=True)):
        values, run, sizes = phones.cpu().unique_consecutive(return_inverse=True, return_counts=True)
        sizes = sizes[values >= 0]
        if training:
            drawn = torch.rand(len(sizes)) if draws.positions is None else draws.positions[row, : len(sizes)].cpu()
            joined.append(logits[(sizes.cumsum(0) - sizes + (sizes * drawn).long()).to(device)])
        else:
            sums = logits.new_zeros(len(values), logits.shape[1]).index_add(0, run.to(device), logits)
            joined.append(sums[: len(sizes)] / sizes.to(device)[:, None])
    lengths = torch.tensor([len(outputs) for outputs in joined], device=device)
    rows = pad_sequence(joined, batch_first=True)
    return Made(rows, torch.arange(rows.shape[1], device=device) >= lengths[:, None], made.branch)


def causal(rows: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """A convolution that looks at no later position: padded on both sides, then what looks ahead is cut off."""
    return convolved(rows, kernel, bias, padding=kernel.shape[-1] - 1)[:, : rows.shape[1]]


def discriminator(phones: Tensor, pad: Tensor | None, weights: Weights) -> Tensor:
    """Phone probabilities (B, L, V) and their pad (B, L) -> scores (B), a mean over time; positive means made up.

    Reproduced: three causal convolutions but a single GELU, before the last. Without ``pad`` padding is judged as well.
    """
    hidden = causal(causal(phones, weights["first"], weights["first_bias"]), weights["second"], weights["second_bias"])
    scores = causal(F.gelu(hidden), weights["last"], weights["last_bias"])[..., 0]
    if pad is None or not pad.any():
        return scores.mean(1)
    return scores.masked_fill(pad, 0).sum(1) / (~pad).sum(1)


def called(scores: Tensor, answer: float) -> Tensor:
    """Cross-entropy of scores (B) against REAL or FAKE, per utterance. Reproduced: FAKE is 1, REAL is 0."""
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, answer))


def gradient_penalty(real: Tensor, fake: Tensor, weights: Weights, alpha: Tensor | None = None) -> Tensor:
    """How far the discriminator's slope between real (B, L, V) and fake (B, R, V) is from 1, per utterance.

    Reproduced: both are cut to the smaller PADDED length and judged without a mask; the norm is taken over TIME for each
    phone, and its squared distance from 1 is summed over the V phones; the gradient flows back into the generator.
    """
    size = min(real.shape[1], fake.shape[1])
    share = (torch.rand(len(real), dtype=fake.dtype) if alpha is None else alpha).to(fake.device)[:, None, None]
    between = (share * real[:, :size] + (1 - share) * fake[:, :size]).requires_grad_()
    (slope,) = torch.autograd.grad(discriminator(between, None, weights).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().sum() / len(real)


def diversity(logits: Tensor) -> Tensor:
    """Share of the V phones left unused, (V - perplexity) / V, of joined logits (B, R, V).

    Reproduced: a perplexity where the paper has an entropy, of a mean over all positions, padding's uniform ones included.
    """
    mean = logits.softmax(-1).mean((0, 1))
    return (len(mean) - torch.special.entr(mean).sum().exp()) / len(mean)


def smoothness(logits: Tensor, pad: Tensor) -> Tensor:
    """Mean squared difference of neighbouring outputs: (B, R, V), (B, R); not a number where no utterance has two.

    Reproduced: of logits, not probabilities; differences INTO padding are zeroed yet counted in the mean.
    """
    return (logits[:, 1:] - logits[:, :-1]).square().masked_fill(pad[:, 1:, None], 0).mean()


def auxiliary(branch: Tensor, targets: Tensor, weights: Weights) -> Tensor:
    """Mean cross-entropy of the residual branch (B, T, d) at 50 Hz against MFCC clusters (B, 2T) at 100 Hz.

    Reproduced: every second target, both cut to the shorter; targets of -1 cost nothing yet are counted in the mean.
    """
    targets = targets[:, ::2][:, : branch.shape[1]]
    logits = F.linear(branch, weights["head"], weights["head_bias"])[:, : targets.shape[1]]
    return F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-1, reduction="none").mean()


def weighted_lm_perplexity(lines: list[list[int]], log10_score: Callable[[list[int]], float], *, symbols: int) -> float:
    """The original's score without labels, of one batch of phone lines without silence; lower is better.

    log10_score: of a line, its end included; symbols: size of the inventory. Reproduced: silence, which no line has, counts
    among the symbols; the square of the share of symbols seen in THIS batch divides the perplexity, and a validation
    averages over its batches, so that the score depends on their size. Infinite where nothing was emitted.
    """
    phones = [phone for line in lines for phone in line]
    if not phones:
        return math.inf
    perplexity = 10 ** (-sum(map(log10_score, lines)) / (len(phones) + len(lines)))
    return perplexity / (len(set(phones)) / symbols) ** 2


class PlainGan:
    """One generator, one discriminator, their optimisers. The weights handed in are the ones that are trained."""

    def __init__(self, generator: Weights, critic: Weights, settings: Settings) -> None:
        self.generator, self.critic, self.settings = generator, critic, settings
        players = [[w.requires_grad_() for name, w in p.items() if "running" not in name] for p in (generator, critic)]
        self.parameters = players[0] + players[1]
        self.optimisers = (
            torch.optim.Adam(players[0], lr=settings.generator_rate, **ADAM),
            torch.optim.Adam(players[1], lr=settings.discriminator_rate, weight_decay=settings.weight_decay, **ADAM),
        )

    def made(self, batch: Batch, *, training: bool, draws: Draws = DRAWN) -> Made:
        """The generator and JOIN on one batch."""
        dropout = self.settings.dropout if training else 0.0
        if "gamma" in self.generator:
            made = generator_v2(batch, self.generator, dropout=dropout, training=training, draws=draws)
        else:
            made = generator_v1(batch, self.generator, dropout=dropout, draws=draws)
        return join(made, training=training, draws=draws)

    def losses(self, update: int, batch: Batch, draws: Draws = DRAWN) -> dict[str, Tensor]:
        """The weighted terms of one update: even ones are the generator's, odd ones the discriminator's.

        Reproduced: D(real) is computed in both and used in one; fake phones are not detached. The original sums over the
        batch and divides the gradients by its size: the same.
        """
        made, weight = self.made(batch, training=True, draws=draws), self.settings
        fake = made.logits.softmax(-1)
        real = fake.new_zeros(*batch.text.shape, fake.shape[-1]).scatter_(2, batch.text[..., None], 1.0)
        fake_scores, real_scores = discriminator(fake, made.pad, self.critic), discriminator(real, batch.text_pad, self.critic)
        if update % 2:
            penalty = weight.gradient_penalty * gradient_penalty(real, fake, self.critic, draws.alpha)
            return {"fake": called(fake_scores, FAKE), "real": called(real_scores, REAL), "gradient_penalty": penalty}
        terms = {
            "fake": called(fake_scores, REAL),
            "diversity": weight.diversity * diversity(made.logits),
            "smoothness": weight.smoothness * smoothness(made.logits, made.pad),
        }
        if weight.auxiliary:
            terms["auxiliary"] = weight.auxiliary * auxiliary(made.branch, batch.targets, self.generator)
        return terms

    def step(self, update: int, batch: Batch, draws: Draws = DRAWN) -> dict[str, float]:
        """One update: its weighted terms, and the joint norm before clipping. Gradients stay, clipped, in .grad.

        Reproduced: both networks get gradients and share one clipping norm, though only one of them moves.
        """
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        terms = self.losses(update, batch, draws)
        sum(terms.values()).backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        self.optimisers[update % 2].step()
        return {name: term.item() for name, term in (terms | {"norm": norm}).items()}

    @torch.no_grad()
    def lines(self, batch: Batch, *, specials: int, silence: int) -> list[list[int]]:
        """Phones of each mean run, without the ids below ``specials`` and without silence, whose neighbours may be equal."""
        made = self.made(batch, training=False)
        best = made.logits.argmax(-1).masked_fill(made.pad, silence).tolist()
        return [[phone for phone in line if phone >= specials and phone != silence] for line in best]
