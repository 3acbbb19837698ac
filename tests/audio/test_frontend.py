"""The fitted front end: rows that belong together, the same from disk, the same one by one."""

from pathlib import Path

import numpy as np
import pytest

from wavu.audio.frontend import FrontEnd, joined, speech_of
from wavu.ragged import Ragged

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(size=(n, 78)).astype(np.float32) for n in (40, 1, 75, 8)]
VAD = {"kind": "none", "min_pause": 0.0, "padding": 0.0}
SEGMENTS = {
    "runs": {"kind": "cluster_runs", "pair_pool": False},
    "pairs": {"kind": "cluster_runs", "pair_pool": True},
    "ward": {"kind": "ward", "rate_hz": 12.0, "pair_pool": False},
    "stride": {"kind": "stride", "frames": 3, "pair_pool": True},
}


def fit(segment: str = "ward", vad: dict = VAD) -> FrontEnd:
    settings = {"vad": vad, "encoder": {"kind": "mfcc"}, "segment": SEGMENTS[segment], "min_seconds": 0.3, "max_seconds": 40}
    kmeans = {"clusters": 6, "iterations": 5, "restarts": 1}
    return FrontEnd.fit(np.concatenate(ROWS), settings=settings, kmeans=kmeans, dim=5, bits=16, seed=0)


@pytest.mark.parametrize("segment", SEGMENTS)
def test_segments_are_means_of_their_frames(segment: str) -> None:
    done = fit(segment).segment(Ragged.of(ROWS, np.float32))
    assert done.frames.lengths.tolist() == done.units.lengths.tolist() == [40, 1, 75, 8]
    assert done.segments.lengths.tolist() == done.starts.lengths.tolist()
    assert done.frames.flat.dtype == done.segments.flat.dtype == np.float16
    assert done.units.flat.dtype == np.int16 and done.starts.flat.dtype == np.int32
    for frames, segments, starts in zip(done.frames, done.segments, done.starts, strict=True):
        assert starts[0] == 0 and (np.diff(starts) > 0).all() and starts[-1] < len(frames)
        if segment != "pairs":  # there, a pair is the mean of two means, as in the original
            if segment == "stride":
                assert (np.diff(starts) == 6).all()
            else:
                means = [part.astype(np.float32).mean(axis=0) for part in np.split(frames, starts[1:])]
                assert np.abs(means - segments).max() < 0.01


def test_pairs_are_means_of_neighbouring_segments() -> None:
    single, paired = (fit(segment).segment(Ragged.of(ROWS, np.float32)) for segment in ("runs", "pairs"))
    for one, two, starts, kept in zip(single.segments, paired.segments, single.starts, paired.starts, strict=True):
        assert kept.tolist() == starts[::2].tolist()
        means = [one[row : row + 2].astype(np.float32).mean(axis=0) for row in range(0, len(one), 2)]
        assert np.abs(means - two).max() < 0.01


@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_shard_is_its_utterances_one_by_one(segment: str) -> None:
    front = fit(segment)
    together = front.segment(Ragged.of(ROWS, np.float32))
    for index, row in enumerate(ROWS):
        alone = front.segment(Ragged.of([row], np.float32))
        assert np.array_equal(alone.units.flat, together.units[index])
        assert np.array_equal(alone.starts.flat, together.starts[index])
        assert np.abs(alone.segments.flat.astype(np.float32) - together.segments[index]).max() < 0.01


def test_it_comes_back_from_disk_the_same(tmp_path: Path) -> None:
    front = fit()
    front.write(tmp_path)
    back = FrontEnd.read(tmp_path)
    assert back.target_centroids is None
    assert back.settings == front.settings and sorted(path.name for path in tmp_path.iterdir()) == [
        "frontend.json",
        "frontend.safetensors",
    ]
    waveform = RNG.normal(0, 0.1, 16_000).astype(np.float32)
    (kept, spans), (kept_back, spans_back) = front.listen(waveform), back.listen(waveform)
    assert (
        np.array_equal(kept, waveform)
        and np.array_equal(kept_back, kept)
        and spans.tolist() == spans_back.tolist() == [[0.0, 1.0]]
    )
    ours, theirs = front.segment(front.encode([kept])), back.segment(back.encode([kept]))
    for name in ("frames", "units", "segments", "starts"):
        assert np.array_equal(getattr(ours, name).flat, getattr(theirs, name).flat)
    assert len(ours.frames.flat) == len(ours.units.flat) == 49 and ours.segments.lengths.tolist() == [round(49 * 12 / 50)]
    assert ours.frames.flat.shape[1] == ours.segments.flat.shape[1] == 5


def test_targets_are_the_nearest_of_learned_clusters(tmp_path: Path) -> None:
    """Three clouds, found again, also from disk."""
    clouds = np.repeat(10 * np.eye(3, 39), 50, axis=0)
    cepstra = (clouds + RNG.normal(0, 0.1, clouds.shape)).astype(np.float32)
    front = fit().with_targets(cepstra, kmeans={"clusters": 3, "iterations": 20, "restarts": 5}, seed=0)
    front.write(tmp_path)
    rows = [cepstra[[0, 149, 1]], cepstra[[60, 70]]]
    for one in (front, FrontEnd.read(tmp_path)):
        found = one.targets(Ragged.of(rows, np.float32))
        a, b, c, d, e = found.flat.tolist()
        assert found.flat.dtype == np.int16 and found.lengths.tolist() == [3, 2]
        assert a == c and d == e and len({a, b, d}) == 3


@pytest.mark.parametrize("segment", SEGMENTS)
def test_no_speech_is_no_frames(segment: str) -> None:
    webrtc = {"kind": "webrtc", "mode": 3, "min_pause": 0.1, "padding": 0.0}
    front = fit(segment, webrtc)
    kept, spans = front.listen(np.zeros(16_000, np.float32))
    assert len(kept) == 0 and spans.shape == (0, 2)
    encoded = front.encode([])
    done = front.segment(encoded)
    assert encoded.flat.shape == (0, 78) and done.frames.flat.shape == done.segments.flat.shape == (0, 5)
    assert len(done.units) == len(done.starts) == len(front.units(encoded)) == len(front.frames(encoded)) == 0


def test_what_a_model_asks_for_is_what_shards_hold() -> None:
    front, encoded = fit(), Ragged.of(ROWS, np.float32)
    done = front.segment(encoded)
    for ours, theirs in ((front.units(encoded), done.units), (front.frames(encoded), done.frames)):
        assert np.array_equal(ours.flat, theirs.flat) and np.array_equal(ours.offsets, theirs.offsets)


def test_too_little_speech_is_none() -> None:
    speech, spans = speech_of(np.ones(3_200, np.float32), vad=VAD, min_seconds=0.3)
    assert len(speech) == 0 and spans.shape == (0, 2)
    assert len(speech_of(np.ones(6_400, np.float32), vad=VAD, min_seconds=0.3)[0]) == 6_400
    assert joined([], 7).flat.shape == (0, 7)
