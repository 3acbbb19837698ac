"""A run as one page: verdict, recordings with their phones and words in time, figures, settings. It opens from disk, without a network.

    python -m wavu.report run=runs/german
    python -m wavu.report run=runs/german references=references.tsv out=report.html

A run is a folder with audio (of prepare_audio) and text (of prepare_text) and perhaps found (decipher_segments), gan (gan_train) and
model (self_train); the page shows what is there. With references, which nothing else on the page knows of, it ends with the error
rate of each system and its worst utterances.
"""

from pathlib import Path

import numpy as np

from wavu import page
from wavu.command import command
from wavu.errors import WavuError
from wavu.page.render import Scored
from wavu.page.run import Run
from wavu.progress import say
from wavu.references import read_references
from wavu.scoring.confusions import NOTHING, aligned
from wavu.scoring.pairs import Sequences, paired
from wavu.scoring.rates import edit_operations, phone_error_rate
from wavu.scoring.summary import described
from wavu.settings.scoring import Report


def main_work(settings: Report) -> None:
    """Score where there are references, and write the page."""
    out = settings.out or settings.run / "report.html"
    scored = _scored(settings, settings.references) if settings.references else None
    page.write(settings.run, out, scored=scored, **settings.plain("examples", "seconds", "seed"))
    say(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def _scored(settings: Report, references: Path) -> Scored:
    """Error rates of all systems of a run and the worst utterances of the last."""
    systems = Run.read(settings.run).sequences()
    if not systems:
        raise WavuError(f"references={references}: nothing in {settings.run} has named phones that could be scored")
    truth = read_references(references, settings.run / "text")
    rates = described({name: phone_error_rate(found, truth) for name, found in systems.items()}, **settings.bootstrap.plain())
    return Scored(
        [{"name": name, **row} for name, row in rates.items()],
        worst(systems[next(reversed(systems))], truth, limit=settings.worst),
        settings.bootstrap.level,
    )


def worst(found: Sequences, truth: Sequences, *, limit: int) -> list[dict]:
    """Utterances with the highest rates, at most ``limit``: id, rate and pairs (true, found), "" where one side has none."""
    rows = [(name, *row) for name, row in zip(truth, paired(found, truth), strict=True) if name in found and row[1]]
    rates = [sum(edit_operations(ours, true)) / len(true) for _, ours, true in rows]
    highest = np.argsort(-np.array(rates), kind="stable")[:limit]
    return [{"id": rows[at][0], "rate": rates[at], "pairs": _pairs(*rows[at][1:])} for at in highest]


def _pairs(found: list[str], true: list[str]) -> list[tuple[str, str]]:
    return [tuple("" if side == NOTHING else side for side in pair) for pair in aligned(found, true)]


main = command("report", Report, main_work, __doc__)

if __name__ == "__main__":
    main()
