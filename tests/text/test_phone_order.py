import panphon
import pytest

from wavu.text.phone_order import FEATURES, in_order


def test_the_features_are_panphons() -> None:
    assert panphon.FeatureTable().names[: len(FEATURES)] == FEATURES


@pytest.mark.parametrize(
    "chart",
    [
        "i e a u o w j l r m n ɲ ŋ f v s z ʃ x tʃ p b t d k ɡ",
        "iː ɪ eː ɛ aɪ ʊ ɔ j l ʁ m n ŋ f v s z ʃ ç x h pf ts p b t d k ɡ ʔ",
        "t͡s dʒ",
    ],
)
def test_phones_stand_as_in_a_chart(chart: str) -> None:
    phones = [*chart.split(), "<SIL>"]
    assert in_order(sorted(phones)) == in_order(phones[::-1]) == phones
