"""Noise: the same numbers for the same seed and update, whoever stands beside."""

import torch

from wavu.gan.noise import Noise

CPU = torch.device("cpu")


def test_numbers_depend_on_seed_and_update_only() -> None:
    alone, company = Noise([7], 3, CPU), Noise([1, 7], 3, CPU)
    assert torch.equal(alone.uniform(4, 5)[0], company.uniform(4, 5)[1])
    assert not torch.equal(Noise([7], 3, CPU).uniform(9), Noise([7], 4, CPU).uniform(9))
    assert not torch.equal(Noise([7], 3, CPU).uniform(9), Noise([8], 3, CPU).uniform(9))


def test_a_longer_first_dim_goes_on_where_the_shorter_ended() -> None:
    short, long = Noise([7], 3, CPU), Noise([7], 3, CPU)
    assert torch.equal(short.uniform(5, 7), long.uniform(9, 7)[:, :5])
    assert torch.equal(short.uniform(4), long.uniform(4))


def test_numbers_are_uniform() -> None:
    numbers = torch.cat([Noise([seed], 0, CPU).uniform(100) for seed in range(200)])
    assert numbers.min() >= 0 and numbers.max() < 1
    assert (torch.histc(numbers, 10, 0, 1) / numbers.numel() - 0.1).abs().max() < 0.01
