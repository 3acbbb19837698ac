from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import entropy
from sklearn.metrics import mutual_info_score, v_measure_score
from sklearn.metrics.cluster import contingency_matrix

from wavu.errors import WavuError
from wavu.scoring.boundaries import Spans
from wavu.scoring.clusters import CoOccurrence, co_occurrence, phones_at

NAMES = ["<SIL>", "a", "k", "o", "t"]


def met(phones: np.ndarray, units: np.ndarray, clusters: int) -> CoOccurrence:
    """Frames of 10 ms, each with a span of its own, in two utterances."""

    def utterances() -> Iterator[tuple[np.ndarray, np.ndarray, Spans]]:
        for half in np.array_split(np.arange(len(phones)), 2):
            spans = [(place / 100, (place + 1) / 100, NAMES[phones[frame]]) for place, frame in enumerate(half)]
            yield (np.arange(len(half)) + 0.5) / 100, units[half], spans

    return co_occurrence(utterances(), phones=NAMES, clusters=clusters)


def test_clusters_that_are_the_phones_know_everything() -> None:
    phones = np.random.default_rng(0).integers(0, 5, 1000)
    names = np.array([7, 3, 0, 1, 5])
    made = met(phones, names[phones], clusters=9)
    assert made.pnmi == pytest.approx(1) and made.phone_purity == made.cluster_purity == 1
    shares, clusters = made.given_cluster()
    assert np.array_equal(shares, np.eye(5)) and clusters.tolist() == [names[NAMES.index(phone)] for phone in made.phones]


def test_many_clusters_per_phone_are_pure_but_the_phones_are_not() -> None:
    generator = np.random.default_rng(0)
    phones = generator.integers(0, 5, 20_000)
    made = met(phones, 4 * phones + generator.integers(0, 4, len(phones)), clusters=20)
    assert made.pnmi == pytest.approx(1) and made.phone_purity == 1
    assert made.cluster_purity == pytest.approx(1 / 4, abs=0.02)


def test_clusters_that_know_nothing() -> None:
    generator = np.random.default_rng(0)
    made = met(generator.choice(5, 20_000, p=[0.6, 0.1, 0.1, 0.1, 0.1]), generator.integers(0, 4, 20_000), clusters=4)
    assert made.pnmi == pytest.approx(0, abs=0.01)
    assert made.phone_purity == pytest.approx(0.6, abs=0.02) and made.phones[0] == "<SIL>"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9999), st.integers(10, 200), st.integers(1, 8))
def test_measures_are_those_of_scikit_learn(seed: int, frames: int, clusters: int) -> None:
    generator = np.random.default_rng(seed)
    phones, units = np.append(generator.integers(0, 5, frames), [0, 1]), generator.integers(0, clusters, frames + 2)
    made = met(phones, units, clusters)
    assert made.pnmi == pytest.approx(mutual_info_score(phones, units) / entropy(np.bincount(phones)), abs=1e-9)
    table = contingency_matrix(phones, units)
    assert made.phone_purity == pytest.approx(table.max(axis=0).sum() / len(phones))
    assert made.cluster_purity == pytest.approx(table.max(axis=1).sum() / len(phones))
    # PNMI is what scikit-learn calls homogeneity: the V-measure with all the weight on it.
    assert made.pnmi == pytest.approx(v_measure_score(phones, units, beta=0), abs=1e-9)


def test_clusters_stand_in_the_order_of_their_phones_the_purest_first() -> None:
    generator = np.random.default_rng(0)
    made = met(generator.integers(0, 5, 3000), generator.integers(0, 30, 3000), clusters=40)
    shares, clusters = made.given_cluster()
    assert sorted(clusters) == list(range(30)) and np.allclose(shares.sum(axis=0), 1)
    assert np.allclose(shares * made.counts[:, clusters].sum(axis=0), made.counts[:, clusters])
    keys = list(zip(shares.argmax(axis=0), -shares.max(axis=0), strict=True))
    assert keys == sorted(keys)
    frames = made.counts.sum(axis=1)
    assert made.measures("codes")["codes"] == 30
    assert (np.diff(frames) <= 0).all() and made.measures("codes")["frames"] == frames.sum() == 3000


def test_between_phones_is_silence() -> None:
    spans = [(0.5, 0.6, "t"), (0.1, 0.2, "a"), (0.2, 0.3, "k")]
    times = np.array([0.0, 0.1, 0.15, 0.2, 0.299, 0.3, 0.55, 0.6, 9.0])
    assert phones_at(times, spans) == ["<SIL>", "a", "a", "k", "k", "<SIL>", "t", "<SIL>", "<SIL>"]
    assert phones_at(times[:2], []) == ["<SIL>", "<SIL>"] and phones_at(times[:0], spans) == []


def test_alignments_beside_the_speech_are_an_error() -> None:
    with pytest.raises(WavuError, match="of these recordings"):
        co_occurrence([(np.array([0.1, 0.2]), np.array([0, 1]), [(5.0, 6.0, "a")])], phones=NAMES, clusters=2)


def test_another_order_of_the_phones_orders_the_clusters_too() -> None:
    generator = np.random.default_rng(0)
    made = met(generator.integers(0, 5, 3000), generator.integers(0, 30, 3000), clusters=30)
    other = made.in_order(NAMES)
    assert other.phones == NAMES and other.pnmi == pytest.approx(made.pnmi)
    shares, clusters = other.given_cluster()
    assert (np.diff(shares.argmax(axis=0)) >= 0).all()
    assert np.array_equal(other.counts[2], made.counts[made.phones.index("k")]) and len(clusters) == 30
