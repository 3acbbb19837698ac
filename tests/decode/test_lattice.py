import kaldifst
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.decode.lattice import sentences


def lattice_of(paths: list[tuple[list[int], list[tuple[float, float]]]]) -> kaldifst.Lattice:
    """A lattice of separate paths: labels (0 for none) and weights, one more weight for the end."""
    lattice = kaldifst.Lattice()
    start = lattice.add_state()
    lattice.start = start
    for labels, weights in paths:
        state = start
        for label, weight in zip(labels, weights, strict=False):
            after = lattice.add_state()
            lattice.add_arc(state, kaldifst.LatticeArc(1, label, kaldifst.LatticeWeight(*weight), after))
            state = after
        lattice.set_final(state, kaldifst.LatticeWeight(*weights[-1]))
    return lattice


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=1, max_size=8), st.integers(0, 10**6))
def test_each_sentence_has_the_best_of_its_paths(labels: list[list[int]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths, best = [], {}
    graph_cost = {}
    for row in labels:
        said = tuple(label for label in row if label)
        heard = rng.uniform(0, 9, len(row))
        # What the graph takes depends on the sentence alone, as it does in a search.
        graph_cost.setdefault(said, float(rng.uniform(0, 9)))
        paths.append((row, [(0.0, cost) for cost in heard] + [(graph_cost[said], 0.0)]))
        best[said] = min(best.get(said, np.inf), heard.sum())
    found = list(sentences(lattice_of(paths), 100))
    assert {said: acoustic for said, _, acoustic in found} == pytest.approx(best, abs=1e-4)
    assert [whole for _, whole, _ in found] == pytest.approx(sorted(best[said] + graph_cost[said] for said in best), abs=1e-4)
    assert list(sentences(lattice_of(paths), 1))[0][0] == found[0][0] or len(found) > 1
