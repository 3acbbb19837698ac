"""The straight line that predicts a PER without labels, fitted to runs whose PER was looked at afterwards.

    python scripts/fit_verdict.py [RUNS.tsv]

RUNS.tsv (scripts/verdict_runs.tsv): per, agreement, divergence of each run, some with the text of another language, a shuffled one, or
without a voice; use: fit, or later for runs that came after the line stood. Printed: what belongs into wavu/scoring/verdict.py; the error,
each run of the fit being predicted from the others; the error on later runs; and how well PER under 0.5 is told from above in all of them
(area under the ROC curve).
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from wavu.store import read_table

RUNS = Path(__file__).parent / "verdict_runs.tsv"


def fitted(path: Path = RUNS) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The three coefficients; PER of all runs, PER predicted without it, and which runs came later."""
    rows = read_table(path, ["per", "agreement", "divergence", "use"])
    per = np.array([min(1.0, float(row["per"])) for row in rows])
    known = np.array([[1.0, float(row["agreement"]), float(row["divergence"])] for row in rows])
    later = np.array([row["use"] == "later" for row in rows])

    def line(kept: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(known[kept], per[kept], rcond=None)[0]

    predicted = [known[run] @ line(~later & (np.arange(len(per)) != run)) for run in range(len(per))]
    return line(~later), per, np.array(predicted).clip(0, 1), later


def main() -> None:
    """Print it."""
    (base, agreement, divergence), per, predicted, later = fitted(Path(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
    print(f"BASE, OF_AGREEMENT, OF_DIVERGENCE = {base:.3f}, {agreement:.3f}, {divergence:.3f}")
    for kept, what in ((~later, "each predicted from the others"), (later, "which came later")):
        error = np.sqrt(np.mean((predicted - per)[kept] ** 2))
        print(f"ERROR = {error:.3f}  # of {kept.sum()} runs, {what}")
    print(f"area under the ROC curve for PER < 0.5, all {len(per)} runs: {roc_auc_score(per < 0.5, -predicted):.3f}")


if __name__ == "__main__":
    main()
