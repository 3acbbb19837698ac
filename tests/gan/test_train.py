"""Training: each step moves its own player only, a saved player goes on to the same bits, and a planted truth is approached."""

import numpy as np
import pytest
import torch

from tests.gan.toy import PHONES, confuse, sentences, toy_speech, toy_text
from wavu.gan.batches import Batches
from wavu.gan.label import label
from wavu.gan.model import Discriminator, Generator
from wavu.gan.noise import Noise
from wavu.gan.train import Player, discriminator_step, generator_step
from wavu.gan.warm_start import initial_generator
from wavu.store import Ragged

CPU = torch.device("cpu")
ADAM = {"weight_decay": 1e-4, "betas": (0.5, 0.98), "epsilon": 1e-6, "clip_norm": 5.0}


def players(*seeds: int, kernel: torch.Tensor | None = None) -> tuple[Player, Player]:
    noise = Noise(seeds, 0, CPU)
    drawn = Generator.drawn(noise, phones=len(PHONES), dim=8, kernel=4, dropout=0.1)
    generator = drawn if kernel is None else Generator(kernel[None], dropout=0.1)
    discriminator = Discriminator(noise, phones=len(PHONES), channels=32, kernel=6)
    return Player.of(generator, learning_rate=4e-4, **ADAM), Player.of(discriminator, learning_rate=2e-3, **ADAM)


def batches(segments: Ragged, batch_size: int) -> Batches:
    return Batches(segments, sentences(toy_text(600, 0)), phones=len(PHONES), batch_size=batch_size, device=CPU)


def play(pair: tuple[Player, Player], drawn: Batches, seeds: list[int], updates: range, head_start: int = 0) -> None:
    for update in updates:
        noise = Noise(seeds, update, CPU)
        batch = drawn.draw(noise)
        if update % 2 and update > head_start:
            generator_step(pair[0], pair[1].network, batch, noise, diversity=1.0, smoothness=0.0)
        else:
            discriminator_step(pair[0].network, pair[1], batch, noise, gradient_penalty=5.0, slope=0.0)


def state(player: Player) -> list[torch.Tensor]:
    return [tensor.clone() for tensor in player.tensors().values()]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return len(before) == len(after) and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_each_step_moves_its_own_player_and_names_its_losses() -> None:
    generator, discriminator = players(1, 2)
    noise = Noise([1, 2], 1, CPU)
    batch = batches(toy_speech(20, 0)[0], 4).draw(noise)
    before = state(discriminator)
    losses = generator_step(generator, discriminator.network, batch, noise, diversity=4.0, smoothness=0.5)
    assert same(before, state(discriminator)) and all(
        name.startswith("generator/") and value.shape == (2,) for name, value in losses.items()
    )
    before = state(generator)
    losses = discriminator_step(generator.network, discriminator, batch, noise, gradient_penalty=1.5, slope=1.0)
    assert same(before, state(generator)) and all(name.startswith("discriminator/") for name in losses)
    assert not losses["discriminator/real"].requires_grad


def test_a_restored_player_goes_on_to_the_same_bits() -> None:
    drawn = batches(toy_speech(20, 0)[0], 4)
    whole, first, second = players(3), players(3), players(4)
    play(whole, drawn, [3], range(1, 9))
    play(first, drawn, [3], range(1, 5))
    for saved, other in zip(first, second, strict=True):
        other.restore({name: value.clone() for name, value in saved.tensors().items()})
    play(second, drawn, [3], range(5, 9))
    assert all(same(state(a), state(b)) for a, b in zip(whole, second, strict=True))


def test_gradients_are_clipped_member_by_member() -> None:
    generator, _ = players(1, 2)
    target = torch.zeros_like(generator.network.kernel)
    scale = torch.tensor([1e-3, 1e3])
    norms = generator.follow(((generator.network.kernel - target).square().sum((1, 2, 3))) * scale)
    lengths = generator.network.kernel.grad.flatten(1).norm(dim=1)
    assert norms[0] < 5 < norms[1]
    assert torch.allclose(lengths, torch.tensor([norms[0].item(), 5.0]), rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_training_mends_errors_that_have_a_system(seed: int) -> None:
    segments, truth = toy_speech(300, seed, dim=40, noise=0.8)
    wrong = confuse(segments, seed, 1.6)
    kernel = initial_generator(
        segments, wrong, phones=6, taps=4, ridge=1e-4, iterations=60, examples=10_000, confidence=0.9, seed=0
    )
    pair = players(seed, kernel=kernel)

    def right() -> float:
        return float(np.mean(label(pair[0].network, segments, batch_size=64)[0].flat == truth.flat))

    before = right()
    play(pair, batches(segments, 32), [seed], range(1, 700), head_start=200)
    assert before < 0.95 and right() > before + 0.005
