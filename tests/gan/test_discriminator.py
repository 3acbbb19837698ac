"""The critic against three plain convolutions and torch's double backward, in float64."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from wavu.gan import losses
from wavu.gan.discriminator import Discriminator
from wavu.gan.noise import Noise

M, B, L, V, C = 2, 4, 9, 5, 7
LENGTHS = torch.tensor([[9, 1, 4, 2], [2, 9, 7, 5]])
KERNELS = [1, 2, 6]


def discriminator(kernel: int) -> Discriminator:
    """Weights larger than those a training begins with: the GELU shall bend."""
    net = Discriminator(Noise([1, 2], 0, torch.device("cpu")), phones=V, channels=C, kernel=kernel).double()
    for parameter in net.parameters():
        parameter.data *= 3
    return net


def mixture() -> Tensor:
    """Phones (M, B, L, V), full of rubbish beyond the end."""
    return torch.rand(M, B, L, V, dtype=torch.double, generator=torch.Generator().manual_seed(0))


def phone_ids() -> Tensor:
    """Phones (M, B, L), -1 beyond the end."""
    ids = torch.randint(V, (M, B, L), generator=torch.Generator().manual_seed(0))
    return torch.where(torch.arange(L) < LENGTHS[..., None], ids, -1)


def plain(net: Discriminator, m: int, phones: Tensor) -> Tensor:
    """The paper's figure, one line: conv, conv, GELU, conv, each causal, then the mean. phones (L, V) -> scalar."""
    k = net.first.shape[-1]
    x = phones.T[None]
    x = F.conv1d(F.pad(x, (k - 1, 0)), net.first[m], net.first_bias[m])
    x = F.conv1d(F.pad(x, (k - 1, 0)), net.second[m], net.second_bias[m])
    x = F.conv1d(F.pad(F.gelu(x), (k - 1, 0)), net.last[m][None], net.offset[m][None])
    return x.mean()


def plain_scores(net: Discriminator, phones: Tensor, lengths: Tensor) -> Tensor:
    return torch.stack([
        torch.stack([plain(net, m, phones[m, b, : lengths[m, b]]) for b in range(phones.shape[1])]) for m in range(len(phones))
    ])  # fmt: skip


def same(net: Discriminator, ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    """Whether two losses (M) and their derivatives by all weights are the same."""
    own, other = (
        torch.autograd.grad(loss.sum(), list(net.parameters()), retain_graph=True, materialize_grads=True)
        for loss in (ours, theirs)
    )
    return all(torch.allclose(a, b, atol=tolerance, rtol=0) for a, b in zip((ours, *own), (theirs, *other), strict=True))


@pytest.mark.parametrize("kernel", KERNELS)
def test_scores_are_those_of_three_plain_convolutions(kernel: int) -> None:
    net = discriminator(kernel)
    assert same(net, net(mixture(), LENGTHS).square(), plain_scores(net, mixture(), LENGTHS).square(), 1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_reading_is_hearing_one_hot_vectors(kernel: int) -> None:
    net, ids = discriminator(kernel), phone_ids()
    one_hot = F.one_hot(ids.clamp(min=0), V).double() * (ids >= 0)[..., None]
    critic = net.critic()
    read, heard = critic.read(ids), critic.hear(one_hot)
    assert torch.allclose(read, heard, atol=1e-12)
    assert same(net, critic.score(read, LENGTHS).square(), critic.score(heard, LENGTHS).square(), 1e-10)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_slope_is_the_derivative_of_the_score(kernel: int) -> None:
    net, phones = discriminator(kernel), mixture().requires_grad_()
    critic = net.critic()
    (theirs,) = torch.autograd.grad(plain_scores(net, phones, LENGTHS).sum(), phones)
    assert torch.allclose(critic.slope(critic.hear(phones), LENGTHS), theirs, atol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("wanted", [0.0, 1.0])
def test_the_penalty_has_the_derivatives_of_a_double_backward(kernel: int, wanted: float) -> None:
    net, phones, slope = discriminator(kernel), mixture().requires_grad_(), torch.tensor([wanted, wanted / 2]).double()
    critic = net.critic()
    ours = losses.gradient_penalty(critic.slope(critic.hear(phones.detach()), LENGTHS), slope)
    (twice,) = torch.autograd.grad(plain_scores(net, phones, LENGTHS).sum(), phones, create_graph=True)
    assert same(net, ours, losses.gradient_penalty(twice, slope), 1e-10)


def test_the_derivative_by_hidden_values_and_phones_is_right_too() -> None:
    net, phones = discriminator(3), mixture()[:, :2, :4].clone().requires_grad_()
    critic = net.critic()
    lengths = LENGTHS[:, 2:].clamp(max=4)
    assert torch.autograd.gradcheck(lambda x: critic.slope(critic.hear(x), lengths), phones)
    assert torch.autograd.gradcheck(lambda x: critic(x, lengths), phones)


def test_a_mixture_of_lines_has_the_mixture_of_their_hidden_values() -> None:
    critic, share = discriminator(6).critic(), torch.rand(M, B, 1, 1).double()
    one, other = mixture(), mixture().flip(1)
    mixed = share * critic.hear(one) + (1 - share) * critic.hear(other)
    assert torch.allclose(critic.hear(share * one + (1 - share) * other), mixed, atol=1e-12)


def test_what_stands_beyond_a_lines_end_changes_nothing() -> None:
    critic = discriminator(6).critic()
    wide = torch.cat([mixture(), mixture().flip(2)], 2)
    assert torch.allclose(critic(wide, LENGTHS), critic(mixture(), LENGTHS), atol=1e-12)
    slope = critic.slope(critic.hear(wide), LENGTHS)
    assert torch.allclose(slope[:, :, :L], critic.slope(critic.hear(mixture()), LENGTHS), atol=1e-12)
    assert not slope[(torch.arange(2 * L) >= LENGTHS[..., None])].any()


def test_half_the_bits_will_do_for_reading() -> None:
    net = Discriminator(Noise([1, 2], 0, torch.device("cpu")), phones=V, channels=C, kernel=6)
    exact = net.critic().score(net.critic().read(phone_ids()), LENGTHS)
    with torch.autocast("cpu", torch.bfloat16):
        critic = net.critic()
        rough = critic.score(critic.read(phone_ids()), LENGTHS)
    assert (exact - rough).abs().max() < 0.02 * exact.abs().max()
