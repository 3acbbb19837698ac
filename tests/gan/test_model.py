"""The networks against plain convolutions, one utterance at a time; JOIN against a loop."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.errors import WavuError
from wavu.gan.model import Discriminator, Generator, join
from wavu.gan.noise import Noise

CPU = torch.device("cpu")


def draw(*seeds: int) -> Noise:
    return Noise(seeds, 0, CPU)


def plain_discriminator(net: Discriminator, member: int, phones: torch.Tensor) -> torch.Tensor:
    """The figure, one utterance: conv, conv, GELU, conv, each causal, then the mean. phones (L, V) -> scalar."""
    k = net.first.shape[-1]
    x = phones.T[None]
    x = F.conv1d(F.pad(x, (k - 1, 0)), net.first[member], net.first_bias[member])
    x = F.conv1d(F.pad(x, (k - 1, 0)), net.second[member], net.second_bias[member])
    x = F.conv1d(F.pad(F.gelu(x), (k - 1, 0)), net.last[member][None], net.offset[member][None])
    return x.mean()


def plain_generator(net: Generator, member: int, segments: torch.Tensor) -> torch.Tensor:
    """segments (S, d) -> logits (S, V): torch's convolution, padded as the original, without its extra last output."""
    k = net.kernel.shape[-1]
    return F.conv1d(segments.T[None], net.kernel[member], padding=k // 2)[0, :, : len(segments)].T


def plain_join(logits: torch.Tensor) -> list[list[int]]:
    """Segments of each run, one utterance."""
    runs = []
    for segment, phone in enumerate(logits.argmax(-1).tolist()):
        if runs and runs[-1][0] == phone:
            runs[-1][1].append(segment)
        else:
            runs.append((phone, [segment]))
    return [segments for _, segments in runs]


@pytest.mark.parametrize("kernel", [1, 2, 6])
def test_discriminator_equals_three_plain_convolutions(kernel: int) -> None:
    net = Discriminator(draw(1, 2), phones=5, channels=7, kernel=kernel).double()
    lengths = torch.tensor([[9, 1, 4], [2, 9, 7]])
    phones = torch.rand(2, 3, 9, 5, dtype=torch.double)  # padding full of rubbish
    scores = net(phones, lengths)
    for member in range(2):
        for row, length in enumerate(lengths[member]):
            assert torch.allclose(scores[member, row], plain_discriminator(net, member, phones[member, row, :length]), atol=1e-9)


def test_discriminator_gradients_equal_those_of_plain_convolutions() -> None:
    net = Discriminator(draw(1), phones=4, channels=6, kernel=3).double()
    phones = torch.rand(1, 2, 8, 4, dtype=torch.double)
    ours = torch.autograd.grad(net(phones, torch.tensor([[8, 5]])).sum(), list(net.parameters()))
    plain = plain_discriminator(net, 0, phones[0, 0]) + plain_discriminator(net, 0, phones[0, 1, :5])
    for a, b in zip(ours, torch.autograd.grad(plain, list(net.parameters())), strict=True):
        assert torch.allclose(a, b, atol=1e-9)


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_generator_equals_plain_convolution(kernel: int) -> None:
    net = Generator.drawn(draw(1, 2), phones=5, dim=6, kernel=kernel, dropout=0.1).double()
    segments = torch.rand(2, 3, 7, 6, dtype=torch.double)
    logits = net(segments)
    assert logits.shape == (2, 3, 7, 5)
    for member in range(2):
        for row in range(3):
            assert torch.allclose(logits[member, row], plain_generator(net, member, segments[member, row]), atol=1e-9)


def test_generator_padding_changes_nothing() -> None:
    net = Generator.drawn(draw(1), phones=5, dim=6, kernel=4, dropout=0.1)
    segments = torch.rand(1, 1, 7, 6)
    assert torch.allclose(net(F.pad(segments, (0, 0, 0, 9)))[:, :, :7], net(segments), atol=1e-6)


def test_members_do_not_depend_on_their_neighbours() -> None:
    segments, lengths = torch.rand(1, 3, 7, 6).expand(2, -1, -1, -1), torch.tensor([[7, 5, 3]] * 2)
    both, alone = draw(1, 2), draw(2)
    nets = [Generator.drawn(noise, phones=5, dim=6, kernel=4, dropout=0.3) for noise in (both, alone)]
    outs = [join(net(segments[:m], noise), lengths[:m], noise) for net, noise, m in zip(nets, (both, alone), (2, 1), strict=True)]
    assert torch.equal(outs[0][0][1], outs[1][0][0]) and torch.equal(outs[0][1][1], outs[1][1][0])


def test_dropout_only_in_training() -> None:
    net = Generator(torch.ones(1, 1, 10, 1), dropout=0.5)
    out = net(torch.ones(1, 1, 2000, 10), draw(3))
    assert out.std() > 1 and abs(out.mean() - 10) < 0.3
    assert torch.equal(net(torch.ones(1, 1, 20, 10)), torch.full((1, 1, 20, 1), 10.0))


def test_segments_of_another_dim_are_refused_with_both_shapes() -> None:
    net = Generator.drawn(draw(1), phones=5, dim=512, kernel=4, dropout=0.1)
    with pytest.raises(WavuError, match=r"\(S, 512\).*\(S, 256\).*pca.dim"):
        net(torch.zeros(1, 1, 3, 256))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 4))
def test_join_equals_a_loop(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = torch.from_numpy(rng.integers(1, 9, (2, 3)))
    # A few classes repeated: long runs.
    logits = torch.from_numpy(rng.normal(size=(2, 3, 8, 4))) + 5 * F.one_hot(
        torch.from_numpy(rng.integers(0, classes, (2, 3, 8))), 4
    )
    mean, counts = join(logits, lengths)
    one, one_counts = join(logits, lengths, draw(seed, seed + 1))
    assert torch.equal(counts, one_counts)
    for member, row in np.ndindex(2, 3):
        own = logits[member, row, : lengths[member, row]]
        runs = plain_join(own)
        assert counts[member, row] == len(runs)
        for index, run in enumerate(runs):
            assert torch.allclose(mean[member, row, index], own[run].mean(0))
            assert any(torch.equal(one[member, row, index], own[segment]) for segment in run)
        assert not mean[member, row, len(runs) :].any() and not one[member, row, len(runs) :].any()


def test_join_draws_every_segment_of_a_run_alike() -> None:
    logits = torch.zeros(1, 4000, 4, 2)
    logits[..., 0] = torch.arange(1, 5)  # one run of four segments, told apart by their logit
    joined, counts = join(logits, torch.full((1, 4000), 4), draw(0))
    assert counts.eq(1).all()
    shares = torch.bincount(joined[0, :, 0, 0].long(), minlength=5)[1:] / 4000
    assert shares.sub(0.25).abs().max() < 0.03
