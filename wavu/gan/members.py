"""Who the GANs trained side by side are: each has its seed and its own settings; bad ones give their place to copies of good ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Member:
    """One GAN. number: never given twice. settings: what may differ between members, by name.

    born: the update after which it began. parent: number of the one it is a copy of.
    """

    number: int
    seed: int
    settings: dict[str, float]
    born: int = 0
    parent: int | None = None


def first_members(
    count: int | None, *, seed: int, settings: Mapping[str, float], grid: Mapping[str, Sequence[float]], seeds: int
) -> list[Member]:
    """The members a run begins with.

    grid: values to try for some of the settings; every combination with every one of so many seeds, the grid first. count:
    so many members, going through the grid as often as needed; None: the whole grid with all seeds, once.

    >>> [(m.seed, m.settings["a"]) for m in first_members(None, seed=3, settings={"a": 0.0}, grid={"a": [1, 2]}, seeds=2)]
    [(3, 1.0), (3, 2.0), (4, 1.0), (4, 2.0)]
    """
    points = [dict(zip(grid, map(float, values), strict=True)) for values in product(*grid.values())]
    count = len(points) * seeds if count is None else count
    return [Member(index, seed + index // len(points), {**settings, **points[index % len(points)]}) for index in range(count)]


def mutated(parent: Member, *, number: int, born: int, factors: Sequence[float]) -> Member:
    """A copy with a seed of its own and each of its settings multiplied by one of the factors, drawn by its number.

    Jaderberg et al. 2017 (population based training), "perturb".
    """
    rng = np.random.default_rng([parent.seed, number])
    settings = {name: value * float(rng.choice(factors)) for name, value in parent.settings.items()}
    return replace(parent, number=number, seed=int(rng.integers(2**31)), settings=settings, born=born, parent=parent.number)


def setting(members: Sequence[Member], name: str, device: torch.device) -> Tensor:
    """One setting of all members, (M)."""
    return torch.tensor([member.settings[name] for member in members], device=device)
