"""Small populations over the toy language."""

import numpy as np
import torch

from tests.gan.toy import PHONES, toy_speech, toy_text
from wavu.gan.batches import Batches, Sentences
from wavu.gan.discriminator import Discriminator
from wavu.gan.generator import GENERATOR_STREAM, FrameGenerator, SegmentGenerator
from wavu.gan.members import Member
from wavu.gan.noise import Noise
from wavu.gan.population import Population
from wavu.gan.train import Player, Rules
from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.text.silence import spelled

CPU = torch.device("cpu")
SILENCE = len(PHONES) - 1
ADAM = {"betas": (0.5, 0.98), "epsilon": 1e-6, "clip_norm": 5.0}
REPAIRED = Rules(padding_counts=False, joint_clipping=False)
ORIGINAL = Rules(padding_counts=True, joint_clipping=True)
SETTINGS = {
    "generator.learning_rate": 4e-4, "discriminator.learning_rate": 2e-3, "loss.gradient_penalty": 1.5, "loss.slope": 1.0,
    "loss.diversity": 4.0, "loss.smoothness": 0.5, "loss.auxiliary": 0.5,
}  # fmt: skip
CLUSTERS = 5  # of the auxiliary loss


def sentences(text: Text, **changes) -> Sentences:
    settings = {"probability": 0.25, "before": 1.0, "after": 1.0, "repeats": False, "padding": -1, "buckets": 2, "device": CPU}
    return Sentences(*spelled(text), silence=len(text.phones) - 1, **(settings | changes))


def batches(inputs: Ragged, *, lines: Sentences | None = None, **changes) -> Batches:
    settings = {"targets": None, "batch_size": 8, "seed": 0, "home": CPU, "device": CPU}
    lines = lines or sentences(toy_text(50, 0))
    return Batches(inputs, np.arange(len(inputs)), lines, **(settings | changes))


def frames_with_targets(n_utterances: int, seed: int) -> tuple[Ragged, Ragged]:
    """Frames (N, 8), three to a segment, and a cluster for each (N)."""
    segments, labels = toy_speech(n_utterances, seed)
    offsets = segments.offsets * 3
    return Ragged(np.repeat(segments.flat, 3, axis=0), offsets), Ragged(np.repeat(labels.flat % CLUSTERS, 3), offsets)


def heard_batches(hears: str, **changes) -> Batches:
    """What generators of this kind are trained on."""
    if hears == "segments":
        return batches(toy_speech(40, 0)[0], **changes)
    frames, targets = frames_with_targets(40, 0)
    return batches(frames, **({"targets": targets} | changes))


def different(count: int, **changes: float) -> list[Member]:
    """Members of which no two share a seed or a setting."""
    settings = SETTINGS | changes
    return [Member(n, 3 * n, {name: value * (1 + 0.1 * n) for name, value in settings.items()}) for n in range(count)]


def players(seeds: list[int], hears: str = "segments", device: torch.device = CPU, **shape: float) -> tuple[Player, Player]:
    noise = Noise(seeds, 0, device, stream=GENERATOR_STREAM)
    shape = {"phones": len(PHONES), "dim": 8, "kernel": 4, "dropout": 0.1} | shape
    if hears == "segments":
        generator = SegmentGenerator.drawn(noise, **shape, extra_output=False)
    else:
        generator = FrameGenerator.drawn(
            noise, **shape | {"kernel": 9}, gain=5.0, targets=CLUSTERS, stride=3, padding_counts=False
        )
    discriminator = Discriminator(Noise(seeds, 0, device), phones=shape["phones"], channels=16, kernel=6)
    rates = torch.zeros(len(seeds), device=device)
    return (
        Player.of(generator, learning_rates=rates, weight_decay=0.0, **ADAM),
        Player.of(discriminator, learning_rates=rates, weight_decay=1e-4, **ADAM),
    )


def crowd(members: list[Member], hears: str = "segments", *, rules: Rules = REPAIRED, head_start: int = 0, **shape) -> Population:
    return Population(members, *players([member.seed for member in members], hears, **shape), rules, head_start)


def warm(population: Population, kernel: torch.Tensor) -> Population:
    """The same, all generators with this kernel (V, d, k)."""
    population.generator.network.kernel.data[:] = kernel
    return population


def play(population: Population, drawn: Batches, updates: int) -> list[dict[str, torch.Tensor]]:
    """So many updates; the losses of each."""
    return [population.train(drawn.draw(population.seeds, population.update + 1)) for _ in range(updates)]


def state(population: Population) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in population.tensors().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """To the bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def rows(tensors: dict[str, torch.Tensor], which: list[int]) -> dict[str, torch.Tensor]:
    """Those of some of the members."""
    return {name: value[which] if value.ndim else value for name, value in tensors.items()}
