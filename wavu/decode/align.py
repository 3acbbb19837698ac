"""Where the phones of known words lie in the scores of a recogniser: the best path through these words and no others.

Shapes: N frames, P columns, V phones.
"""

from collections.abc import Sequence

import kaldifst
import numpy as np
from kaldi_decoder import DecodableCtc, FasterDecoder, FasterDecoderOptions

from wavu.decode import graph
from wavu.decode.topology import Topology, compiled

WIDE = 1e4  # nats: in the graph of one sentence there is little to give up
LEAST_ACTIVE, NO_LIMIT = 20, 2**31 - 1  # states: so many are followed however far behind


def line(pronunciations: Sequence[np.ndarray], topology: Topology) -> kaldifst.StdConstFst:
    """The graph of words with these phones, silence being possible before, between and after them."""
    arcs: list[tuple[int, int, int, int]] = []
    free = 0
    for phones in [*pronunciations, np.zeros(0, int)]:
        arcs.append((free, free + 1, 0, 0))
        if topology.silence is not None:
            arcs.append((free, free + 1, topology.silence + 1, 0))
        arcs += [(free + 1 + place, free + 2 + place, phone + 1, 0) for place, phone in enumerate(phones)]
        free += 1 + len(phones)
    return graph.behind(topology, compiled(np.array(arcs), finals=np.array([free])), n_marks=0)


def align(scores: np.ndarray, pronunciations: Sequence[np.ndarray], topology: Topology) -> np.ndarray | None:
    """The column of scores (N, P) in each frame (N) of the best path through the words; None where the frames are too few."""
    words = line(pronunciations, topology)  # the decoder only borrows it
    decoder = FasterDecoder(words, FasterDecoderOptions(WIDE, NO_LIMIT, LEAST_ACTIVE))
    decoder.decode(DecodableCtc(topology.columns(scores).astype(np.float32)))
    if not decoder.reached_final():
        return None
    labels = kaldifst.get_linear_symbol_sequence(decoder.get_best_path()[1])[1]
    return (np.array(labels) - 1) % topology.n_columns
