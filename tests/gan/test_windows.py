"""Windows and their adjoint against loops, and both derivatives against finite differences."""

import pytest
import torch

from wavu.gan.windows import inside, overlap_add, windows

SHAPES = [(1, 0, 1), (4, 2, 1), (4, 3, 1), (9, 4, 3), (3, 0, 2), (2, 1, 3)]  # taps, before, stride


def plain_windows(rows: torch.Tensor, taps: int, before: int, stride: int) -> torch.Tensor:
    M, B, L, c = rows.shape
    out = torch.zeros(M, B, -(-L // stride), taps, c, dtype=rows.dtype)
    for window in range(out.shape[2]):
        for tap in range(taps):
            row = window * stride - before + tap
            if 0 <= row < L:
                out[:, :, window, tap] = rows[:, :, row]
    return out


def plain_overlap_add(columns: torch.Tensor, before: int) -> torch.Tensor:
    M, B, L, taps, c = columns.shape
    out = torch.zeros(M, B, L, c, dtype=columns.dtype)
    for window in range(L):
        for tap in range(taps):
            row = window - before + tap
            if 0 <= row < L:
                out[:, :, row] += columns[:, :, window, tap]
    return out


def numbers(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=torch.Generator().manual_seed(len(shape)), requires_grad=True)


@pytest.mark.parametrize("length", [1, 2, 7, 9])
@pytest.mark.parametrize(("taps", "before", "stride"), SHAPES)
def test_windows_equal_a_loop(length: int, taps: int, before: int, stride: int) -> None:
    rows = numbers(2, 3, length, 2).detach()
    assert torch.equal(windows(rows, taps, before=before, stride=stride), plain_windows(rows, taps, before, stride))


def test_windows_equal_torchs_unfold() -> None:
    rows = numbers(2, 3, 11, 4).detach()
    theirs = torch.nn.functional.unfold(rows.flatten(0, 1).transpose(1, 2)[:, :, None], (1, 9), padding=(0, 4), stride=3)
    theirs = theirs.view(2, 3, 4, 9, -1).permute(0, 1, 4, 3, 2)  # (M B, c taps, L') -> (M, B, L', taps, c)
    assert torch.equal(windows(rows, 9, before=4, stride=3), theirs)


@pytest.mark.parametrize("length", [1, 2, 7])
@pytest.mark.parametrize(("taps", "before"), [(1, 0), (4, 1), (4, 3), (5, 0)])
def test_overlap_add_equals_a_loop(length: int, taps: int, before: int) -> None:
    columns = numbers(2, 3, length, taps, 2).detach()
    assert torch.allclose(overlap_add(columns, before=before), plain_overlap_add(columns, before), atol=1e-12)


@pytest.mark.parametrize(("taps", "before"), [(1, 0), (4, 1), (11, 10)])
def test_overlap_add_is_the_adjoint_of_windows(taps: int, before: int) -> None:
    rows, columns = numbers(2, 3, 7, 2).detach(), numbers(2, 3, 7, taps, 2).detach()
    one, other = (
        (windows(rows, taps, before=before, stride=1) * columns).sum(),
        (rows * overlap_add(columns, before=before)).sum(),
    )
    assert abs(one - other) < 1e-10


@pytest.mark.parametrize(("taps", "before", "stride"), SHAPES)
def test_derivatives(taps: int, before: int, stride: int) -> None:
    assert torch.autograd.gradcheck(lambda rows: windows(rows, taps, before=before, stride=stride), numbers(1, 2, 7, 2))
    assert torch.autograd.gradcheck(lambda columns: overlap_add(columns, before=before), numbers(1, 2, 5, taps, 2))


def test_inside() -> None:
    assert inside(torch.tensor([[0, 2], [3, 1]]), 3).int().tolist() == [[[0, 0, 0], [1, 1, 0]], [[1, 1, 1], [1, 0, 0]]]
