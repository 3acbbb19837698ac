"""Invented languages: reproducible, different, and languages at all."""

import numpy as np
import pytest

from wavu.invent.language import CLASSES, CONSONANTS, PHRASES, VOWELS, invent


def language_of(seed: int):
    return invent(np.random.default_rng(seed), lexicon_size=250)


def test_one_seed_is_one_language() -> None:
    assert language_of(3).words == language_of(3).words
    assert language_of(3).words != language_of(4).words


@pytest.mark.parametrize("seed", range(6))
def test_it_has_13_letters_and_words_of_several_lengths(seed: int) -> None:
    language = language_of(seed)
    words = [word for group in language.words.values() for word in group]
    assert len(language.letters) >= 13 and len(set(words)) == len(words) == 250
    assert len({len(word) for word in words}) >= 5
    assert set(language.words) == set(CLASSES) and {name for phrase in PHRASES for name in phrase} <= set(CLASSES)
    assert set("".join(words)) <= set("".join((*VOWELS, *CONSONANTS)))


def test_sentences_are_distinct_and_zipfian() -> None:
    language = language_of(0)
    sentences = language.sentences(2000, np.random.default_rng(1))
    assert len(set(sentences)) == 2000
    nouns = [word for sentence in sentences for word in sentence.split() if word in set(language.words["noun"])]
    first, tenth = (nouns.count(language.words["noun"][rank]) for rank in (0, 9))
    assert 3 < first / tenth < 10  # 1 / 2 against 1 / 11
