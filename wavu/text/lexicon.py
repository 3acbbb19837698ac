"""From words and their phones to a lexicon: rare phones go, and the words that hold them, and nothing else."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wavu.prepared import SILENCE, Text
from wavu.ragged import Ragged
from wavu.text.sentences import occurrences
from wavu.text.spool import PART, Spool


def build(
    lines: Ragged, words: list[str], spelled: Sequence[Sequence[str]], *, min_phone_share: float, disk: Path | None = None
) -> tuple[Text, np.ndarray, dict[str, str]]:
    """The text over the phones that are kept, the count of each of its words (W,), and for each dropped word the reason.

    A word without phones, or with a phone that makes up less than ``min_phone_share`` of the phones of the running text, is
    taken out of its sentence and the rest of the sentence stays: wav2vec-U drops the sentence, which at 2 % of words costs a
    third of the text. Words and phones are numbered from the most frequent.

    lines: rows of indices into ``words``. spelled: the phones of each word, none for a word that cannot be said.
    disk: a folder where the sentences lie, memory-mapped, while the process lives; without one, in memory.
    """
    counts = occurrences(lines, len(words))
    symbols = sorted({phone for phones in spelled for phone in phones})
    number = {symbol: index for index, symbol in enumerate(symbols)}
    flat = np.fromiter((number[phone] for phones in spelled for phone in phones), np.int64)
    pronunciations = Ragged(flat, np.cumsum([0, *map(len, spelled)]))
    kept, usage = _keep(pronunciations, counts, len(symbols), min_phone_share)
    reasons = {
        words[word]: f"rare phone {', '.join(sorted({symbols[p] for p in pronunciations[word] if not usage[p]}))}"
        for word in np.flatnonzero(~kept & (pronunciations.lengths > 0)).tolist()
    }
    frequent = np.argsort(-usage, kind="stable")[: np.count_nonzero(usage)]
    phone_id = np.zeros(len(symbols), np.int16)
    phone_id[frequent] = np.arange(len(frequent))
    order = np.argsort(np.where(kept, -counts, 1), kind="stable")[: np.count_nonzero(kept)]
    chosen = pronunciations.take(order)
    text = Text(
        [symbols[index] for index in frequent] + [SILENCE],
        [words[index] for index in order],
        Ragged(phone_id[chosen.flat], chosen.offsets),
        _renumber(lines, order, len(words), disk),
    )
    return text, counts[order], reasons


def _keep(pronunciations: Ragged, counts: np.ndarray, n_phones: int, min_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Which words stay (W,) bool, and how often each phone is used in them (P,), 0 for a phone that is pruned.

    Taking words out makes other phones rarer, hence the repetition.
    """
    owner = np.repeat(np.arange(len(pronunciations)), pronunciations.lengths)
    kept = pronunciations.lengths > 0
    while True:
        usage = np.bincount(pronunciations.flat, (kept * counts)[owner], n_phones).astype(np.int64)
        rare = (usage > 0) & (usage < min_share * usage.sum())
        if not rare.any():
            return kept, usage
        kept[owner[rare[pronunciations.flat]]] = False


def _renumber(lines: Ragged, order: np.ndarray, n_words: int, disk: Path | None) -> Ragged:
    """Sentences over the words in ``order``; others are taken out, and sentences of which nothing is left."""
    new = np.full(n_words, -1, np.int32)
    new[order] = np.arange(len(order))
    flat, ends = Spool(np.int32, disk), [np.zeros(1, np.int64)]
    for piece in lines.pieces(PART):
        renumbered = Ragged(new[piece.flat], piece.offsets)
        kept = renumbered.keep(renumbered.flat >= 0)
        ends.append(kept.offsets[1:][kept.lengths > 0] + len(flat))
        flat.append(kept.flat)
    return Ragged(flat.array(), np.concatenate(ends))
