"""Every term of the losses against its formula written out plainly: float64, one utterance after another, numpy where it can."""

import numpy as np
import pytest
import torch

from tests.gan.test_model import plain_discriminator
from wavu.gan import losses
from wavu.gan.model import Discriminator
from wavu.gan.noise import Noise

M, B, L, S, V = 2, 4, 9, 7, 5
LENGTHS = torch.tensor([[7, 3, 5, 1], [2, 7, 7, 4]])
LINE_LENGTHS = torch.tensor([[9, 2, 6, 3], [5, 9, 1, 8]])


def rows() -> tuple[Discriminator, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A discriminator, logits of made-up phones, real phones, shares of the mixture."""
    torch.manual_seed(0)
    net = Discriminator(Noise([3, 4], 0, torch.device("cpu")), phones=V, channels=6, kernel=3).double()
    logits = 2 * torch.randn(M, B, S, V, dtype=torch.double)
    real = torch.nn.functional.one_hot(torch.randint(V, (M, B, L)), V).double()
    return net, logits, real, torch.rand(M, B, dtype=torch.double)


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def plain_gradient_penalty(net, member, real, made, lengths, mix, slope) -> torch.Tensor:
    """Sum over phones of (norm over time of the gradient - slope)^2, mean over utterances."""
    total = 0.0
    for b, length in enumerate(lengths):
        x = (mix[b] * real[b, :length] + (1 - mix[b]) * made[b, :length]).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(plain_discriminator(net, member, x), x, create_graph=True)
        for phone in range(V):
            total = total + (gradient[:, phone].pow(2).sum().sqrt() - slope) ** 2
    return total / len(lengths)


def test_cross_entropies() -> None:
    net, logits, _, _ = rows()
    made = logits.softmax(-1)
    scores = net(made, LENGTHS)
    for member in range(M):
        plain = [plain_discriminator(net, member, made[member, b, : LENGTHS[member, b]]).item() for b in range(B)]
        made_up = np.mean([-np.log(sigmoid(score)) for score in plain])  # made up is 1
        real = np.mean([-np.log(1 - sigmoid(score)) for score in plain])  # real is 0
        assert abs(losses.called_made_up(scores)[member].item() - made_up) < 1e-6
        assert abs(losses.called_real(scores)[member].item() - real) < 1e-6


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_gradient_penalty_and_its_gradient(slope: float) -> None:
    net, logits, real, mix = rows()
    made, shorter = logits.softmax(-1), torch.minimum(LENGTHS, LINE_LENGTHS)
    ours = losses.gradient_penalty(net.critic(), real, made, shorter, mix, slope=slope)
    plain = torch.stack([plain_gradient_penalty(net, m, real[m], made[m], shorter[m], mix[m], slope) for m in range(M)])
    assert torch.allclose(ours, plain, atol=1e-6, rtol=0)
    weights = [net.first, net.second, net.last, net.second_bias]
    for a, b in zip(torch.autograd.grad(ours.sum(), weights), torch.autograd.grad(plain.sum(), weights), strict=True):
        assert torch.allclose(a, b, atol=1e-6, rtol=0)


def test_gradient_penalty_does_not_reach_the_generator() -> None:
    net, logits, real, mix = rows()
    logits.requires_grad_()
    losses.gradient_penalty(net.critic(), real, logits.softmax(-1), LENGTHS, mix, slope=1.0).sum().backward()
    assert logits.grad is None


def test_diversity() -> None:
    _, logits, _, _ = rows()
    for member in range(M):
        mean = np.zeros(V)
        for b in range(B):
            for row in logits[member, b, : LENGTHS[member, b]].numpy():
                mean += np.exp(row) / np.exp(row).sum()
        mean /= LENGTHS[member].sum().item()
        plain = (V - np.exp(-(mean * np.log(mean)).sum())) / V
        assert abs(losses.diversity(logits, LENGTHS)[member].item() - plain) < 1e-6


def test_diversity_of_one_phone_and_of_all_phones() -> None:
    one = torch.zeros(1, 1, 6, 6)
    one[..., 2] = 100
    assert abs(losses.diversity(one, torch.tensor([[6]])).item() - 5 / 6) < 1e-6
    assert abs(losses.diversity(100 * torch.eye(6)[None, None], torch.tensor([[6]])).item()) < 1e-6


def test_smoothness() -> None:
    _, logits, _, _ = rows()
    for member in range(M):
        squares = []
        for b in range(B):
            own = logits[member, b, : LENGTHS[member, b]].numpy()
            squares += [((later - earlier) ** 2).mean() for earlier, later in zip(own, own[1:], strict=False)]
        assert abs(losses.smoothness(logits, LENGTHS)[member].item() - np.mean(squares)) < 1e-6


def test_smoothness_of_single_outputs_is_nothing() -> None:
    assert losses.smoothness(torch.rand(1, 2, 1, 3), torch.ones(1, 2, dtype=torch.long)).item() == 0


def test_padding_and_batch_order_change_nothing() -> None:
    net, logits, real, mix = rows()
    order = torch.tensor([2, 0, 3, 1])

    def terms(logits, lengths, real, line_lengths, mix) -> torch.Tensor:
        made = logits.softmax(-1)
        penalty = losses.gradient_penalty(net.critic(), real, made, torch.minimum(lengths, line_lengths), mix, slope=1.0)
        return torch.stack([
            losses.called_real(net(made, lengths)), losses.called_made_up(net(made, lengths)), penalty,
            losses.diversity(logits, lengths), losses.smoothness(logits, lengths),
        ])  # fmt: skip

    plain = terms(logits, LENGTHS, real, LINE_LENGTHS, mix)
    wide = terms(torch.cat([logits, torch.randn_like(logits)], 2), LENGTHS, torch.cat([real, real], 2), LINE_LENGTHS, mix)
    moved = terms(logits[:, order], LENGTHS[:, order], real[:, order], LINE_LENGTHS[:, order], mix[:, order])
    assert torch.allclose(plain, wide, atol=1e-9) and torch.allclose(plain, moved, atol=1e-9)
