"""What is said in recordings of other languages, as phones: the one file that reads such labels."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from wavu.audio.files import Recording, in_pieces
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import read_table
from wavu.text import lexicon
from wavu.text.normalise import words as words_of
from wavu.text.phonemise import pronounce
from wavu.units import HOP_SECONDS


@dataclass(frozen=True, eq=False)
class Taught:
    """U utterances that can be learned from. phones: of each. languages (U): which one each is in, by its number in ``names``.

    left_out: the other recordings, as rows language, id, reason.
    """

    recordings: list[Recording]
    phones: list[list[str]]
    languages: np.ndarray
    names: list[str]
    left_out: list[dict]

    @property
    def seconds(self) -> np.ndarray:
        """Length of each (U)."""
        return np.array([recording.seconds for recording in self.recordings])

    def inventory(self) -> list[str]:
        """All phones, the most frequent first."""
        count = Counter(phone for row in self.phones for phone in row)
        return sorted(count, key=lambda phone: (-count[phone], phone))

    def labels(self, inventory: list[str]) -> Ragged:
        """Phones as their places in the inventory."""
        number = {phone: place for place, phone in enumerate(inventory)}
        return Ragged.of([np.array([number[phone] for phone in row]) for row in self.phones], np.int16)


@dataclass(frozen=True)
class Limits:
    """What can be learned from. min_seconds, max_seconds: of an utterance. min_phone_share: of a phone among all of a language."""

    min_seconds: float
    max_seconds: float
    min_phone_share: float


def read_corpus(language: str, found: list[Recording], files: dict[str, Path], limits: Limits) -> Taught:
    """The utterances of one language whose length and words are such that they can be learned from.

    Raises:
        WavuError: there are fewer than two.
    """
    texts = {row["id"]: words_of(row["text"], language) for row in read_table(files["labels"], ["id", "text"])}
    recordings = in_pieces(found, max_seconds=float("inf"))
    said = [texts[recording.id] for recording in recordings if recording.id in texts]
    spoken = _spoken(language, sorted({word for row in said for word in row}), files)
    common = _common(said, spoken, limits.min_phone_share)
    kept, left_out = [], []
    for recording in recordings:
        row = texts.get(recording.id)
        reason = _unfit(recording, row, spoken, common, limits)
        if reason:
            left_out.append({"language": language, "id": recording.id, "reason": reason})
        else:
            kept.append((recording, [phone for word in row for phone in spoken[word]]))
    if len(kept) < 2:
        cause = Counter(row["reason"] for row in left_out).most_common(1)
        raise WavuError(
            f"of the {len(recordings):,} recordings in {language}, {len(kept)} can be learned from"
            + (f" (most others: {cause[0][0]}); are ids of {files['labels']} the names of files without ending?" if cause else "")
        )
    return Taught(*map(list, zip(*kept, strict=True)), np.zeros(len(kept), int), [language], left_out)


def _spoken(language: str, vocabulary: list[str], files: dict[str, Path]) -> dict[str, list[str]]:
    """The phones of each word, from the lexicon where there is one, else from espeak; none of what cannot be said."""
    if "lexicon" in files:
        known = {row["word"].lower(): row["phones"].split() for row in read_table(files["lexicon"], ["word", "phones"])}
        return {word: known.get(word, []) for word in vocabulary}
    spelled, _ = pronounce(vocabulary, language=language, units="phone", said={})
    return dict(zip(vocabulary, spelled, strict=True))


def _common(said: list[list[str]], spoken: dict[str, list[str]], min_phone_share: float) -> set[str]:
    """The phones that are not too rare to be learned, as prepare_text has them."""
    number = {word: place for place, word in enumerate(spoken)}
    lines = Ragged.of([np.array([number[word] for word in row], int) for row in said], np.int32)
    text, _, _ = lexicon.build(lines, list(spoken), list(spoken.values()), min_phone_share=min_phone_share)
    return set(text.phones[:-1])


def _unfit(
    recording: Recording, row: list[str] | None, spoken: dict[str, list[str]], common: set[str], limits: Limits
) -> str | None:
    """Why an utterance is left out, if it is."""
    if not row:
        return "no label" if row is None else "label without words"
    if not limits.min_seconds <= recording.seconds <= limits.max_seconds:
        return "unreadable" if not recording.seconds else "too short" if recording.seconds < limits.min_seconds else "too long"
    if not all(spoken[word] for word in row):
        return "word that cannot be said"
    phones = [phone for word in row for phone in spoken[word]]
    if not common.issuperset(phones):
        return "rare phone"
    # CTC parts a phone from its twin with a blank; a frame may be lost at the end.
    needed = len(phones) + sum(phone == other for phone, other in pairwise(phones)) + 1
    return "more phones than frames" if needed > recording.seconds / HOP_SECONDS else None


def gathered(corpora: dict[str, Taught]) -> Taught:
    """The utterances of all languages."""
    return Taught(
        [recording for each in corpora.values() for recording in each.recordings],
        [row for each in corpora.values() for row in each.phones],
        np.repeat(np.arange(len(corpora)), [len(each.recordings) for each in corpora.values()]),
        list(corpora),
        [row for each in corpora.values() for row in each.left_out],
    )


def held_out(taught: Taught, utterances: int, chance: np.random.Generator) -> np.ndarray:
    """Which utterances (U) bool are not learned from: of each language its part of ``utterances``, a tenth at most.

    Where all have a speaker, whole speakers, at least one and never all of them.
    """
    held = np.zeros(len(taught.recordings), bool)
    for language in range(len(taught.names)):
        rows = np.flatnonzero(taught.languages == language)
        wanted = max(1, min(utterances // len(taught.names), len(rows) // 10))
        speakers = np.array([taught.recordings[row].speaker for row in rows])
        names = np.unique(speakers)
        if not speakers.all() or len(names) == 1:
            held[chance.permutation(rows)[:wanted]] = True
            continue
        for name in chance.permutation(names)[:-1]:
            held[rows[speakers == name]] = True
            if held[rows].sum() >= wanted:
                break
    return held
