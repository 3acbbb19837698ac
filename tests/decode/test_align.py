"""Known words lie where the scores say, silences between them where there are any."""

import numpy as np

from wavu.decode.align import align
from wavu.decode.topology import Topology

HALF = np.full((4, 2), np.log(0.5))
TOPOLOGY = Topology.hmm(4, 2, log_stay=HALF, log_leave=HALF)  # phone 3 is silence


def scores(phones: list[int]) -> np.ndarray:
    return np.where(np.arange(4) == np.array(phones)[:, None], 0.0, -5.0).repeat(2, axis=1)


def test_words_and_the_silence_between_them_are_found() -> None:
    heard = [0, 0, 0, 1, 1, 3, 3, 2, 2, 2]
    columns = align(scores(heard), [np.array([0, 1]), np.array([2])], TOPOLOGY)
    assert (columns // 2).tolist() == heard


def test_words_are_put_in_even_where_others_sound_likelier() -> None:
    columns = align(scores([0, 0, 0, 0, 2, 2]), [np.array([0, 1])], TOPOLOGY)
    assert sorted(set((columns // 2).tolist())) in ([0, 1], [0, 1, 3])


def test_too_few_frames_are_no_alignment() -> None:
    assert align(scores([0, 0, 1]), [np.array([0, 1])], TOPOLOGY) is None
