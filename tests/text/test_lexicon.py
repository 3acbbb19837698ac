import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.prepared import SILENCE
from wavu.ragged import Ragged
from wavu.text.lexicon import build


def spell(text, word: int) -> str:
    return "".join(text.phones[phone] for phone in text.pronunciations[word])


def test_a_rare_phone_takes_its_words_and_no_sentence():
    lines = Ragged.of([[0, 1, 2], [2, 0], [1], [3]], np.int32)
    words, spelled = ["ab", "az", "ba", "mute"], [list("ab"), list("az"), list("ba"), []]
    text, counts, reasons = build(lines, words, spelled, min_phone_share=0.25)
    assert reasons == {"az": "rare phone z"}
    assert text.words == ["ab", "ba"] and counts.tolist() == [2, 2]
    assert [[text.words[word] for word in line] for line in text.lines] == [["ab", "ba"], ["ba", "ab"]]
    assert text.phones[-1] == SILENCE and sorted(text.phones[:-1]) == ["a", "b"]
    assert [spell(text, word) for word in range(2)] == ["ab", "ba"]


def test_pruning_goes_on_until_nothing_is_rare():
    # z is rare; without the words that hold it y is rare too.
    lines = Ragged.of([[0] * 20, [1, 1, 2]], np.int32)
    text, _, reasons = build(lines, ["a", "yz", "y"], [["a"], ["y", "z"], ["y"]], min_phone_share=0.09)
    assert text.words == ["a"] and reasons == {"yz": "rare phone y, z", "y": "rare phone y"}


def test_nothing_can_be_said():
    text, counts, _ = build(Ragged.of([[0]], np.int32), ["x"], [[]], min_phone_share=0.0)
    assert len(text.lines) == 0 and text.phones == [SILENCE] and len(counts) == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=8),
    st.lists(st.text("abcd", max_size=3), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.1, 0.3]),
)
def test_what_is_left_is_what_was_there(rows, spellings, share):
    words = [f"w{index}" for index in range(6)]
    rows = [*rows, list(range(6))]
    text, counts, reasons = build(
        Ragged.of(rows, np.int32), words, [list(spelling) for spelling in spellings], min_phone_share=share
    )
    gone = set(reasons) | {word for word, spelling in zip(words, spellings, strict=True) if not spelling}
    left = [[word for word in (words[index] for index in row) if word not in gone] for row in rows]
    assert [[text.words[index] for index in line] for line in text.lines] == [row for row in left if row]
    assert counts.tolist() == sorted(counts, reverse=True) == [sum(row.count(word) for row in left) for word in text.words]
    assert all(spell(text, index) == spellings[words.index(word)] for index, word in enumerate(text.words))
    usage = np.bincount(text.pronunciations.take(text.lines.flat).flat, minlength=len(text.phones) - 1)
    assert (usage > 0).all() and (usage >= share * usage.sum()).all() and (np.diff(usage) <= 0).all()
