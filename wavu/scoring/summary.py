"""All rates of a system, or of one beside another, as numbers to be shown and written."""

from dataclasses import asdict
from typing import Any

from wavu.errors import WavuError
from wavu.scoring.pairs import Sequences
from wavu.scoring.rates import ErrorRate, character_error_rate, compare, interval, phone_error_rate, word_error_rate


def error_rates(found: dict[str, Sequences], truth: dict[str, Sequences]) -> dict[str, ErrorRate]:
    """PER where both sides have phones, WER and CER where both have words."""
    kinds = {"PER": ("phones", phone_error_rate), "WER": ("words", word_error_rate), "CER": ("words", character_error_rate)}
    both = found.keys() & truth.keys()
    return {name: measure(found[kind], truth[kind]) for name, (kind, measure) in kinds.items() if kind in both}


def described(rates: dict[str, ErrorRate], **bootstrap: Any) -> dict[str, dict]:
    """Each rate with its interval and everything it is made of."""
    return {
        name: {
            "rate": error.rate,
            **dict(zip(("low", "high"), interval(error, **bootstrap), strict=True)),
            **error.total,
            "length_ratio": error.length_ratio,
            "utterances": len(error.counts),
            "missing": error.missing,
        }
        for name, error in rates.items()
    }


def compared(rates: dict[str, ErrorRate], others: dict[str, ErrorRate], **bootstrap: Any) -> dict[str, dict]:
    """Each rate that both systems have, with the difference.

    Raises:
        WavuError: they have none in common.
    """
    both = [name for name in rates if name in others]
    if not both:
        raise WavuError(
            f"the baseline has {' and '.join(others)}, the hypotheses have {' and '.join(rates)}; nothing can be compared"
        )
    return {
        name: {"rate": rates[name].rate, "baseline": others[name].rate, **asdict(compare(rates[name], others[name], **bootstrap))}
        for name in both
    }
