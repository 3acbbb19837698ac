"""Hidden frames: as many as the paper says, in spans, and distractors that are others."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.pretraining.masks import distractors, masked_places, spread

CPU = torch.device("cpu")


def seeded(seed: int) -> None:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - as the trainer does


def test_spans_of_ten_hide_about_half_of_long_speech() -> None:
    """0.065 of the frames begin a span of 10; spans overlap: 49 % (Baevski et al. 2020, appendix A)."""
    seeded(0)
    places = masked_places((20, 3_000), share=0.65, length=10, device=CPU)
    assert 0.46 < places.shape[1] / 3_000 < 0.50
    hidden = spread(places, 3_000).numpy().astype(int)
    runs = [np.diff(np.flatnonzero(np.diff(np.pad(row, 1))))[::2] for row in hidden]
    assert np.mean([np.mean(each >= 10) for each in runs]) > 0.95  # one or two are cut so that all rows have as many


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(20, 90), st.integers(1, 10), st.floats(0.1, 0.9), st.integers(0, 99))
def test_places_are_ascending_and_a_mask_in_other_words(B: int, N: int, length: int, share: float, seed: int) -> None:
    seeded(seed)
    places = masked_places((B, N), share=share, length=length, device=CPU)
    assert (places.diff(dim=1) > 0).all() and 0 <= places.min() and places.max() < N
    mask = spread(places, N)
    assert mask.shape == (B, N) and all(mask[row].nonzero().flatten().tolist() == places[row].tolist() for row in range(B))


def test_distractors_are_the_others_each_as_often() -> None:
    seeded(0)
    drawn = distractors(torch.arange(5).repeat(2, 1), 20_000)
    assert drawn.shape == (2, 5, 20_000)
    for own in range(5):
        share = torch.bincount(drawn[:, own].flatten(), minlength=5) / 40_000
        assert share[own] == 0 and torch.allclose(share[torch.arange(5) != own], torch.tensor(0.25), atol=0.01)


def test_of_two_hidden_frames_the_other_one_is_the_distractor() -> None:
    assert distractors(torch.tensor([[3, 7]]), 4).tolist() == [[[1] * 4, [0] * 4]]
