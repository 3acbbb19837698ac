"""Randomness as a function of (seed, update): nothing to save, and no member depends on who is trained beside it."""

from collections.abc import Sequence

import numpy as np
import torch


class Noise:
    """The random numbers of M members in one update, each member's drawn from its own seed.

    seeds: one per member. update: number of the update, counted from 1; 0 is the initialisation.
    """

    def __init__(self, seeds: Sequence[int], update: int, device: torch.device) -> None:
        self.host = [np.random.default_rng([seed, update]) for seed in seeds]
        self._device = device
        self._generators = [torch.Generator(device).manual_seed(int(rng.integers(2**32))) for rng in self.host]

    def uniform(self, *shape: int) -> torch.Tensor:
        """Numbers in [0, 1), (M, *shape), on the device."""
        draws = [torch.rand(shape, generator=generator, device=self._device) for generator in self._generators]
        return torch.stack(draws)
