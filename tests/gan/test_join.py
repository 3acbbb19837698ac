"""JOIN against a loop over segments, for training and for evaluation."""

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.gan.join import join, joined_mean, joined_one
from wavu.gan.noise import Noise

CPU = torch.device("cpu")


def plain_runs(logits: torch.Tensor) -> list[list[int]]:
    """Segments of each run, one utterance."""
    runs = []
    for segment, phone in enumerate(logits.argmax(-1).tolist()):
        if runs and runs[-1][0] == phone:
            runs[-1][1].append(segment)
        else:
            runs.append((phone, [segment]))
    return [segments for _, segments in runs]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 4))
def test_join_equals_a_loop(seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = torch.from_numpy(rng.integers(0, 9, (2, 3)))
    # A few classes repeated: long runs. What stands beyond the end is rubbish.
    likely = F.one_hot(torch.from_numpy(rng.integers(0, classes, (2, 3, 8))), 4)
    logits, drawn = torch.from_numpy(rng.normal(size=(2, 3, 8, 4))) + 5 * likely, torch.from_numpy(rng.random((2, 3, 8)))
    mean, counts = joined_mean(logits, lengths)
    one, one_counts = joined_one(logits, lengths, drawn)
    assert torch.equal(counts, one_counts)
    for place in np.ndindex(2, 3):
        own = logits[place][: lengths[place]]
        runs = plain_runs(own)
        assert counts[place] == len(runs)
        for index, run in enumerate(runs):
            assert torch.allclose(mean[place][index], own[run].mean(0))
            assert torch.equal(one[place][index], own[run[int(drawn[place][index] * len(run))]])
        assert not mean[place][len(runs) :].any() and not one[place][len(runs) :].any()


def test_noise_says_whether_one_is_drawn_or_all_are_averaged() -> None:
    logits, lengths = torch.rand(2, 5, 9, 3), torch.full((2, 5), 9)
    assert torch.equal(join(logits, lengths)[0], joined_mean(logits, lengths)[0])
    drawn = Noise([3, 4], 1, CPU).uniform(5, 9)
    assert torch.equal(join(logits, lengths, Noise([3, 4], 1, CPU))[0], joined_one(logits, lengths, drawn)[0])


def test_every_segment_of_a_run_is_drawn_alike() -> None:
    logits = torch.zeros(1, 4000, 4, 2)
    logits[..., 0] = torch.arange(1, 5)  # one run of four segments, told apart by their logit
    joined, counts = join(logits, torch.full((1, 4000), 4), Noise([0], 0, CPU))
    assert counts.eq(1).all()
    shares = torch.bincount(joined[0, :, 0, 0].long(), minlength=5)[1:] / 4000
    assert shares.sub(0.25).abs().max() < 0.03


def test_the_greatest_number_below_one_draws_the_last_segment() -> None:
    logits = torch.zeros(1, 1, 7, 2)
    logits[..., 0] = torch.arange(1, 8)
    highest = torch.full((1, 1, 7), 1 - 2**-24)
    assert joined_one(logits, torch.tensor([[7]]), highest)[0][0, 0, 0, 0] == 7


def test_derivatives_reach_the_drawn_segment_or_the_whole_run() -> None:
    logits = torch.zeros(1, 1, 4, 2)
    logits[..., 1] = torch.tensor([1.0, 1, 1, -1])  # runs of three and one
    logits.requires_grad_()
    drawn = torch.tensor([[[0.5, 0.0, 0.0, 0.0]]])
    (one,) = torch.autograd.grad(joined_one(logits, torch.tensor([[4]]), drawn)[0].sum(), logits)
    (mean,) = torch.autograd.grad(joined_mean(logits, torch.tensor([[4]]))[0].sum(), logits)
    assert one[0, 0, :, 0].tolist() == [0, 1, 0, 1]
    assert torch.allclose(mean[0, 0, :, 0], torch.tensor([1 / 3, 1 / 3, 1 / 3, 1]))
