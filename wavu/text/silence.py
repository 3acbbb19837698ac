"""Phones of sentences, with silences drawn afresh at every call: speakers pause at some word ends, text does not say where."""

import numpy as np

from wavu.prepared import Text
from wavu.ragged import Ragged


def phones_of(text: Text) -> Ragged:
    """The int16 phone ids of each of the B sentences, words joined, no silence."""
    return spelled(text)[0]


def with_silence(text: Text, *, probability: float, generator: np.random.Generator, surround: bool) -> Ragged:
    """The int16 phone ids of each of the B sentences with ``<SIL>`` (id V - 1) put in.

    probability: of a silence at each word boundary within a sentence, independently; wav2vec-U 1.0 (Baevski et al. 2021)
    uses 0.25, 2.0 uses 0.5. surround: one more at both ends of every sentence. To draw for a batch of sentences only, give
    ``replace(text, lines=text.lines.take(rows))``.
    """
    phones, word_starts = spelled(text)
    begins_line = np.zeros(len(word_starts), bool)
    begins_line[text.lines.offsets[:-1][text.lines.lengths > 0]] = True
    silent = ~begins_line & (generator.random(len(word_starts)) < probability)
    places = word_starts[silent]
    if surround:
        places = np.concatenate([places, phones.offsets[:-1], phones.offsets[1:]])
    # A silence at the end of one line and one at the start of the next fall on one place; being equal, their order is free.
    within = np.concatenate([[0], np.cumsum(silent)])[text.lines.offsets]
    offsets = phones.offsets + within + 2 * surround * np.arange(len(within))
    return Ragged(np.insert(phones.flat, places, len(text.phones) - 1), offsets)


def spelled(text: Text) -> tuple[Ragged, np.ndarray]:
    """Phones of each sentence, and where in the flat array each word of the text starts."""
    words = text.pronunciations.take(text.lines.flat)
    return Ragged(words.flat, words.offsets[text.lines.offsets]), words.offsets[:-1]
