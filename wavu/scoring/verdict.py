"""How good is a recogniser of people, said without a label: a predicted PER with its error, and a verdict in words.

The prediction is a straight line fitted to runs of four corpora whose PER was looked at afterwards, ruined ones among them
(scripts/verdict_runs.tsv, scripts/fit_verdict.py). Nothing of a run's own language goes into it but these two figures.
"""

from dataclasses import dataclass

# As scripts/fit_verdict.py prints them; the error is that on runs which came after the line stood.
BASE, OF_AGREEMENT, OF_DIVERGENCE, ERROR = 1.427, -1.487, 6.392, 0.137
# Greatest predicted PER of what counts as found, or partly found. Of those runs the worst that deserved better was predicted 0.51, the
# best with the text of another language 0.55.
FOUND, PARTLY = 0.36, 0.53


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
    """The verdict on a run.

    agreement: how often a phone that was found in its context is also what sounds likeliest by itself, in speech that was not
    learned from (0 to 1). divergence: of how frequent the phones are that were found, from the text (Jensen-Shannon, bits).

    >>> print(judged(agreement=0.8, divergence=0.01)); print(judged(agreement=0.6, divergence=0.03))
    found: predicted PER 0.30 ± 0.14
    failed: predicted PER 0.73 ± 0.14
    """
    per = BASE + OF_AGREEMENT * agreement + OF_DIVERGENCE * divergence
    return Verdict(min(1.0, max(0.0, per)), ERROR)
