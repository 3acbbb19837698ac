"""Phones of one inventory as those of another, by how they are articulated.

Xu, Baevski and Auli 2021 give each phone to the one of the other inventory whose articulatory features, those of panphon
(Mortensen et al. 2016), differ least. Where a phonetician would not follow, this does not either:

- A phone is a row of slots: a diphthong has two, a long vowel the same one twice, an affricate a stop and a fricative, however
  it is spelled (for panphon, t͡s is one segment and ts two). So English eɪ lies beside German eː, and where there is no ts, it
  becomes t s. Rows of different lengths are stretched over each other, as panphon's edit distance would let a slot go.
- Vowels lie in the chart of the IPA, not in panphon's binary features, where ɐ is e. Rounding counts more than backness: to
  American ears, the front rounded vowels of German are like back ones (Strange et al. 2004).
- Rhotics are one class of all places and manners (Ladefoged and Maddieson 1996, chapter 7): ʁ is ɹ before it is v.
- Place counts beside manner: under panphon's own weights, which are led by classes, w is j before it is v.

Distances: 0.25 is a consonant's voice, 0.5 its manner, 1 a vowel as open as another one is close, 3 and more a vowel for a consonant.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import panphon
import regex

# What each feature of panphon is worth where consonants differ in it; tones and what is not listed are worth nothing.
WEIGHTS = {
    "syl": 3.0, "nas": 1.0, "lab": 2.0, "son": 0.5, "cont": 0.5, "lat": 0.5, "cons": 0.125, "delrel": 0.25, "strid": 0.25,
    "voi": 0.25, "ant": 0.25, "cor": 0.25, "back": 0.75, "lo": 0.25, "velaric": 0.25, "hi": 0.125, "round": 0.125, "sg": 0.125,
    "cg": 0.125, "distr": 0.125,
}  # fmt: skip
RHOTICS, RHOTIC_SHARE = frozenset("rɹɾɺɻɽʀʁ"), 0.1  # of what their features differ in
HEIGHT, BACKNESS, ROUNDING, NASALITY = 1.0, 0.4, 0.6, 0.5  # of vowels: close against open, front against back, ...
STRETCH = 0.1  # for each slot that one row has more than the other
SECOND, HIATUS = 0.3, 0.7  # for a second phone where one might do; where both begin with a vowel, as diphthongs are one syllable

# The vowel chart of the IPA, front to back, unrounded then rounded. Letters that most languages use for what lies beside their
# place in the chart (e, o, a, ʌ) are where they are used; lax ɪ and ʊ are a little nearer to i and u than to e and o.
_CHART = {
    0.0: "iy ɨʉ ɯu", 0.15: "ɪʏ .. .ʊ", 0.4: "eø ɘɵ ɤo", 0.5: ".. ə. ..", 0.65: "ɛœ ɜɞ .ɔ", 0.75: ".. ʌ. ..", 0.8: "æ. .. ..", 0.85: ".. ɐ. ..",
    1.0: ".ɶ a. ɑɒ",
}  # fmt: skip
VOWELS = {
    symbol: (height, place / 2, float(rounded))
    for height, row in _CHART.items()
    for place, pair in enumerate(row.split())
    for rounded, symbol in enumerate(pair)
    if symbol != "."
}

# Symbols of espeak and others that panphon does not know, and what it does know for them.
_KNOWN = str.maketrans(
    {"ɚ": "əɹ", "ɝ": "ɜɹ", "˞": "ɹ", "ᵻ": "ɪ", "ᵿ": "ʊ", "ɷ": "ʊ", "ɩ": "ɪ", "g": "ɡ", "ʧ": "tʃ", "ʤ": "dʒ", "ʦ": "ts", "ʣ": "dz", ":": "ː"}
    | dict.fromkeys("͜͡ˑˈˌ.'̯-0123456789˥˦˧˨˩")
)  # fmt: skip

Slot = tuple[str, tuple[int, ...]]  # the letter without marks, and panphon's features


@dataclass(frozen=True)
class Match:
    """What a phone becomes: one or two, and how far they are from it; none, infinitely far, where it cannot be placed."""

    phones: tuple[str, ...]
    distance: float


def match_all(sources: Iterable[str], targets: Sequence[str]) -> dict[str, Match]:
    """What each phone of one inventory becomes in another; see :func:`match`."""
    return {source: match(source, targets) for source in sources}


def match(source: str, targets: Sequence[str]) -> Match:
    """The nearest phone of an inventory, or two of them in a row where these are clearly nearer.

    A phone that the inventory has becomes itself. Of phones equally near, the first by its code points is taken, whatever their order.

    >>> match("ʏ", ["ɪ", "ʊ"]).phones, match("ts", ["s", "t"]).phones, match("5", ["s"]).phones
    (('ʊ',), ('t', 's'), ())
    """
    whole = slots(source)
    if source in targets:
        return Match((source,), 0.0)
    known = {target: slots(target) for target in sorted(set(targets))}
    known = {target: row for target, row in known.items() if row}
    if not whole or not known:
        return Match((), math.inf)
    found = [_nearest(whole, known)]
    for cut in range(1, len(whole)):
        first, second = _nearest(whole[:cut], known), _nearest(whole[cut:], known)
        both = whole[0][0] in VOWELS and whole[cut][0] in VOWELS
        distance = first.distance + second.distance + (HIATUS if both else SECOND)
        if first.phones != second.phones:  # CTC hears a phone that follows itself as one
            found.append(Match(first.phones + second.phones, distance))
    return min(found, key=lambda row: (round(row.distance, 9), len(row.phones), row.phones))


def _nearest(whole: tuple[Slot, ...], known: dict[str, tuple[Slot, ...]]) -> Match:
    """The one phone that is nearest."""
    distances = {target: between(whole, row) for target, row in known.items()}
    target = min(distances, key=lambda name: (round(distances[name], 9), name))
    return Match((target,), distances[target])


@cache
def slots(phone: str) -> tuple[Slot, ...]:
    """What a phone is made of, one after another; nothing where panphon knows none of its symbols.

    >>> [letter for letter, _ in slots("aɪ")], [letter for letter, _ in slots("t͡s")], [letter for letter, _ in slots("oː")]
    (['a', 'ɪ'], ['t', 's'], ['o', 'o'])
    """
    features = _features()
    text = unicodedata.normalize("NFD", phone).translate(_KNOWN)
    text = regex.sub(r"(\p{L}\p{M}*?)\N{COMBINING VERTICAL LINE BELOW}", r"ə\1", text)  # syllabic: a vowel and a consonant
    row: list[Slot] = []
    for segment in features.ipa_segs(unicodedata.normalize("NFC", text)):
        vector = tuple(features.fts(segment).numeric())
        letter = unicodedata.normalize("NFD", segment)[0]
        row += [(letter, vector)] * (2 if segment.endswith("ː") and letter in VOWELS else 1)
    return tuple(row)


@cache
def between(source: tuple[Slot, ...], target: tuple[Slot, ...]) -> float:
    """How far two rows of slots, each stretched to the same length, are apart for each slot of the source."""
    grid = math.lcm(len(source), len(target))
    stretched = ([row[place * len(row) // grid] for place in range(grid)] for row in (source, target))
    distance = sum(apart(*pair) for pair in zip(*stretched, strict=True)) * len(source) / grid
    return distance + STRETCH * abs(len(source) - len(target))


@cache
def apart(first: Slot, second: Slot) -> float:
    """How far two slots are apart."""
    (one, features), (other, others) = first, second
    differing = {name: abs(a - b) / 2 for name, a, b in zip(_features().names, features, others, strict=True) if a != b}
    if one in VOWELS and other in VOWELS:
        moved = [abs(a - b) for a, b in zip(VOWELS[one], VOWELS[other], strict=True)]
        chart = sum(size * weight for size, weight in zip(moved, (HEIGHT, BACKNESS, ROUNDING), strict=True))
        return chart + NASALITY * differing.get("nas", 0.0)
    distance = sum(WEIGHTS.get(name, 0.0) * size for name, size in differing.items())
    return distance * RHOTIC_SHARE if {one, other} <= RHOTICS else distance


@cache
def _features() -> panphon.FeatureTable:
    """Panphon's table; it takes a second or two to read."""
    return panphon.FeatureTable()
