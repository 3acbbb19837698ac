"""Randomness as a function of (seed, update): nothing to save, and no member depends on who is trained beside it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

_KEPT = 2**16  # steps of a share of what is kept: two bytes of chance per value


class Noise:
    """The random numbers of M members in one update, each member's drawn from its own seed.

    seeds: one per member. update: number of the update, counted from 1; 0 is the initialisation. stream: numbers of another
    stream have nothing to do with these.
    """

    def __init__(self, seeds: Sequence[int], update: int, device: torch.device, *, stream: int = 0) -> None:
        self.device = device
        states = [np.random.SeedSequence([seed, update, stream]).generate_state(1)[0] for seed in seeds]
        self._streams = [torch.Generator(device).manual_seed(int(state)) for state in states]

    def uniform(self, *shape: int) -> Tensor:
        """Numbers in [0, 1), (M, *shape)."""
        return torch.stack([torch.rand(shape, generator=stream, device=self.device) for stream in self._streams])

    def kept(self, share: float, *shape: int) -> Tensor:
        """1 for what is kept, 0 for what is dropped, (M, *shape) bool; share: kept on average, to 2^-16.

        Two bytes of chance per value instead of torch's eight: dropout would otherwise be a tenth of an update on a CPU.
        """
        count = torch.Size(shape).numel()
        bytes_ = torch.stack(
            [
                torch.empty(-(-count // 2), dtype=torch.int32, device=self.device).random_(-(2**31), 2**31, generator=stream)
                for stream in self._streams
            ]
        )
        chance = bytes_.view(torch.int16)[:, :count].view(len(bytes_), *shape)
        # Not `<`: its right side would leave the 16 bits when all is kept, and come back as the lowest number there is.
        return chance <= round(share * _KEPT) - _KEPT // 2 - 1

    def weights(self, *shape: int, fan_in: int | None = None) -> Tensor:
        """Uniform in +-1 / sqrt(fan_in), (M, *shape): what torch's convolutions start from.

        fan_in: inputs of one output; when left out, all dims but the first, as for a kernel (outputs, inputs, taps).
        """
        fan_in = fan_in or torch.Size(shape[1:]).numel()
        return (2 * self.uniform(*shape) - 1) / fan_in**0.5
