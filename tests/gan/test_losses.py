"""Every term of the losses against its formula written out plainly: float64, one utterance after another, numpy where it can."""

import numpy as np
import pytest
import torch

from wavu.gan import losses

M, B, S, V = 2, 4, 9, 5
LENGTHS = torch.tensor([[7, 3, 5, 1], [2, 7, 6, 4]])


def logits() -> torch.Tensor:
    """Full of rubbish beyond the end."""
    return 2 * torch.randn(M, B, S, V, dtype=torch.double, generator=torch.Generator().manual_seed(0))


def ends(padding_counts: bool) -> np.ndarray:
    """Up to where the outputs of each utterance count."""
    return np.broadcast_to(LENGTHS.max(1, keepdim=True).values, (M, B)) if padding_counts else LENGTHS.numpy()


def near(ours: torch.Tensor, plain: list[float]) -> bool:
    return ours.shape == (M,) and np.allclose(ours.numpy(), plain, atol=1e-9, rtol=0)


def test_cross_entropies() -> None:
    scores = 3 * torch.randn(M, B, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    chance = 1 / (1 + np.exp(-scores.numpy()))  # of being made up, which is 1; real is 0
    assert near(losses.called_made_up(scores), (-np.log(chance)).mean(1))
    assert near(losses.called_real(scores), (-np.log(1 - chance)).mean(1))


def test_gradient_penalty() -> None:
    slope, wanted = logits(), torch.tensor([0.0, 1.0]).double()
    plain = np.zeros(M)
    for m in range(M):
        for b in range(B):
            for phone in range(V):
                plain[m] += (np.sqrt((slope[m, b, :, phone].numpy() ** 2).sum()) - wanted[m].item()) ** 2 / B
    assert near(losses.gradient_penalty(slope, wanted), plain)


@pytest.mark.parametrize("padding_counts", [False, True])
def test_diversity(padding_counts: bool) -> None:
    values, plain = logits(), []
    for m in range(M):
        rows = np.concatenate([values[m, b, : ends(padding_counts)[m, b]].numpy() for b in range(B)])
        mean = (np.exp(rows) / np.exp(rows).sum(1, keepdims=True)).mean(0)
        plain.append((V - np.exp(-(mean * np.log(mean)).sum())) / V)
    assert near(losses.diversity(values, LENGTHS, padding_counts=padding_counts), plain)


def test_diversity_of_one_phone_and_of_all_phones() -> None:
    one = torch.zeros(1, 1, 6, 6)
    one[..., 2] = 100
    assert abs(losses.diversity(one, torch.tensor([[6]]), padding_counts=False).item() - 5 / 6) < 1e-6
    assert abs(losses.diversity(100 * torch.eye(6)[None, None], torch.tensor([[6]]), padding_counts=False).item()) < 1e-6


@pytest.mark.parametrize("padding_counts", [False, True])
def test_smoothness(padding_counts: bool) -> None:
    """The original divides by all pairs of outputs, padding included, but differences with padding are no differences."""
    values, plain = logits(), []
    for m in range(M):
        own = [values[m, b, : LENGTHS[m, b]].numpy() for b in range(B)]
        squares = [((later - earlier) ** 2).mean() for row in own for earlier, later in zip(row, row[1:], strict=False)]
        plain.append(np.sum(squares) / np.sum(ends(padding_counts)[m] - 1))
    assert near(losses.smoothness(values, LENGTHS, padding_counts=padding_counts), plain)


def test_smoothness_of_single_outputs_is_nothing() -> None:
    assert losses.smoothness(torch.rand(1, 2, 1, 3), torch.ones(1, 2, dtype=torch.long), padding_counts=False).item() == 0


@pytest.mark.parametrize("padding_counts", [False, True])
def test_auxiliary(padding_counts: bool) -> None:
    values, plain = logits(), []
    targets = torch.randint(V, (M, B, S), generator=torch.Generator().manual_seed(0))
    targets = torch.where(torch.arange(S) < LENGTHS[..., None], targets, -1)
    for m in range(M):
        total = 0.0
        for b in range(B):
            for row, target in zip(values[m, b, : LENGTHS[m, b]].numpy(), targets[m, b], strict=False):
                total -= row[target] - np.log(np.exp(row).sum())
        plain.append(total / ends(padding_counts)[m].sum())
    assert near(losses.auxiliary(values, targets, LENGTHS, padding_counts=padding_counts), plain)


@pytest.mark.parametrize("term", [losses.diversity, losses.smoothness])
@pytest.mark.parametrize("padding_counts", [False, True])
def test_padding_and_the_order_of_a_batch_change_nothing(term, padding_counts: bool) -> None:
    values, order = logits(), torch.tensor([2, 0, 3, 1])
    values = values * (torch.arange(S) < LENGTHS[..., None])[..., None]  # where padding counts, it has to be padding
    plain = term(values, LENGTHS, padding_counts=padding_counts)
    wide = term(torch.cat([values, torch.randn_like(values)], 2), LENGTHS, padding_counts=padding_counts)
    moved = term(values[:, order], LENGTHS[:, order], padding_counts=padding_counts)
    assert torch.allclose(plain, wide, atol=1e-9) and torch.allclose(plain, moved, atol=1e-9)


def test_the_longest_line_is_a_members_own() -> None:
    assert losses.padded_to_longest(LENGTHS).tolist() == [[7] * 4] * 2
    assert losses.padded_to_longest(torch.tensor([[1, 2], [5, 3]])).tolist() == [[2, 2], [5, 5]]
