"""Noise: the same numbers for the same seed and update, whoever stands beside."""

import pytest
import torch

from wavu.gan.noise import Noise

CPU = torch.device("cpu")


def test_numbers_depend_on_seed_and_update_only() -> None:
    alone, company = Noise([7], 3, CPU), Noise([1, 7], 3, CPU)
    assert torch.equal(alone.uniform(4, 5)[0], company.uniform(4, 5)[1])
    assert torch.equal(alone.kept(0.5, 5, 3)[0], company.kept(0.5, 5, 3)[1])
    assert torch.equal(alone.weights(5, 3, 2)[0], company.weights(5, 3, 2)[1])
    assert not torch.equal(Noise([7], 3, CPU).uniform(9), Noise([7], 4, CPU).uniform(9))
    assert not torch.equal(Noise([7], 3, CPU).uniform(9), Noise([8], 3, CPU).uniform(9))
    assert not torch.equal(Noise([7], 3, CPU).uniform(9), Noise([7], 3, CPU, stream=1).uniform(9))


def test_numbers_are_uniform() -> None:
    numbers = torch.cat([Noise([seed], 0, CPU).uniform(100) for seed in range(200)])
    assert numbers.min() >= 0 and numbers.max() < 1
    assert (torch.histc(numbers, 10, 0, 1) / numbers.numel() - 0.1).abs().max() < 0.01


@pytest.mark.parametrize("share", [2**-16, 0.1, 0.5, 0.9, 1 - 2**-16])
def test_as_many_are_kept_as_told_each_by_its_own_chance(share: float) -> None:
    kept = Noise([7, 8], 3, CPU).kept(share, 301, 333)
    assert kept.shape == (2, 301, 333) and kept.dtype == torch.bool
    deviation = (share * (1 - share)) ** 0.5
    assert abs(kept.double().mean() - share) < 5 * deviation / kept.numel() ** 0.5
    centred = kept.double() - share
    for one, next_one in ((centred[:, :, 1:], centred[:, :, :-1]), (centred[:, 1:], centred[:, :-1]), (centred[:1], centred[1:])):
        assert abs((one * next_one).mean()) < 5 * deviation**2 / one.numel() ** 0.5 + 1e-8


def test_where_nothing_is_to_be_dropped_all_is_kept() -> None:
    assert Noise([7], 3, CPU).kept(1.0, 100, 101).all()


@pytest.mark.parametrize(("shape", "fan_in", "bound"), [((50, 4, 9), None, 1 / 6), ((400,), 25, 0.2), ((), 4, 0.5)])
def test_weights_fill_the_range_torchs_convolutions_start_from(shape: tuple[int, ...], fan_in: int | None, bound: float) -> None:
    weights = Noise(range(20), 0, CPU).weights(*shape, fan_in=fan_in)
    assert weights.shape == (20, *shape)
    assert 0.8 * bound < weights.abs().max() <= bound and weights.min() < 0 < weights.max()
