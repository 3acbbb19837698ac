"""The generators against torch's own convolution and batch normalisation, one member and one utterance at a time."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wavu.errors import WavuError
from wavu.gan.generator import FrameGenerator, SegmentGenerator, described, rebuilt
from wavu.gan.noise import Noise
from wavu.ragged import Ragged

CPU = torch.device("cpu")
M, B, N, D, V = 2, 3, 11, 6, 5
LENGTHS = torch.tensor([[11, 1, 7], [3, 11, 9]])


def draw(*seeds: int) -> Noise:
    return Noise(seeds, 0, CPU)


def rows() -> Tensor:
    """Utterances (M, B, N, D), zero beyond their ends."""
    values = torch.randn(M, B, N, D, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    return 0.5 + 2 * values * (torch.arange(N) < LENGTHS[..., None])[..., None]


def segment_generator(kernel: int = 4, extra_output: bool = False) -> SegmentGenerator:
    shape = {"phones": V, "dim": D, "kernel": kernel}
    return SegmentGenerator.drawn(draw(1, 2), dropout=0.1, extra_output=extra_output, **shape).double()


def frame_generator(dropout: float = 0.0, padding_counts: bool = False) -> FrameGenerator:
    shape = {"phones": V, "dim": D, "kernel": 9, "targets": 8, "gain": 30.0, "stride": 3}
    return FrameGenerator.drawn(draw(1, 2), dropout=dropout, padding_counts=padding_counts, **shape).double()


@pytest.mark.parametrize("kernel", [1, 3, 4])
def test_segments_are_heard_by_a_plain_convolution(kernel: int) -> None:
    net, segments = segment_generator(kernel), rows()
    heard = net(segments, LENGTHS)
    assert heard.logits.shape == (M, B, N, V) and torch.equal(heard.lengths, LENGTHS) and heard.targets is None
    for m, b in np.ndindex(M, B):
        plain = F.conv1d(segments[m, b].T[None], net.kernel[m], padding=kernel // 2)[0, :, :N].T
        assert torch.allclose(heard.logits[m, b], plain, atol=1e-9)


def test_the_extra_output_is_the_one_the_originals_padding_gives() -> None:
    net, segments = segment_generator(extra_output=True), rows()
    heard = net(segments, LENGTHS)
    assert heard.logits.shape == (M, B, N + 1, V) and torch.equal(heard.lengths, LENGTHS + 1)
    plain = F.conv1d(segments[1, 1].T[None], net.kernel[1], padding=2)[0].T
    assert torch.allclose(heard.logits[1, 1], plain, atol=1e-9)


@pytest.mark.parametrize("members", [M, 1])
def test_one_batch_may_be_for_all_members(members: int) -> None:
    for net in (segment_generator(), frame_generator()):
        heard = net(rows()[:1], LENGTHS[:1]), net(rows()[:1].expand(M, -1, -1, -1), LENGTHS[:1].expand(M, -1))
        assert torch.equal(heard[0].logits, heard[1].logits) and torch.equal(heard[0].lengths, heard[1].lengths)


def test_padding_changes_nothing() -> None:
    wide = F.pad(rows(), (0, 0, 0, 9))
    for net in (segment_generator(), frame_generator()):
        for noise in (None, draw(1, 2)):
            net.dropout = 0.0  # its chance is drawn for padding too
            narrow, broad = net(rows(), LENGTHS, noise), net(wide, LENGTHS, noise)
            for place in np.ndindex(M, B):
                own = int(narrow.lengths[place])
                assert torch.allclose(broad.logits[place][:own], narrow.logits[place][:own], atol=1e-9)


def test_dropout_only_in_training() -> None:
    net = SegmentGenerator(torch.ones(1, 1, 10, 1), dropout=0.5, extra_output=False)
    ones, length = torch.ones(1, 1, 2000, 10), torch.tensor([[2000]])
    out = net(ones, length, draw(3)).logits
    assert out.std() > 1 and abs(out.mean() - 10) < 0.3
    assert torch.equal(net(ones, length).logits, torch.full((1, 1, 2000, 1), 10.0))
    frames = frame_generator(dropout=0.5)
    assert not torch.equal(frames(rows(), LENGTHS, draw(1, 2)).logits, frames(rows(), LENGTHS, draw(3, 4)).logits)
    assert torch.equal(frames(rows(), LENGTHS).logits, frames(rows(), LENGTHS).logits)


def test_inputs_of_another_dim_are_refused_with_both_shapes() -> None:
    for net in (segment_generator(), frame_generator()):
        with pytest.raises(WavuError, match=r"\(S, 6\).*\(S, 256\).*pca.dim"):
            net(torch.zeros(1, 1, 3, 256), torch.tensor([[3]]))


# Frames


def plain_frames(net: FrameGenerator, m: int, frames: Tensor, norm: nn.BatchNorm1d) -> tuple[list[Tensor], Tensor]:
    """frames (B, N, D) of one member -> logits of each utterance, and the second head's of all frames, one after another."""
    valid = [frames[b, : LENGTHS[m, b]] for b in range(B)]
    normal = norm(torch.cat(valid))
    linear = F.linear(normal, net.linear[m], net.linear_bias[m])
    hidden = (normal + linear).split(LENGTHS[m].tolist())
    logits = [F.conv1d(each.T[None], net.kernel[m], stride=net.stride, padding=net.kernel.shape[-1] // 2)[0].T for each in hidden]
    return logits, F.linear(linear, net.head[m], net.head_bias[m])


def plain_norms(net: FrameGenerator) -> list[nn.BatchNorm1d]:
    norms = [nn.BatchNorm1d(D).double() for _ in range(M)]
    for norm in norms:
        nn.init.constant_(norm.weight, 30.0)
    return norms


def test_frames_are_heard_by_torchs_own_layers() -> None:
    net, frames = frame_generator(), rows()
    norms = plain_norms(net)
    for training in (True, True, False):  # the running statistics too
        heard = net(frames, LENGTHS, draw(1, 2) if training else None)
        assert torch.equal(heard.lengths, (LENGTHS + 2) // 3) and heard.logits.shape == (M, B, 4, V)
        for m, norm in enumerate(norms):
            logits, targets = plain_frames(net, m, frames[m], norm.train(training))
            for b, plain in enumerate(logits):
                assert torch.allclose(heard.logits[m, b, : len(plain)], plain, atol=1e-8)
            assert torch.allclose(net.mean[m], norm.running_mean) and torch.allclose(net.variance[m], norm.running_var)
            if training:
                ours = torch.cat([heard.targets[m, b, : LENGTHS[m, b]] for b in range(B)])
                assert torch.allclose(ours, targets, atol=1e-8)
    assert heard.targets is None


def test_derivatives_are_those_of_torchs_own_layers() -> None:
    net, frames = frame_generator(), rows()
    heard = net(frames, LENGTHS, draw(1, 2))
    valid = torch.arange(heard.logits.shape[2]) < heard.lengths[..., None]
    heard.logits[valid].square().sum().backward()
    for m, norm in enumerate(plain_norms(net)):
        logits, _ = plain_frames(net, m, frames[m], norm)
        own = (net.linear, net.linear_bias, net.kernel)
        gain, shift, *plain = torch.autograd.grad(torch.cat(logits).square().sum(), [norm.weight, norm.bias, *own])
        ours = [parameter.grad[m] for parameter in (net.gain, net.shift, *own)]
        for one, other in zip(ours, [gain, shift, *(gradient[m] for gradient in plain)], strict=True):
            assert torch.allclose(one, other, rtol=1e-6, atol=1e-6)


def test_where_padding_counts_the_linear_layers_bias_stands_in_it() -> None:
    net, frames = frame_generator(padding_counts=True), rows()
    ours, (norm, _) = net(frames, LENGTHS, draw(1, 2)).logits, plain_norms(net)
    normal = torch.zeros(B, N, D).double()
    inside = torch.arange(N) < LENGTHS[0][:, None]
    normal[inside] = norm(frames[0][inside])
    hidden = normal + F.linear(normal, net.linear[0], net.linear_bias[0])
    plain = F.conv1d(hidden.transpose(1, 2), net.kernel[0], stride=3, padding=4).transpose(1, 2)
    assert torch.allclose(ours[0], plain, atol=1e-8)


@pytest.mark.parametrize("length", range(1, 8))
def test_a_third_as_many_outputs_as_frames_rounded_up(length: int) -> None:
    heard = frame_generator()(torch.randn(1, 1, length, D).double(), torch.tensor([[length]]))
    assert heard.logits.shape[2] == heard.lengths.max() == -(-length // 3)


def test_a_generator_acquainted_with_all_frames_normalises_them() -> None:
    net = frame_generator()
    frames = Ragged.of([5 + 3 * np.random.default_rng(seed).normal(size=(40, D)) for seed in range(5)], np.float16)
    net.acquaint(frames)
    flat = torch.from_numpy(frames.flat.astype(np.float64))[None, None]
    net.linear.data.zero_(), net.linear_bias.data.zero_()
    hidden = net.hidden(flat, torch.tensor([[200]]))
    assert torch.allclose(hidden.mean((1, 2)), torch.zeros(1).double(), atol=1e-2) and abs(hidden.std() - 30) < 0.2


# Both


@pytest.mark.parametrize("build", [segment_generator, frame_generator])
def test_copies_say_the_same_and_are_trained_apart(build) -> None:
    net = build()
    two = rebuilt({name: value[:1].numpy() for name, value in net.state_dict().items()}, described(net)).repeated(3)
    logits = two(rows()[:1], LENGTHS[:1]).logits
    assert torch.equal(logits[0], logits[1]) and torch.equal(logits[0], logits[2])
    two.kernel.data[1] += 1
    assert torch.equal(two.kernel[0], two.kernel[2]) and not torch.equal(two.kernel[0], two.kernel[1])


@pytest.mark.parametrize("build", [segment_generator, frame_generator])
def test_a_generator_is_rebuilt_from_what_is_written_of_it(build) -> None:
    net = build()
    net(rows(), LENGTHS, draw(1, 2))  # moves the running statistics
    again = rebuilt({name: value.numpy() for name, value in net.state_dict().items()}, described(net))
    assert torch.equal(again(rows(), LENGTHS).logits, net(rows(), LENGTHS).logits)
    assert described(again) == described(net) and described(net)["dim"] == D
