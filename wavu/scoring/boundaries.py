"""How well found boundaries between phones fit the true ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from wavu.errors import WavuError
from wavu.prepared import SILENCE
from wavu.scoring.pairs import paired

Spans = list[tuple[float, float, str]]  # start and end in seconds of the file, and the phone
Boundaries = Mapping[str, list[float]]  # boundary times in seconds, ascending, by utterance id


@dataclass(frozen=True)
class BoundaryScore:
    """Boundaries summed over utterances: how many are true, how many were found, how many of those fit one to one."""

    true: int
    found: int
    hits: int

    @property
    def precision(self) -> float:
        """Share of the found boundaries that fit; 0 when none was found."""
        return self.hits / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Share of the true boundaries that were found."""
        return self.hits / self.true

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / (self.found + self.true)

    @property
    def r_value(self) -> float:
        """1 is perfect; unlike F1 it cannot be raised by placing boundaries everywhere.

        Räsänen, Laine and Altosaar, "An improved speech segmentation quality measure: the R-value", Interspeech 2009, Eq. 4-6.
        """
        over_segmentation = self.found / self.true - 1
        to_ideal = math.hypot(1 - self.recall, over_segmentation)
        to_line = (-over_segmentation + self.recall - 1) / math.sqrt(2)
        return 1 - (abs(to_ideal) + abs(to_line)) / 2


def boundaries(spans: Spans) -> list[float]:
    """The times at which a phone, not silence, begins or ends, without the first and the last: speech begins at no boundary.

    Equal to the millisecond is equal.
    """
    edges = {round(edge, 3) for start, end, phone in spans if phone != SILENCE for edge in (start, end)}
    return sorted(edges)[1:-1]


def boundary_score(found: Boundaries, true: Boundaries, *, tolerance_seconds: float) -> BoundaryScore:
    """Match each found boundary with at most one true boundary no further away than the tolerance, as many as possible.

    Raises:
        WavuError: no utterance has both, or there is no true boundary.
    """
    pairs = paired(found, true)
    n_found, n_true = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    if not n_true:
        raise WavuError("the alignments hold no boundary between phones; is every utterance a single phone?")
    return BoundaryScore(n_true, n_found, sum(_hits(*pair, tolerance_seconds) for pair in pairs))


def _hits(found: list[float], true: list[float], tolerance_seconds: float) -> int:
    """Largest one-to-one matching of two ascending lists: the earliest pair that fits can always be kept."""
    slack = tolerance_seconds + 1e-6  # times are read from decimals
    hits = i = j = 0
    while i < len(found) and j < len(true):
        distance = found[i] - true[j]
        hits += abs(distance) <= slack
        i, j = i + (distance <= slack), j + (distance >= -slack)
    return hits
