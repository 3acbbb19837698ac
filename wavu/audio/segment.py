"""Phone-like segments: where one begins, for all utterances of a shard at once.

Utterances lie one after another in flat arrays: utterance b is rows ``offsets[b]:offsets[b + 1]``. A segmentation is
``starts`` (S,), the ascending rows at which a segment begins; the first row of every utterance is one.
"""

import numpy as np

from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.units import FRAME_RATE_HZ


def segment_starts(units: np.ndarray, frames: np.ndarray, offsets: np.ndarray, /, *, kind: str, **settings: float) -> np.ndarray:
    """Starts (S,) by the segmentation ``kind`` and its settings, from units (N,) or frames (N, d)."""
    match kind:
        case "cluster_runs":
            # A segment is a run of frames of the same unit (Baevski et al. 2021).
            return np.flatnonzero(Ragged(units, offsets).run_starts())
        case "ward":
            return ward(frames, offsets, **settings)
        case "stride":
            return stride(offsets, **settings)
        case "change":
            return change(frames, offsets, **settings)
    raise WavuError(f"segment.kind={kind} is unknown; known: cluster_runs, ward, stride, change")


def change(frames: np.ndarray, offsets: np.ndarray, *, dims: int, prominence: float) -> np.ndarray:
    """A segment begins where a frame differs most from the one before: at peaks of their distance.

    frames (N, d), offsets (B + 1,) -> starts (S,) int64. dims: of each frame that are looked at, each brought to variance 1, the
    first ones of PCA. prominence: of a peak (``scipy.signal.find_peaks``), by the standard deviation of the distances.
    """
    starts = [_changes(row[:, :dims].astype(np.float32), prominence) for row in Ragged(frames, offsets)]
    return np.concatenate([np.zeros(0, np.int64), *(start + begin for start, begin in zip(starts, offsets[:-1], strict=True))])


def _changes(frames: np.ndarray, prominence: float) -> np.ndarray:
    """The first frame of an utterance (N, d), and those at peaks of change; none of one without frames."""
    from scipy.signal import find_peaks  # here, because it takes more than a second that transcribing need not wait for

    if not len(frames):
        return np.zeros(0, np.int64)
    steps = np.diff(frames, axis=0, prepend=frames[:1]) / np.maximum(frames.std(0), 1e-6)
    distance = np.sqrt(np.square(steps).sum(1))
    peaks, _ = find_peaks(distance, prominence=prominence * distance.std())
    return np.union1d(peaks, [0])


def stride(offsets: np.ndarray, *, frames: int) -> np.ndarray:
    """A segment is ``frames`` frames; an utterance's last may be shorter. offsets (B + 1,) -> starts (S,) int64."""
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
    return np.flatnonzero(within % frames == 0)


def ward(frames: np.ndarray, offsets: np.ndarray, *, rate_hz: float) -> np.ndarray:
    """Agglomerative clustering (Ward 1963) in which only neighbours merge, down to ``rate_hz`` segments per second.

    frames (N, d), offsets (B + 1,) -> starts (S,) int64. Each round makes, in every utterance at once, the merge that adds
    least to the variance within its segments; there are as many rounds as the longest utterance needs merges.
    """
    lengths = np.diff(offsets)
    if not len(frames):
        return np.zeros(0, np.int64)
    merges = lengths - np.maximum(1, np.round(lengths * rate_hz / FRAME_RATE_HZ)).astype(np.int64)
    order = np.argsort(-merges, kind="stable")  # so that the utterances not yet done are always the first rows
    width = int(lengths.max()) + 2  # a dead column on both sides spares every test for the edges
    columns = np.arange(width) - 1
    alive = ((columns >= 0) & (columns < lengths[order, None])).ravel()
    total = np.zeros((len(alive), frames.shape[1]), np.float32)
    rows = np.minimum(offsets[order, None] + columns.clip(0), len(frames) - 1).ravel()
    total[alive] = frames[rows[alive]]
    size = alive.astype(np.float32)
    after, before = np.arange(1, len(alive) + 1), np.arange(-1, len(alive) - 1)

    def cost(left: np.ndarray) -> np.ndarray:
        """Variance added by merging each segment with the next; infinite at an edge."""
        right = after[left]
        n, m = size[left], size[right]
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = np.square(total[left] / n[:, None] - total[right] / m[:, None]).sum(axis=1)
            return np.where(alive[left] & alive[right], distance * n * m / (n + m), np.inf)

    costs = np.full((len(order), width), np.inf, np.float32)
    flat = costs.reshape(-1)
    flat[alive] = cost(np.flatnonzero(alive))
    for done in range(int(merges.max())):
        active = int(np.searchsorted(-merges[order], -done))
        left = np.arange(active) * width + costs[:active].argmin(axis=1)
        right = after[left]
        total[left] += total[right]
        size[left] += size[right]
        after[left] = after[right]
        before[after[left]] = left
        alive[right], flat[right] = False, np.inf
        flat[left], flat[before[left]] = cost(left), cost(before[left])
    return np.sort(rows[alive])


def pair_starts(offsets: np.ndarray) -> np.ndarray:
    """Rows at which a pair of neighbours begins; an odd last row is a pair of its own. offsets (B + 1,) -> (P,) int64."""
    return stride(offsets, frames=2)
