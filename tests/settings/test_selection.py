"""The weights of the score without labels: those of the study, and some that make none."""

import pytest

from wavu.errors import WavuError
from wavu.selection import TERMS
from wavu.settings.mistakes import checked
from wavu.settings.selection import Selection

TEXT = {"weighted_lm_perplexity": 1.0, "jsd1": 0.333, "jsd2": 0.333, "jsd3": 0.333}


def test_every_weight_is_one_of_a_measure() -> None:
    assert Selection.model_fields.keys() <= TERMS.keys()


def test_a_measure_that_only_training_has_is_left_out_where_it_weighs_nothing() -> None:
    assert Selection(log_likelihood=0.0).plain() == TEXT
    assert Selection(log_likelihood=3.0).plain() == TEXT | {"log_likelihood": 3.0}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"jsd": 1.0, "log_likelihood": 0}, "unknown setting 'jsd' (did you mean 'jsd3'?)"),
        ({"log_likelihood": -1.0}, "log_likelihood=-1.0 must be at least 0"),
        ({"jsd1": float("nan"), "log_likelihood": 0}, "jsd1=nan must be a finite number"),
        (dict.fromkeys([*TEXT, "log_likelihood"], 0), "one must be above 0"),
    ],
)
def test_weights_that_make_no_score_are_refused(weights: dict, words: str) -> None:
    with pytest.raises(WavuError) as error:
        checked(Selection, weights, command="gan_train")
    assert words in str(error.value)
