"""Who plays before the first update: speech and text to draw from, generators and discriminators."""

from functools import partial

import numpy as np
import torch

from wavu.gan.batches import Batches, Sentences
from wavu.gan.discriminator import Discriminator
from wavu.gan.generator import GENERATOR_STREAM, FrameGenerator, Generator, SegmentGenerator
from wavu.gan.members import Member
from wavu.gan.noise import Noise
from wavu.gan.population import Population
from wavu.gan.train import Player, Rules
from wavu.gan.warm_start import initial_kernel
from wavu.prepared import Text
from wavu.stages.decipherment import GanTask
from wavu.text.silence import spelled


def batches_of(
    task: GanTask,
    text: Text,
    rows: np.ndarray,
    *,
    auxiliary: bool,
    special_phones: int,
    repeated_phones: bool,
    buckets: int,
    batch_size: int,
    seed: int,
    device: torch.device,
) -> Batches:
    """Speech and text to draw from, on the device if they fit into half of what is free there.

    rows: of the utterances to train on. auxiliary: whether generators guess the targets of the speech too. special_phones,
    repeated_phones: as in the original.
    """
    phones, word_starts = spelled(text)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    home = device if 2 * (task.inputs.flat.nbytes + 3 * len(phones.flat)) < free else torch.device("cpu")
    sentences = Sentences(
        phones,
        word_starts,
        silence=len(text.phones) - 1,
        **task.silence,
        repeats=repeated_phones,
        padding=len(text.phones) if special_phones else -1,
        buckets=buckets,
        device=home,
    )
    targets = task.speech.targets if auxiliary else None
    return Batches(task.inputs, rows, sentences, targets=targets, batch_size=batch_size, seed=seed, home=home, device=device)


def population_of(
    task: GanTask,
    members: list[Member],
    *,
    phones: int,
    generator: dict,
    discriminator: dict,
    adam: dict,
    regression: dict,
    extra_output: bool,
    padding_counts: bool,
    joint_clipping: bool,
    seed: int,
    device: torch.device,
) -> Population:
    """All members before their first update.

    phones: symbols of the text. generator, discriminator: their shapes. adam: of both. regression: how a warm start is learned
    by heart. extra_output, padding_counts, joint_clipping: as in the original.
    """
    seeds = [member.seed for member in members]
    if task.hears == "segments":
        kind, more = SegmentGenerator, {"extra_output": extra_output}
    else:
        kind, more = FrameGenerator, {"targets": task.speech.n_targets or 1, "padding_counts": padding_counts}
    draw = partial(kind.drawn, phones=phones, dim=task.inputs.flat.shape[1], **generator, **more)
    if task.labels is None:
        network = draw(Noise(seeds, 0, device, stream=GENERATOR_STREAM))
    else:
        one = draw(Noise(seeds[:1], 0, torch.device("cpu"), stream=GENERATOR_STREAM))
        network = (
            _warmed(one, task, phones=phones, taps=generator["kernel"], seed=seed, **regression).repeated(len(seeds)).to(device)
        )
    shape = {name: discriminator[name] for name in ("channels", "kernel")}
    rates = torch.zeros(len(members), device=device)  # the members have their own
    return Population(
        members,
        Player.of(network, learning_rates=rates, weight_decay=0.0, **adam),
        Player.of(
            Discriminator(Noise(seeds, 0, device), phones=phones, **shape),
            learning_rates=rates,
            weight_decay=discriminator["weight_decay"],
            **adam,
        ),
        Rules(padding_counts=padding_counts, joint_clipping=joint_clipping),
        head_start=discriminator["head_start"],
    )


def _warmed(one: Generator, task: GanTask, *, phones: int, taps: int, seed: int, **regression: float) -> Generator:
    """A single generator that says what the warm start says."""
    one.acquaint(task.inputs)
    kernel = initial_kernel(
        one.hidden, task.inputs, task.labels, phones=phones, taps=taps, stride=one.stride, seed=seed, **regression
    )
    one.kernel.data = kernel[None]
    return one
