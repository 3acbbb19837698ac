"""Phones in the order of a phonetician's chart: vowels, then consonants from open to closed, each class from front to back."""

from collections.abc import Sequence

from wavu.text.articulation import RHOTICS, VOWELS, slots

# The features of panphon, in its order; those after these place no phone.
FEATURES = "syl son cons cont delrel lat nas strid voi sg cg ant cor distr lab hi lo back".split()
VOWEL, GLIDE, LIQUID, NASAL, FRICATIVE, AFFRICATE, STOP, UNKNOWN = range(8)


def in_order(phones: Sequence[str]) -> list[str]:
    """Vowels, glides, liquids, nasals, fricatives, affricates, stops, then what panphon does not know, such as silence.

    Vowels from front to back, the close ones first; consonants from the lips to the throat, of a pair the voiceless one first.

    >>> in_order(["<SIL>", "b", "k", "p", "tʃ", "s", "m", "l", "o", "a", "i"])
    ['i', 'a', 'o', 'l', 'm', 's', 'tʃ', 'p', 'b', 'k', '<SIL>']
    """
    return sorted(phones, key=lambda phone: (*_place(phone), phone))


def _place(phone: str) -> tuple[float, float, float]:
    """Class, then frontness, then height or voice: what phones are sorted by."""
    row = slots(phone)
    if not row:
        return UNKNOWN, 0, 0
    letter, vector = row[0]
    if letter in VOWELS:
        height, backness, _ = VOWELS[letter]
        return VOWEL, backness, height
    feature = dict(zip(FEATURES, vector, strict=False))
    places = (feature["lab"] > 0, feature["ant"] > 0, feature["cor"] > 0, feature["back"] < 0, feature["hi"] > 0)
    return _class_of(letter, feature, opens=len(row) > 1), (*places, True).index(True), feature["voi"]


def _class_of(letter: str, feature: dict[str, int], *, opens: bool) -> int:
    """Of a consonant. opens: whether something follows its first part."""
    if feature["nas"] > 0:
        return NASAL
    if letter in RHOTICS:
        return LIQUID
    if feature["son"] > 0 and feature["voi"] > 0:  # panphon calls h and the glottal stop sonorants
        return LIQUID if feature["cons"] > 0 else GLIDE
    if feature["cont"] > 0:
        return FRICATIVE
    return AFFRICATE if opens else STOP
