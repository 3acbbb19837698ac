"""Segmentations of whole shards against loops over utterances, and against scikit-learn's Ward."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import diags
from sklearn.cluster import AgglomerativeClustering

from wavu.audio.segment import change, pair_starts, segment_starts, stride, ward
from wavu.errors import WavuError

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=8)


def edges(lengths: list[int]) -> np.ndarray:
    return np.cumsum([0, *lengths])


@settings(max_examples=50)
@given(LENGTHS, st.integers(0, 99))
def test_runs_equal_a_loop(lengths: list[int], seed: int) -> None:
    offsets = edges(lengths)
    units = np.random.default_rng(seed).integers(0, 3, offsets[-1])
    loop = [row for row in range(offsets[-1]) if row in offsets or units[row] != units[row - 1]]
    assert segment_starts(units, units[:, None], offsets, kind="cluster_runs").tolist() == loop


@settings(max_examples=50)
@given(LENGTHS, st.integers(1, 5))
def test_strides_begin_anew_in_every_utterance(lengths: list[int], frames: int) -> None:
    loop = [offset + row for offset, length in zip(edges(lengths), lengths, strict=False) for row in range(0, length, frames)]
    assert stride(edges(lengths), frames=frames).tolist() == loop
    if frames == 2:
        assert pair_starts(edges(lengths)).tolist() == loop


def plain_ward(frames: np.ndarray, count: int) -> list[int]:
    chain = diags([np.ones(len(frames) - 1)] * 2, [-1, 1])
    labels = AgglomerativeClustering(count, linkage="ward", connectivity=chain).fit(frames).labels_
    return np.flatnonzero(np.diff(labels, prepend=-1)).tolist()


def test_ward_equals_scikit_learn_utterance_by_utterance() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 90, 12).tolist()
    frames = rng.normal(size=(sum(lengths), 4)).cumsum(axis=0).astype(np.float32)
    offsets = edges(lengths)
    starts = ward(frames, offsets, rate_hz=12)
    for begin, end in zip(offsets, offsets[1:], strict=False):
        count = max(1, round((end - begin) * 12 / 50))
        assert (starts[(starts >= begin) & (starts < end)] - begin).tolist() == plain_ward(frames[begin:end], count)


def test_ward_finds_planted_boundaries_and_no_others() -> None:
    rng = np.random.default_rng(0)
    planted, rows = [], []
    for phone in range(60):
        planted.append(len(rows))
        rows += [phone % 7 * np.eye(7)[phone % 7] + rng.normal(0, 0.1, 7) for _ in range(rng.integers(2, 9))]
    found = ward(np.array(rows, np.float32), np.array([0, len(rows)]), rate_hz=60 / (len(rows) / 50))
    assert found.tolist() == planted


@pytest.mark.parametrize("kind", [{"kind": "cluster_runs"}, {"kind": "ward", "rate_hz": 10.0}, {"kind": "stride", "frames": 3}])
def test_one_frame_is_one_segment_and_none_is_none(kind: dict) -> None:
    one = np.array([0, 1]), np.zeros((1, 2), np.float32), np.zeros(1, np.int16)
    assert segment_starts(one[2], one[1], one[0], **kind).tolist() == [0]
    assert segment_starts(one[2][:0], one[1][:0], np.zeros(1, np.int64), **kind).tolist() == []


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(WavuError, match="known: cluster_runs, ward, stride"):
        segment_starts(np.zeros(1), np.zeros((1, 1)), np.array([0, 1]), kind="oracle")


def test_change_finds_planted_boundaries_in_each_utterance() -> None:
    rng = np.random.default_rng(0)
    lengths, truth, frames, offsets = [9, 7, 12, 6, 11], [], [], [0]
    for _ in range(4):
        rows = np.repeat(rng.normal(0, 3, (5, 6)), lengths, axis=0) + rng.normal(0, 0.05, (45, 6))
        truth += (offsets[-1] + np.cumsum([0, *lengths[:-1]])).tolist()
        frames.append(rows)
        offsets.append(offsets[-1] + 45)
    frames, offsets = np.concatenate(frames), np.array(offsets)
    starts = change(frames, offsets, dims=6, prominence=0.5)
    assert starts.tolist() == truth
    alone = change(frames[45:90], np.array([0, 45]), dims=6, prominence=0.5)
    assert (alone + 45).tolist() == [start for start in truth if 45 <= start < 90]


def test_change_of_nothing_and_of_one_frame() -> None:
    assert change(np.zeros((0, 3)), np.array([0]), dims=3, prominence=0.1).tolist() == []
    assert change(np.ones((1, 3)), np.array([0, 0, 1, 1]), dims=3, prominence=0.1).tolist() == [0]
