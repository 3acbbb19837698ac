"""Text made to err as segments do: boundaries that are missed join two phones in one segment, false ones cut one in two.

Shapes: L phones of a line.
"""

import numpy as np

from wavu.ragged import Ragged


def passed(lines: Ragged, *, drop: float, double: float, copies: int, generator: np.random.Generator) -> Ragged:
    """Lines of phones (L) after a channel that loses a phone with probability ``drop`` and doubles it with ``double``.

    copies: how often the text is sent, so that rare pairs are met.
    """
    flat, offsets = np.tile(lines.flat, copies), np.append(0, np.cumsum(np.tile(lines.lengths, copies)))
    chance = generator.random(len(flat))
    times = np.where(chance < drop, 0, np.where(chance > 1 - double, 2, 1))
    return Ragged(np.repeat(flat, times), np.append(0, np.cumsum(times))[offsets])
