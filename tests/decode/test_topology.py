from itertools import groupby

import kaldifst
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavu.decode.topology import Topology, compiled
from wavu.errors import WavuError


def hmm(phones: int, states: int) -> Topology:
    halves = np.log(np.full((phones, states), 0.5))
    return Topology.hmm(phones, states, log_stay=halves, log_leave=halves)


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 3))
def test_phones_of_a_ctc_path_are_what_ctc_means(columns: list[int], blank: int) -> None:
    topology = Topology.ctc(3, blank=blank)
    found = topology.phones(np.array(columns, int) + 1)
    names = [column for column in range(4) if column != blank]
    assert [names[phone] for phone in found[:, 0]] == [column for column, _ in groupby(columns) if column != blank]
    for phone, start, end in found:
        assert set(columns[start:end]) == {names[phone]}


@given(st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(1, 3), min_size=2, max_size=2)), max_size=6))
def test_phones_of_an_hmm_path_know_twins_apart(said: list[tuple[int, list[int]]]) -> None:
    topology, labels, expected, time = hmm(3, 2), [], [], 0
    for phone, lengths in said:
        for state, length in enumerate(lengths):
            column = phone * 2 + state
            labels += [column + 1] + [column + 1 + topology.n_columns] * (length - 1)
        if phone != topology.silence:
            expected.append([phone, time, time + sum(lengths)])
        time += sum(lengths)
    assert topology.phones(np.array(labels, int)).tolist() == expected


@pytest.mark.parametrize("topology", [Topology.ctc(3, blank=1), hmm(3, 1), hmm(3, 2)], ids=["ctc", "hmm1", "hmm2"])
@given(phones=st.lists(st.integers(0, 2), min_size=1, max_size=4))
def test_the_transducer_says_the_phones_that_its_paths_have(topology: Topology, phones: list[int]) -> None:
    places = np.arange(len(phones))
    line = compiled(np.stack([places, places + 1, np.array(phones) + 1, places + 1], 1), finals=np.array([len(phones)]))
    columns = topology.transducer(0)
    kaldifst.arcsort(columns, sort_type="olabel")
    paths = kaldifst.compose(columns, line)
    for seed in range(5):
        length = 3 * len(phones) * topology.n_states
        _, path = kaldifst.equal_align(paths, length=length, rand_seed=seed)
        labels = np.array(kaldifst.get_linear_symbol_sequence(path)[1])
        assert len(labels) == length
        assert topology.phones(labels)[:, 0].tolist() == [phone for phone in phones if phone != topology.silence]


def test_columns_of_an_hmm_are_entered_and_stayed_in() -> None:
    stay = np.array([[0.9, 0.8], [0.7, 0.6]])
    topology = Topology.hmm(2, 2, log_stay=np.log(stay), log_leave=np.log(1 - stay))
    laid_out = np.exp(topology.columns(np.zeros((1, 4))))
    assert laid_out == pytest.approx(np.array([[0.1, 0.2, 0.3, 0.4, 0.9, 0.8, 0.7, 0.6]]))


def test_posteriors_are_of_phones() -> None:
    scores = np.log(np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert np.exp(hmm(2, 2).posteriors(scores + 7)) == pytest.approx(np.array([[0.3, 0.7]]))
    assert np.exp(Topology.ctc(3, blank=1).posteriors(scores)) == pytest.approx(np.array([[0.1, 0.3, 0.4]]))


def test_what_makes_no_topology_is_refused() -> None:
    with pytest.raises(WavuError, match="blank=4 is not one of the 4 columns"):
        Topology.ctc(3, blank=4)
    with pytest.raises(WavuError, match=r"must both be \(3, 2\)"):
        Topology.hmm(3, 2, log_stay=np.zeros((3, 1)), log_leave=np.zeros((3, 2)))
