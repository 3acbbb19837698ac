"""An invented language: letters, a Zipf lexicon of consonant-vowel words, a small phrase grammar. All drawn from one seed."""

from dataclasses import dataclass

import numpy as np

VOWELS = ("a", "e", "i", "o", "u")
# Spellings that espeak-ng's Spanish voice reads as one phone each, whatever stands around them.
CONSONANTS = ("p", "t", "k", "m", "n", "s", "l", "f", "b", "d", "r", "j", "ch", "ñ")
N_CONSONANTS = 9

# Word class -> share of the lexicon. Sentences are drawn from PHRASES, whose words are drawn by class.
CLASSES = {"particle": 0.04, "noun": 0.46, "verb": 0.28, "adjective": 0.22}
PHRASES = (
    ("particle", "noun", "verb"),
    ("noun", "verb", "noun"),
    ("particle", "noun", "verb", "noun"),
    ("particle", "noun", "adjective", "verb"),
    ("verb", "particle", "noun", "adjective"),
    ("noun", "adjective", "verb", "particle", "noun"),
)


@dataclass(frozen=True)
class Language:
    """words: by class, most frequent first. phrases: probability of each of PHRASES."""

    words: dict[str, list[str]]
    phrases: np.ndarray

    @property
    def letters(self) -> list[str]:
        """The letters (some are digraphs) that occur."""
        text = "".join(word for words in self.words.values() for word in words)
        return [letter for letter in (*VOWELS, *CONSONANTS) if letter in text]

    def sentences(self, count: int, generator: np.random.Generator) -> list[str]:
        """Distinct sentences of one or two phrases, drawn word by word with Zipf frequencies within each class."""
        zipf = {name: 1 / (np.arange(len(words)) + 2.0) for name, words in self.words.items()}
        drawn: dict[str, None] = {}
        while len(drawn) < count:
            n_phrases = generator.choice([1, 2], p=[0.4, 0.6])
            classes = [name for pick in generator.choice(len(PHRASES), n_phrases, p=self.phrases) for name in PHRASES[pick]]
            chosen = [self.words[name][generator.choice(len(zipf[name]), p=zipf[name] / zipf[name].sum())] for name in classes]
            drawn[" ".join(chosen)] = None
        return list(drawn)


def invent(generator: np.random.Generator, *, lexicon_size: int) -> Language:
    """Draw a language: 5 vowels and 9 consonants of uneven frequency, words of one to four syllables."""
    consonants = generator.permutation(CONSONANTS)[:N_CONSONANTS]
    onset = generator.dirichlet(np.full(len(consonants), 3.0))
    nucleus = generator.dirichlet(np.full(len(VOWELS), 4.0))
    lexicon: dict[str, None] = {}
    while len(lexicon) < lexicon_size:
        n_syllables = generator.choice([1, 2, 3, 4], p=[0.1, 0.5, 0.3, 0.1])
        letters = []
        for syllable in range(n_syllables):
            # One word in eight begins with its vowel.
            if syllable or generator.random() > 0.125:
                letters.append(generator.choice(consonants, p=onset))
            letters.append(generator.choice(VOWELS, p=nucleus))
        lexicon["".join(letters)] = None
    # Frequent words are short, as in every language; classes take turns by their share.
    words = sorted(lexicon, key=lambda word: len(word) + generator.normal(0, 1.5))
    chosen = generator.choice(list(CLASSES), size=len(words), p=list(CLASSES.values()))
    by_class = {name: [word for word, pick in zip(words, chosen, strict=True) if pick == name] for name in CLASSES}
    return Language(by_class, generator.dirichlet(np.full(len(PHRASES), 2.0)))
