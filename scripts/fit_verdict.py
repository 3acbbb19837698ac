"""The straight line that predicts a PER without labels, fitted to runs whose PER was looked at afterwards.

    python scripts/fit_verdict.py [RUNS.tsv]

RUNS.tsv (scripts/verdict_runs.tsv): per, agreement, divergence of each run, some with the text of another language, a shuffled one, or
without a voice. Printed: what belongs into wavu/scoring/verdict.py; and, each run being predicted from all others, the error and how well
PER under 0.5 is told from above (area under the ROC curve).
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from wavu.store import read_table

RUNS = Path(__file__).parent / "verdict_runs.tsv"


def fitted(path: Path = RUNS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The three coefficients; PER of the runs, and PER predicted from the others."""
    rows = read_table(path, ["per", "agreement", "divergence"])
    per = np.array([min(1.0, float(row["per"])) for row in rows])
    known = np.array([[1.0, float(row["agreement"]), float(row["divergence"])] for row in rows])

    def line(kept: np.ndarray) -> np.ndarray:
        return np.linalg.lstsq(known[kept], per[kept], rcond=None)[0]

    left_out = [known[run] @ line(np.arange(len(per)) != run) for run in range(len(per))]
    return line(np.ones(len(per), bool)), per, np.array(left_out)


def main() -> None:
    """Print it."""
    (base, agreement, divergence), per, predicted = fitted(Path(sys.argv[1]) if len(sys.argv) > 1 else RUNS)
    print(f"BASE, OF_AGREEMENT, OF_DIVERGENCE = {base:.3f}, {agreement:.3f}, {divergence:.3f}")
    print(f"ERROR = {np.sqrt(np.mean((predicted - per) ** 2)):.3f}  # of {len(per)} runs, each predicted from the others")
    print(f"area under the ROC curve for PER < 0.5: {roc_auc_score(per < 0.5, -predicted):.3f}")


if __name__ == "__main__":
    main()
