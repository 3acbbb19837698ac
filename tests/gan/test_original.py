"""fidelity=original computes what the original does: every term, gradient norm and step against a plain float64 transcription."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
import plain_gan as plain

from wavu.gan.batches import Batch
from wavu.gan.discriminator import Discriminator
from wavu.gan.generator import FrameGenerator, SegmentGenerator
from wavu.gan.members import Member
from wavu.gan.population import Population
from wavu.gan.train import Player, Rules

CPU = torch.device("cpu")
MEMBERS, B, S, L, DIM, PHONES, CHANNELS, TARGETS = 2, 5, 13, 17, 6, 9, 8, 4
PAD = PHONES - 1
ORIGINAL = Rules(padding_counts=True, joint_clipping=True)
NAMES = {
    "fake": ("generator/passes", "discriminator/made_up"), "real": ("", "discriminator/real"),
    "gradient_penalty": ("", "discriminator/gradient_penalty"), "diversity": ("generator/diversity", ""),
    "smoothness": ("generator/smoothness", ""), "auxiliary": ("generator/auxiliary", ""),
    "norm": ("generator/gradient_norm", "discriminator/gradient_norm"),
}  # fmt: skip


class Handed:
    """Noise that gives every member the numbers that the plain code was handed."""

    def __init__(self, draws: plain.Draws) -> None:
        self.masks, self.uniforms = list(draws.keep), [draws.positions, draws.alpha]

    def kept(self, share: float, *shape: int) -> torch.Tensor:
        return self.masks.pop(0).expand(MEMBERS, *shape)

    def uniform(self, *shape: int) -> torch.Tensor:
        return self.uniforms.pop(0)[..., : shape[-1]].expand(MEMBERS, *shape)


@pytest.fixture(autouse=True)
def doubles() -> None:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def networks(version: int, seed: int) -> tuple[dict, dict, plain.Settings]:
    torch.manual_seed(seed)
    taps = {1: 6, 2: 8}[version]
    generator = plain.fresh_v1(PHONES, DIM) if version == 1 else plain.fresh_v2(PHONES, DIM, classes=TARGETS)
    if version == 2:
        generator["gamma"] *= 0.1  # so that the softmax is not saturated and every term has a slope
    critic = plain.fresh_discriminator(PHONES, channels=CHANNELS, taps=taps)
    return generator, critic, {1: plain.V1, 2: plain.V2}[version]


def stacked(generator: dict, critic: dict, settings: plain.Settings) -> Population:
    """The same weights for every member."""

    def many(weights: torch.Tensor) -> torch.Tensor:
        return weights.detach().clone().expand(MEMBERS, *weights.shape).clone()

    if "gamma" in generator:
        names = {
            "gain": "gamma", "shift": "beta", "linear": "residual", "linear_bias": "residual_bias", "kernel": "kernel", "head": "head",
            "head_bias": "head_bias", "mean": "running_mean", "variance": "running_var",
        }  # fmt: skip
        tensors = {ours: many(generator[theirs]) for ours, theirs in names.items()}
        network = FrameGenerator(tensors, dropout=settings.dropout, stride=3, padding_counts=True)
    else:
        network = SegmentGenerator(many(generator["kernel"]), dropout=settings.dropout, extra_output=True)
    discriminator = Discriminator.__new__(Discriminator)
    torch.nn.Module.__init__(discriminator)
    shapes = {"last": critic["last"][0], "offset": critic["last_bias"][0]}
    for name, value in ({name: critic[name] for name in ("first", "first_bias", "second", "second_bias")} | shapes).items():
        setattr(discriminator, name, torch.nn.Parameter(many(value)))
    chosen = {
        "generator.learning_rate": settings.generator_rate, "discriminator.learning_rate": settings.discriminator_rate,
        "loss.gradient_penalty": settings.gradient_penalty, "loss.slope": 1.0, "loss.diversity": settings.diversity,
        "loss.smoothness": settings.smoothness, "loss.auxiliary": settings.auxiliary,
    }  # fmt: skip
    adam = {"betas": (0.5, 0.98), "epsilon": 1e-6, "clip_norm": settings.clip, "learning_rates": torch.zeros(MEMBERS)}
    players = [
        Player.of(network, weight_decay=0.0, **adam),
        Player.of(discriminator, weight_decay=settings.weight_decay, **adam),
    ]
    members = [Member(number, number, chosen) for number in range(MEMBERS)]
    return Population(members, *players, ORIGINAL, head_start=0)


def batch(seed: int, version: int) -> tuple[plain.Batch, Batch]:
    """The same batch twice; ours has more padding than its longest row needs."""
    torch.manual_seed(seed)
    lengths, text_lengths = torch.tensor([S, 9, 4, 7, S]), torch.tensor([12, L, 5, 11, 3])
    pad = torch.arange(S) >= lengths[:, None]
    features = torch.randn(B, S, DIM).masked_fill(pad[..., None], 0.0)
    text_pad = torch.arange(L) >= text_lengths[:, None]
    text = torch.randint(0, PAD, (B, L)).masked_fill(text_pad, PAD)
    fast = torch.randint(0, TARGETS, (B, 2 * S)).masked_fill(pad.repeat_interleave(2, 1), -1)

    def many(value: torch.Tensor, extra: int, fill: float) -> torch.Tensor:
        shape = list(value.shape)
        shape[1] = extra
        return torch.cat([value, value.new_full(shape, fill)], 1).expand(MEMBERS, -1, *[-1] * (value.ndim - 1))

    targets = many(fast[:, ::2], 3, -1) if version == 2 else None
    ours = Batch(
        many(features, 3, 0.0), lengths.expand(MEMBERS, -1), many(text, 2, PAD), text_lengths.expand(MEMBERS, -1), targets
    )
    return plain.Batch(features, pad, text, text_pad, fast), ours


def draws(version: int, seed: int) -> plain.Draws:
    torch.manual_seed(1000 + seed)
    keep = tuple(torch.rand(B, S, DIM) > 0.1 for _ in range(version))
    return plain.Draws(keep, torch.rand(B, S + 8), torch.rand(B))


def with_padding(given: plain.Draws) -> plain.Draws:
    """The same for rows with three more places."""
    return replace(given, keep=tuple(torch.cat([mask, torch.ones(B, 3, DIM, dtype=bool)], 1) for mask in given.keep))


def hand(monkeypatch: pytest.MonkeyPatch, given: plain.Draws) -> None:
    """Let the next update draw this."""
    monkeypatch.setattr("wavu.gan.population.Noise", lambda *_: Handed(given))


@pytest.mark.parametrize("version", [1, 2])
def test_every_term_norm_and_step_equals_the_plain_transcription(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator, critic, settings = networks(version, 0)
    population = stacked(generator, critic, settings)
    original = plain.PlainGan(generator, critic, settings)
    weights = {
        "gradient_penalty": settings.gradient_penalty, "diversity": settings.diversity, "smoothness": settings.smoothness,
        "auxiliary": settings.auxiliary,
    }  # fmt: skip
    seen = set()
    for update in range(6):
        theirs, ours = batch(update, version)
        given = draws(version, update)
        expected = original.step(update, theirs, given)
        hand(monkeypatch, with_padding(given))
        found = population.train(ours)
        for name, value in expected.items():
            own = found[NAMES[name][update % 2]]
            assert own.shape == (MEMBERS,)
            assert torch.allclose(own * weights.get(name, 1.0), torch.full((MEMBERS,), value), rtol=1e-6, atol=1e-6), (
                update,
                name,
            )
            assert abs(value) > 1e-9, f"{name} is not tested by a zero"
            seen.add(NAMES[name][update % 2])
    assert len(seen) == {1: 8, 2: 9}[version]
    kernel = population.generator.network.kernel
    assert torch.allclose(kernel, generator["kernel"].detach().expand_as(kernel), atol=1e-6)
    second = population.discriminator.network.second
    assert torch.allclose(second, critic["second"].detach().expand_as(second), atol=1e-6)
    if version == 2:
        assert torch.allclose(population.generator.network.variance[0], generator["running_var"], atol=1e-9)


@pytest.mark.parametrize(
    "rules", [Rules(padding_counts=False, joint_clipping=True), Rules(padding_counts=True, joint_clipping=False)]
)
def test_each_repair_changes_something(rules: Rules, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for own in (ORIGINAL, rules):
        population = stacked(*networks(1, 0))
        population.rules = own
        terms = {}
        for update in range(2):
            hand(monkeypatch, with_padding(draws(1, update)))
            terms |= population.train(batch(update, 1)[1])
        found.append(torch.stack(list(terms.values())))
    assert not torch.allclose(*found, rtol=1e-4)
