"""Training: each step moves its own player only, Adam is torch's, losses are made of what they should, a planted truth is approached."""

import numpy as np
import pytest
import torch
from torch import nn

from tests.gan.crowd import (
    ADAM,
    CPU,
    ORIGINAL,
    REPAIRED,
    SETTINGS,
    batches,
    crowd,
    different,
    heard_batches,
    play,
    players,
    sentences,
    warm,
)
from tests.gan.toy import confuse, toy_speech, toy_text
from wavu.gan import losses
from wavu.gan.join import join
from wavu.gan.label import label
from wavu.gan.members import Member
from wavu.gan.noise import Noise
from wavu.gan.train import Player, discriminator_step, generator_step
from wavu.gan.warm_start import initial_kernel

RULES = {"repaired": REPAIRED, "original": ORIGINAL}
WEIGHTS = {
    "gradient_penalty": torch.tensor([1.5, 2.0]),
    "slope": torch.tensor([1.0, 0.5]),
    "diversity": torch.tensor([4.0, 2.0]),
    "smoothness": torch.tensor([0.5, 0.7]),
    "auxiliary": torch.tensor([0.3, 1.0]),
}


class Bowl(nn.Module):
    """Parameters of M members, pulled to zero by their own strength."""

    def __init__(self, *starts: torch.Tensor) -> None:
        super().__init__()
        self.parts = nn.ParameterList([start.clone() for start in starts])

    def forward(self, strength: torch.Tensor, time: int) -> torch.Tensor:
        # Transposed in memory, as a gradient may be too.
        parts = [part.mT.contiguous() if part.ndim > 2 else part for part in self.parts]
        pulled = [((part - time / (1 + index)) ** 2).reshape(len(part), -1).sum(1) for index, part in enumerate(parts)]
        return strength * sum(pulled)


def state(player: Player) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in player.tensors().values()]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return len(before) == len(after) and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_following_is_torchs_adam_for_each_member() -> None:
    M, rates = 3, torch.tensor([1e-3, 4e-2, 5e-1])
    starts = torch.randn(M, 4, 3, generator=torch.Generator().manual_seed(0)), torch.ones(M)
    strength = torch.tensor([1e-3, 1.0, 1e3])  # one is never clipped, one always
    ours = Player.of(Bowl(*starts), learning_rates=rates, weight_decay=0.01, **ADAM)
    plain = [Bowl(*(start[m : m + 1] for start in starts)) for m in range(M)]
    adams = [
        torch.optim.AdamW(bowl.parameters(), lr=rate, betas=ADAM["betas"], eps=ADAM["epsilon"], weight_decay=0.01)
        for bowl, rate in zip(plain, rates.tolist(), strict=True)
    ]
    for time in range(12):
        norms = ours.follow(ours.network(strength, time))
        for m, (bowl, adam) in enumerate(zip(plain, adams, strict=True)):
            adam.zero_grad()
            bowl(strength[m : m + 1], time).sum().backward()
            norm = nn.utils.clip_grad_norm_(bowl.parameters(), ADAM["clip_norm"])
            adam.step()
            assert torch.allclose(norms[m], norm, rtol=1e-4)
            for part, own in zip(ours.network.parts, bowl.parts, strict=True):
                assert torch.allclose(part[m], own[0], rtol=1e-4, atol=1e-5)


def test_the_other_players_gradient_counts_where_it_shall() -> None:
    own, other = (Bowl(torch.full((2, 3), value)) for value in (1.0, 10.0))
    player = Player.of(own, learning_rates=torch.ones(2), weight_decay=0.0, **ADAM)
    strength = torch.tensor([1e-3, 1.0])
    before = other.parts[0].detach().clone()
    norms = player.follow(own(strength, 0) + other(strength, 0), beside=other)
    plain = 2 * strength * (3 * 1 + 3 * 100) ** 0.5
    assert torch.allclose(norms, plain)
    clipped = 2 * strength * 3**0.5 * (5 / plain).clamp(max=1)
    assert torch.allclose(own.parts[0].grad.norm(dim=1), clipped)
    assert torch.equal(other.parts[0], before)


@pytest.mark.parametrize("hears", ["segments", "frames"])
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_each_step_moves_its_own_player_and_names_its_losses(hears: str, rules) -> None:
    generator, discriminator = players([1, 2], hears)
    generator.learning_rates[:], discriminator.learning_rates[:] = 1e-3, 1e-3
    noise, batch = Noise([1, 2], 1, CPU), heard_batches(hears).draw([1, 2], 1)
    before, own = state(discriminator), state(generator)
    terms = generator_step(generator, discriminator.network, batch, noise, rules, WEIGHTS)
    assert same(before, state(discriminator)) and not same(own, state(generator))
    names = {"passes", "diversity", "smoothness", "gradient_norm"} | ({"auxiliary"} if hears == "frames" else set())
    assert terms.keys() == {f"generator/{name}" for name in names}
    before, own = [parameter.clone() for parameter in generator.network.parameters()], state(discriminator)
    terms |= discriminator_step(generator.network, discriminator, batch, noise, rules, WEIGHTS)
    assert same(before, list(generator.network.parameters())) and not same(own, state(discriminator))
    assert {f"discriminator/{name}" for name in ("made_up", "real", "gradient_penalty", "gradient_norm")} < terms.keys()
    assert all(value.shape == (2,) and not value.requires_grad for value in terms.values())


def test_a_term_is_followed_by_its_name_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(losses.GENERATOR_TERMS, "loudness", lambda it: it.logits.square().mean((1, 2, 3)))
    heard = {
        weight: play(crowd(different(2, **{"loss.loudness": weight})), heard_batches("segments"), 40) for weight in (0.0, 1e3)
    }
    first, last = ({weight: terms[row]["generator/loudness"] for weight, terms in heard.items()} for row in (0, -2))
    assert torch.equal(first[0.0], first[1e3]) and (last[1e3] < last[0.0]).all()


def test_without_targets_a_generator_of_frames_is_trained_all_the_same() -> None:
    population = crowd(different(2), "frames")
    terms = play(population, heard_batches("frames", targets=None), 2)
    assert "generator/auxiliary" not in terms[0] and population.finite().all()


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_losses_and_gradients_are_those_of_the_plain_terms(rules) -> None:
    """Mixtures made before they are heard, one-hot lines, penalties by double backward, gradients of the weighted sum."""
    generator, discriminator = players([1, 2])
    generator.learning_rates[:], discriminator.learning_rates[:] = 1e-3, 1e-3
    batch = batches(toy_speech(40, 0)[0]).draw([1, 2], 1)
    net, judge = generator.network, discriminator.network

    def heard() -> tuple[torch.Tensor, torch.Tensor, Noise]:
        noise = Noise([1, 2], 1, CPU)
        out = net(batch.inputs, batch.lengths, noise)
        return *join(out.logits, out.lengths, noise), noise

    def gradients(loss: torch.Tensor, own: nn.Module, other: nn.Module) -> list[torch.Tensor]:
        both = [*own.parameters(), *(other.parameters() if rules.joint_clipping else [])]
        every = torch.autograd.grad(loss.sum(), both, materialize_grads=True)
        norm = sum(gradient.reshape(2, -1).square().sum(1) for gradient in every).sqrt()
        scale = (5 / norm).clamp(max=1)
        return [gradient * scale.view(-1, *[1] * (gradient.ndim - 1)) for gradient in every[: len(list(own.parameters()))]]

    logits, lengths, _ = heard()
    counts = {"padding_counts": rules.padding_counts}
    loss = losses.called_real(judge(logits.softmax(-1), lengths))
    loss = loss + WEIGHTS["diversity"] * losses.diversity(logits, lengths, **counts)
    loss = loss + WEIGHTS["smoothness"] * losses.smoothness(logits, lengths, **counts)
    plain = gradients(loss, net, judge)
    generator_step(generator, judge, batch, Noise([1, 2], 1, CPU), rules, WEIGHTS)
    assert all(torch.allclose(p.grad, g, atol=1e-6) for p, g in zip(net.parameters(), plain, strict=True))

    logits, lengths, noise = heard()
    made, lines = logits.softmax(-1), batch.phones[..., None].eq(torch.arange(6)).float()
    size, share = min(made.shape[2], lines.shape[2]), noise.uniform(8)[..., None, None]
    mixed = (share * lines[:, :, :size] + (1 - share) * made[:, :, :size]).detach().requires_grad_()
    pair = lengths, batch.phone_lengths
    if rules.padding_counts:
        pair = [each.amax(1, keepdim=True).expand(2, 8) for each in pair]
    (slope,) = torch.autograd.grad(judge(mixed, torch.minimum(*pair)).sum(), mixed, create_graph=True)
    penalty = losses.gradient_penalty(slope, WEIGHTS["slope"])
    loss = losses.called_made_up(judge(made, lengths)) + losses.called_real(judge(lines, batch.phone_lengths))
    plain = gradients(loss + WEIGHTS["gradient_penalty"] * penalty, judge, net)
    terms = discriminator_step(net, discriminator, batch, Noise([1, 2], 1, CPU), rules, WEIGHTS)
    assert torch.allclose(terms["discriminator/gradient_penalty"], penalty, atol=1e-5)
    if not rules.joint_clipping:  # there the penalty's mixture leads into the generator as well, and into the norm
        assert all(torch.allclose(p.grad, g, atol=1e-5) for p, g in zip(judge.parameters(), plain, strict=True))


@pytest.mark.parametrize("hears", ["segments", "frames"])
def test_a_restored_player_goes_on_to_the_same_bits(hears: str) -> None:
    drawn, members = heard_batches(hears), different(2)
    whole, first, second = (crowd(members, hears) for _ in range(3))
    play(whole, drawn, 8)
    play(first, drawn, 4)
    second.restore({name: value.clone() for name, value in first.tensors().items()}, 4)
    play(second, drawn, 4)
    for name in ("generator", "discriminator"):
        assert same(state(getattr(whole, name)), state(getattr(second, name)))


def test_training_mends_errors_that_have_a_system() -> None:
    segments, truth = toy_speech(300, 0, dim=40, noise=0.8)
    kernel = initial_kernel(
        lambda rows, _: rows, segments, confuse(segments, 0, 1.6),
        phones=6, taps=4, stride=1, ridge=1e-4, iterations=60, examples=10_000, confidence=0.9, seed=0,
    )  # fmt: skip
    settings = SETTINGS | {"loss.gradient_penalty": 5.0, "loss.slope": 0.0, "loss.diversity": 1.0, "loss.smoothness": 0.0}
    population = warm(crowd([Member(seed, seed, settings) for seed in range(2)], dim=40, head_start=100), kernel)

    def right() -> np.ndarray:
        every = label(population.generator.network, segments, silence=5, batch_size=64)
        return np.array([np.mean(labels.flat == truth.flat) for labels in every])

    before = right()
    play(population, batches(segments, batch_size=32, lines=sentences(toy_text(600, 0))), 400)
    assert before.max() < 0.95 and (right() > before + 0.005).all()
