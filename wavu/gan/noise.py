"""Randomness as a function of (seed, update): nothing to save, and no member depends on who is trained beside it."""

from collections.abc import Sequence

import numpy as np
import torch


class Noise:
    """The random numbers of M members in one update, each member's drawn from its own seed.

    seeds: one per member. update: number of the update, counted from 1; 0 is the initialisation. host: one generator per
    member for what is drawn on the host.
    """

    def __init__(self, seeds: Sequence[int], update: int, device: torch.device) -> None:
        self.host = [np.random.default_rng([seed, update]) for seed in seeds]
        self._device = device

    def uniform(self, *shape: int) -> torch.Tensor:
        """Numbers in [0, 1), (M, *shape), on the device.

        Every call starts a stream of its own, and on a CPU a longer first dim only goes on with it: where that is time, a
        member draws the same beside neighbours whose utterances are longer.
        """
        streams = [torch.Generator(self._device).manual_seed(int(rng.integers(2**32))) for rng in self.host]
        return torch.stack([torch.rand(shape, generator=stream, device=self._device) for stream in streams])
