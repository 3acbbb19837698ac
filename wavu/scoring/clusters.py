"""What clusters of frames, or the codes of a quantiser, know about phones: how often they meet, how well the one predicts the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import entr

from wavu.errors import WavuError
from wavu.prepared import SILENCE
from wavu.scoring.boundaries import Spans


@dataclass(frozen=True, eq=False)
class CoOccurrence:
    """On how many frames each phone and each cluster meet.

    phones: V; as counted, the one with the most frames first. counts: (V, K).
    The three measures are those of Hsu et al., "HuBERT: Self-supervised speech representation learning by masked prediction of
    hidden units", TASLP 2021 (metrics of target quality).
    """

    phones: list[str]
    counts: np.ndarray

    @property
    def joint(self) -> np.ndarray:
        """Probability of phone and cluster together (V, K)."""
        return self.counts / self.counts.sum()

    @property
    def pnmi(self) -> float:
        """Share of the uncertainty about the phone that the cluster takes away: mutual information by the phones' entropy, 0 to 1."""
        of_phone, of_cluster, of_both = (entr(p).sum() for p in (self.joint.sum(axis=1), self.joint.sum(axis=0), self.joint))
        return float((of_phone + of_cluster - of_both) / of_phone)

    @property
    def phone_purity(self) -> float:
        """Share of the frames that are right where each cluster stands for its most frequent phone."""
        return float(self.joint.max(axis=0).sum())

    @property
    def cluster_purity(self) -> float:
        """The same with phones and clusters exchanged: the more clusters share one phone, the lower."""
        return float(self.joint.max(axis=1).sum())

    def measures(self, kind: str) -> dict[str, float | int]:
        """The three measures, and of how many phones, frames and, by the name ``kind``, clusters that occur."""
        return {
            "pnmi": self.pnmi,
            "phone_purity": self.phone_purity,
            "cluster_purity": self.cluster_purity,
            "phones": len(self.phones),
            kind: int(np.count_nonzero(self.counts.any(axis=0))),
            "frames": int(self.counts.sum()),
        }

    def in_order(self, phones: Sequence[str]) -> "CoOccurrence":
        """The same with the phones in another order."""
        return CoOccurrence(list(phones), self.counts[[self.phones.index(phone) for phone in phones]])

    def given_cluster(self) -> tuple[np.ndarray, np.ndarray]:
        """P(phone | cluster) (V, K') of the clusters that occur, in order of their phone, the purest first; their numbers (K')."""
        used = np.flatnonzero(self.counts.any(axis=0))
        shares = self.counts[:, used] / self.counts[:, used].sum(axis=0)
        order = np.lexsort((-shares.max(axis=0), shares.argmax(axis=0)))
        return shares[:, order], used[order]


def co_occurrence(
    utterances: Iterable[tuple[np.ndarray, np.ndarray, Spans]], *, phones: Sequence[str], clusters: int
) -> CoOccurrence:
    """Count phones and clusters over frames.

    utterances: of each the times of its frames in seconds (N), their clusters (N), and its true phones.
    phones: all that may occur, silence among them. clusters: K.

    Raises:
        WavuError: fewer than two phones occur, so there is nothing to know about them.
    """
    number = {phone: index for index, phone in enumerate(phones)}
    counts = np.zeros((len(phones), clusters), np.int64)
    for times, units, spans in utterances:
        np.add.at(counts, (np.array([number[phone] for phone in phones_at(times, spans)], int), units), 1)
    frames = counts.sum(axis=1)
    order = np.argsort(-frames, kind="stable")[: np.count_nonzero(frames)]
    if len(order) < 2:
        raise WavuError(
            "the alignments have fewer than two different phones where there is speech; are they of these recordings?"
        )
    return CoOccurrence([phones[phone] for phone in order], counts[order])


def phones_at(times: np.ndarray, spans: Spans) -> list[str]:
    """The phone at each time (N), silence where there is none."""
    starts, ends, phones = zip(*sorted(spans), strict=True) if spans else ((), (), ())
    last = np.searchsorted(starts, times, side="right") - 1
    # Before the first span `last` is -1, and an end at minus infinity is there to be found.
    inside = times < np.array([*ends, -np.inf])[last]
    return [phones[span] if within else SILENCE for span, within in zip(last, inside, strict=True)]
