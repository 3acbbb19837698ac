"""The yardstick itself: against cases worked by hand, torch's own layers, and the original's counted parameters."""

import importlib.util
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

SCRIPT = Path(__file__).parents[1] / "scripts" / "plain_gan.py"
spec = importlib.util.spec_from_file_location("plain_gan", SCRIPT)
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)

B, T, L, V, D = 3, 9, 7, 5, 4  # utterances, frames, phones of a line, phones, dims


def double(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.double() for name, tensor in weights.items()}


def padding(*lengths: int) -> Tensor:
    """Lengths (B) -> true beyond them (B, longest)."""
    return torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]


def some_batch(*, targets: bool = False) -> "plain.Batch":
    pad = padding(6, 9, 4)
    features = torch.randn(B, T, D, dtype=torch.double).masked_fill(pad[..., None], 0)
    aux = torch.randint(64, (B, 2 * T)).masked_fill(pad.repeat_interleave(2, 1), -1) if targets else None
    return plain.Batch(features, pad, torch.randint(V, (B, L)), padding(7, 3, 5), aux)


def some_critic(taps: int = 3) -> dict[str, Tensor]:
    return double(plain.fresh_discriminator(V, channels=6, taps=taps))


def some_gan(version: int, **changes: float) -> "plain.PlainGan":
    fresh, how = {1: (plain.fresh_v1, plain.V1), 2: (plain.fresh_v2, plain.V2)}[version]
    return plain.PlainGan(double(fresh(V, D)), some_critic(), replace(how, **changes))


@pytest.fixture(autouse=True)
def same_every_time() -> None:
    torch.manual_seed(0)


def test_the_sizes_are_the_originals() -> None:
    def parameters(weights: dict[str, Tensor]) -> int:
        return sum(tensor.numel() for name, tensor in weights.items() if "running" not in name)

    assert parameters(plain.fresh_v1(44, 512)) == 90_112
    assert parameters(plain.fresh_discriminator(44)) == 989_185
    assert parameters(plain.fresh_v2(44, 1024)) + parameters(plain.fresh_discriminator(44, taps=8)) == 2_841_409


# Generators


def test_generator_v1_by_hand() -> None:
    batch = plain.Batch(torch.tensor([[[1.0], [10.0], [100.0]], [[2.0], [0.0], [0.0]]]), padding(3, 1), None, None)
    made = plain.generator_v1(batch, {"kernel": torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])}, dropout=0.0)
    # Output t sees frames t - 2 ... t + 1, weighed 1 2 3 4.
    assert made.logits[..., 0].tolist() == [[43, 432, 321, 210], [6, 4, 2, 0]]
    assert made.pad.tolist() == [[False] * 4, [False, False, True, True]]


def test_dropout_keeps_what_it_is_told_and_a_tenth_is_gone_otherwise() -> None:
    rows = torch.ones(2, 2)
    assert torch.equal(plain.dropped_out(rows, 0.5, torch.eye(2).bool()), 2 * torch.eye(2))
    assert abs((plain.dropped_out(torch.ones(100, 100), 0.1, None) == 0).float().mean() - 0.1) < 0.02
    assert torch.equal(plain.dropped_out(rows, 0.0, None), rows)


def test_batch_norm_is_torchs_over_the_frames_that_are_no_padding() -> None:
    batch, weights = some_batch(), double(plain.fresh_v2(V, D))
    weights |= {"residual": torch.eye(D).double(), "residual_bias": torch.zeros(D).double()}  # the branch shows BatchNorm
    norm = nn.BatchNorm1d(D).double()
    nn.init.constant_(norm.weight, 30)
    for training in (True, True, False):
        norm.train(training)
        made = plain.generator_v2(batch, weights, dropout=0.0, training=training)
        assert torch.allclose(made.branch[~batch.pad], norm(batch.features[~batch.pad]), atol=1e-9)
        assert not made.branch[batch.pad].any()
    assert torch.allclose(weights["running_mean"], norm.running_mean) and weights["running_mean"].any()
    assert torch.allclose(weights["running_var"], norm.running_var)


def test_generator_v2_is_norm_residual_and_convolution() -> None:
    batch, weights = some_batch(), double(plain.fresh_v2(V, D))
    keep = tuple(torch.rand(B, T, D) > 0.3 for _ in range(2))
    made = plain.generator_v2(batch, weights, dropout=0.1, training=True, draws=plain.Draws(keep=keep))
    x = torch.zeros(B, T, D).double()
    inside = batch.features[~batch.pad]
    x[~batch.pad] = 30 * (inside - inside.mean(0)) / (inside.var(0, unbiased=False) + 1e-5).sqrt()
    branch = (x * keep[0] / 0.9) @ weights["residual"].T + weights["residual_bias"]  # bias in padding too
    x = F.pad((x + branch) * keep[1] / 0.9, (0, 0, 4, 4))
    logits = [torch.einsum("bkd,vdk->bv", x[:, t : t + 9], weights["kernel"]) for t in range(0, T, 3)]
    assert torch.allclose(made.logits, torch.stack(logits, 1), atol=1e-9)
    assert torch.allclose(made.branch, branch, atol=1e-9)
    assert made.pad.tolist() == [[False, False, True], [False] * 3, [False, False, True]]


@pytest.mark.parametrize("frames", [3, 4, 5, 6, 7])
def test_generators_give_t_plus_one_and_a_third(frames: int) -> None:
    batch = plain.Batch(torch.randn(2, frames, D), padding(frames, 2), None, None)
    one = plain.generator_v1(batch, plain.fresh_v1(V, D), dropout=0.1)
    two = plain.generator_v2(batch, plain.fresh_v2(V, D), dropout=0.1, training=True)
    assert one.logits.shape == (2, frames + 1, V) and one.pad.shape == (2, frames + 1)
    assert two.logits.shape == (2, math.ceil(frames / 3), V) and two.pad.shape == (2, math.ceil(frames / 3))


# JOIN


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=4),
    longer=st.integers(0, 2),
    seed=st.integers(0, 9),
)
def test_join_is_groupby(lines: list[list[int]], longer: int, seed: int) -> None:
    torch.manual_seed(seed)
    width = max(map(len, lines)) + longer
    logits = torch.rand(len(lines), width, 3)
    pad = torch.ones(len(lines), width, dtype=torch.bool)
    for b, line in enumerate(lines):
        pad[b, : len(line)] = False
        for t, phone in enumerate(line):
            logits[b, t, phone] += 1
    positions = torch.rand(len(lines), width)
    groups = [[[t for t, _ in run] for _, run in itertools.groupby(enumerate(line), key=lambda x: x[1])] for line in lines]
    drawn = plain.join(plain.Made(logits, pad), training=True, draws=plain.Draws(positions=positions))
    mean = plain.join(plain.Made(logits, pad), training=False)
    free = plain.join(plain.Made(logits, pad), training=True)
    most = max(map(len, groups))
    for made in (drawn, mean, free):
        assert made.logits.shape == (len(lines), most, 3)
        assert (~made.pad).sum(1).tolist() == list(map(len, groups))
        assert not made.logits[made.pad].any()
    for b, runs in enumerate(groups):
        for r, run in enumerate(runs):
            assert torch.equal(drawn.logits[b, r], logits[b, run[math.floor(positions[b, r].item() * len(run))]])
            assert torch.allclose(mean.logits[b, r], logits[b, run].mean(0))
            assert any(torch.equal(free.logits[b, r], logits[b, t]) for t in run)


def test_every_frame_of_a_run_is_drawn_equally_often_and_alone_learns() -> None:
    logits = torch.arange(4.0)[:, None].repeat(500, 1, 3).view(500, 4, 3).requires_grad_()  # one run of four
    made = plain.join(plain.Made(logits, torch.zeros(500, 4, dtype=torch.bool)), training=True)
    counts = torch.bincount(made.logits[:, 0, 0].long(), minlength=4)
    assert counts.min() > 90
    made.logits.sum().backward()
    assert logits.grad[..., 0].sum(1).eq(1).all()


# Discriminator and the terms


def test_discriminator_is_causal_and_blind_to_padding() -> None:
    phones, pad, critic = torch.rand(2, 8, V).double(), padding(8, 5), some_critic()
    scores = plain.discriminator(phones, pad, critic)
    alone = plain.discriminator(phones[1:, :5], None, critic)
    assert torch.allclose(scores[1:], alone)
    before = plain.causal(phones, critic["first"], critic["first_bias"])
    phones[:, 5:] = 7
    assert torch.equal(plain.causal(phones, critic["first"], critic["first_bias"])[:, :5], before[:, :5])
    assert torch.allclose(plain.discriminator(phones, pad, critic)[1], scores[1])
    assert not torch.allclose(plain.discriminator(phones, None, critic)[1], scores[1])  # without a mask it is not blind


def test_discriminator_by_hand() -> None:
    # One channel, two taps: the last tap is now, the one before it a step ago.
    critic = {"first": torch.tensor([[[1.0, 2.0]]]), "second": torch.tensor([[[0.0, 1.0]]]), "last": torch.tensor([[[3.0, 1.0]]])}
    critic |= {"first_bias": torch.tensor([0.5]), "second_bias": torch.tensor([-1.0]), "last_bias": torch.tensor([0.25])}

    def gelu(x: float) -> float:
        return x * (1 + math.erf(x / math.sqrt(2))) / 2

    first = [2 * 1 + 0.5, 1 + 2 * 2 + 0.5]  # no GELU here
    second = [gelu(x - 1) for x in first]
    last = [second[0] + 0.25, 3 * second[0] + second[1] + 0.25]
    score = plain.discriminator(torch.tensor([[[1.0], [2.0], [9.0]]]), torch.tensor([[False, False, True]]), critic)
    assert abs(score.item() - sum(last) / 2) < 1e-6


def test_made_up_is_one() -> None:
    scores = torch.tensor([2.0, -1.0])
    made_up = [math.log1p(math.exp(-score)) for score in scores.tolist()]
    assert abs(plain.called(scores, plain.FAKE).item() - sum(made_up) / 2) < 1e-6
    assert abs(plain.called(-scores, plain.REAL).item() - sum(made_up) / 2) < 1e-6


def test_gradient_penalty_by_finite_differences_a_phone_at_a_time() -> None:
    critic, alpha = some_critic(), torch.tensor([0.2, 0.9]).double()
    real, fake = torch.rand(2, 6, V).double(), torch.rand(2, 4, V).double()
    penalty = 0.0
    for b, share in enumerate(alpha.tolist()):
        x = share * real[b, :4] + (1 - share) * fake[b]
        for phone in range(V):
            squares = 0.0
            for t in range(4):
                step = torch.zeros(4, V).double()
                step[t, phone] = 1e-5
                up, down = plain.discriminator(torch.stack([x + step, x - step]), None, critic).tolist()
                squares += ((up - down) / 2e-5) ** 2
            penalty += (math.sqrt(squares) - 1) ** 2
    assert abs(plain.gradient_penalty(real, fake, critic, alpha).item() - penalty / 2) < 1e-7


def test_gradient_penalty_can_be_derived_again_and_reaches_the_generator() -> None:
    critic, alpha = some_critic(taps=2), torch.rand(2).double()
    real, fake = torch.rand(2, 3, V).double(), torch.rand(2, 4, V).double().requires_grad_()
    names = ("first", "second", "last", "second_bias")

    def penalty(fake: Tensor, *weights: Tensor) -> Tensor:
        return plain.gradient_penalty(real, fake, critic | dict(zip(names, weights, strict=True)), alpha)

    assert torch.autograd.gradcheck(penalty, (fake, *[critic[name].requires_grad_() for name in names]))
    penalty(fake, *[critic[name] for name in names]).backward()
    assert fake.grad[:, :3].any() and not fake.grad[:, 3:].any()


def test_diversity_counts_padding() -> None:
    one = torch.full((1, 2, 4), -1000.0)
    one[..., 2] = 0
    assert abs(plain.diversity(one).item() - 3 / 4) < 1e-6
    assert abs(plain.diversity(1000 * torch.eye(4)[None]).item()) < 1e-6
    padded = torch.cat([one, torch.zeros(1, 2, 4)], 1)  # a mean of 5/8, 1/8, 1/8, 1/8
    perplexity = math.exp(-(5 / 8 * math.log(5 / 8) + 3 / 8 * math.log(1 / 8)))
    assert abs(plain.diversity(padded).item() - (4 - perplexity) / 4) < 1e-6


def test_smoothness_by_hand() -> None:
    logits = torch.tensor([[[1.0, 0.0], [3.0, 1.0], [3.0, 3.0]], [[5.0, 5.0], [4.0, 5.0], [0.0, 0.0]]])
    # Differences (2, 1), (0, 2) and (-1, 0); the one into padding is not seen; 2 x 2 x 2 numbers in the mean.
    assert abs(plain.smoothness(logits, padding(3, 2)).item() - (4 + 1 + 0 + 4 + 1 + 0) / 8) < 1e-6
    assert plain.smoothness(logits[:, :1], padding(1, 1)).isnan()


@pytest.mark.parametrize(("frames", "ticks"), [(4, 8), (4, 6), (3, 9)])
def test_auxiliary_is_a_mean_over_the_shorter_with_the_ignored(frames: int, ticks: int) -> None:
    weights = double(plain.fresh_v2(V, D, classes=6))
    branch, targets = torch.randn(2, frames, D).double(), torch.randint(6, (2, ticks))
    targets[1, 2:] = -1
    shorter = min(frames, math.ceil(ticks / 2))
    total = 0.0
    for b, t in itertools.product(range(2), range(shorter)):
        if targets[b, 2 * t] >= 0:
            total -= (weights["head"] @ branch[b, t] + weights["head_bias"]).log_softmax(0)[targets[b, 2 * t]].item()
    assert abs(plain.auxiliary(branch, targets, weights).item() - total / (2 * shorter)) < 1e-9


# A step


@pytest.mark.parametrize("version", [1, 2])
def test_a_step_moves_one_player_and_gives_both_gradients_of_one_norm(version: int) -> None:
    gan = some_gan(version, clip=0.01)
    batch = some_batch(targets=version == 2)
    for update in range(4):
        before = [[w.detach().clone() for w in player.values()] for player in (gan.generator, gan.critic)]
        terms = gan.step(update, batch)
        assert all(math.isfinite(term) for term in terms.values()) and terms["norm"] > 0.01
        moved = [
            any(not torch.equal(w, old) for (name, w), old in zip(player.items(), was, strict=True) if "running" not in name)
            for player, was in zip((gan.generator, gan.critic), before, strict=True)
        ]
        assert moved == [update % 2 == 0, update % 2 == 1]
        grads = [w.grad for w in gan.parameters if w.grad is not None]
        assert abs(math.sqrt(sum(g.square().sum().item() for g in grads)) - 0.01) < 1e-6
        assert gan.generator["kernel"].grad.any() and gan.critic["first"].grad.any()
    assert set(gan.losses(0, batch)) == {"fake", "diversity", "smoothness"} | ({"auxiliary"} if version == 2 else set())
    assert set(gan.losses(1, batch)) == {"fake", "real", "gradient_penalty"}


@pytest.mark.parametrize("version", [1, 2])
def test_the_generators_terms_are_weighed_as_published(version: int) -> None:
    gan, batch = some_gan(version), some_batch(targets=version == 2)
    draws = plain.Draws((torch.rand(B, T, D) > 0.1, torch.rand(B, T, D) > 0.1), torch.rand(B, T + 1))
    made, terms = gan.made(batch, training=True, draws=draws), gan.losses(0, batch, draws)
    scores = plain.discriminator(made.logits.softmax(-1), made.pad, gan.critic)
    smooth, diverse = {1: (0.5, 4.0), 2: (1.5, 3.0)}[version]
    assert torch.isclose(terms["fake"], F.softplus(scores).mean())  # the generator wants to be called real, 0
    assert torch.isclose(terms["smoothness"], smooth * plain.smoothness(made.logits, made.pad))
    assert torch.isclose(terms["diversity"], diverse * plain.diversity(made.logits))
    if version == 2:
        assert torch.isclose(terms["auxiliary"], 0.5 * plain.auxiliary(made.branch, batch.targets, gan.generator))


def test_the_gradients_are_sums_over_the_batch_divided_by_its_size() -> None:
    """The whole step of the discriminator once more, from the sums, an utterance after the other where that is possible."""
    gan, batch = some_gan(1, clip=1e9), some_batch()
    draws = plain.Draws((torch.rand(B, T, D) > 0.1,), torch.rand(B, T + 1).double(), torch.rand(B).double())
    made = gan.made(batch, training=True, draws=draws)
    fake, total = made.logits.softmax(-1), 0.0
    for b in range(B):
        own, line = fake[b : b + 1, ~made.pad[b]], F.one_hot(batch.text[b : b + 1, ~batch.text_pad[b]], V).double()
        total = total + F.softplus(-plain.discriminator(own, None, gan.critic)).sum()
        total = total + F.softplus(plain.discriminator(line, None, gan.critic)).sum()
    real = F.one_hot(batch.text, V).double()
    total = total + 1.5 * B * plain.gradient_penalty(real, fake, gan.critic, draws.alpha)
    wanted = torch.autograd.grad(total, gan.parameters)
    terms = gan.step(1, batch, draws)
    assert abs(terms["fake"] + terms["real"] + terms["gradient_penalty"] - total.item() / B) < 1e-9
    for weights, gradient in zip(gan.parameters, wanted, strict=True):
        assert torch.allclose(weights.grad, gradient / B, atol=1e-9)


def test_what_is_handed_in_decides_everything() -> None:
    batch, draws = some_batch(), plain.Draws((torch.rand(B, T, D) > 0.1,), torch.rand(B, T + 1), torch.rand(B).double())
    gan = some_gan(1)
    for update in (0, 1):
        once, again = gan.losses(update, batch, draws), gan.losses(update, batch, draws)
        assert all(torch.equal(once[name], again[name]) for name in once)
        assert any(not torch.equal(once[name], term) for name, term in gan.losses(update, batch).items())


def test_weight_decay_is_decoupled_and_the_discriminators_alone() -> None:
    gan = some_gan(1, weight_decay=0.5, discriminator_rate=0.1, clip=0.0)  # clipped to nothing: only the decay is left
    kernel, first = gan.generator["kernel"].detach().clone(), gan.critic["first"].detach().clone()
    gan.step(0, some_batch())
    gan.step(1, some_batch())
    assert torch.equal(gan.generator["kernel"], kernel)
    assert torch.allclose(gan.critic["first"], first * (1 - 0.1 * 0.5))


def test_the_discriminator_learns_to_tell_text_of_one_phone_from_an_untrained_generator() -> None:
    gan = some_gan(1, generator_rate=0.0, discriminator_rate=1e-2, gradient_penalty=0.1)
    history = [gan.step(update, replace(some_batch(), text=torch.zeros(B, L, dtype=torch.long))) for update in range(80)]
    assert all(math.isfinite(term) for terms in history for term in terms.values())
    first, last = [terms["fake"] + terms["real"] for terms in (history[1], history[-1])]
    assert first > 1.2 and last < 0.7  # two coin tosses cost 1.39


# What a validation reads


def test_lines_lose_silence_and_specials() -> None:
    gan = some_gan(1)
    gan.generator["kernel"].data.zero_()
    gan.generator["kernel"].data[:, :, 2] = torch.eye(V)[:, :D]  # output t is frame t, the one after the last is all zero
    phones = torch.tensor([2, 2, 3, 2, 0, 1])
    batch = plain.Batch(F.one_hot(phones, D)[None].double(), padding(6), None, None)
    assert gan.lines(batch, specials=1, silence=3) == [[2, 2, 1]]


def test_weighted_perplexity_by_hand() -> None:
    def uniform(line: list[int]) -> float:
        return -(len(line) + 1) * math.log10(10)

    # Five phones and two ends at 1/10 each: a perplexity of 10; three of four symbols were seen.
    assert abs(plain.weighted_lm_perplexity([[0, 1, 0], [2, 1]], uniform, symbols=4) - 10 / (3 / 4) ** 2) < 1e-9
    assert plain.weighted_lm_perplexity([[], []], uniform, symbols=4) == math.inf
