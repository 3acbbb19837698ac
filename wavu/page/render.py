"""A run as one HTML file: figures and sounds put into the template."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from wavu.errors import WavuError
from wavu.page import charts, figures
from wavu.page.examples import Example, collected
from wavu.page.run import STAGES, Run
from wavu.progress import say
from wavu.recogniser import Recogniser
from wavu.store import write_text
from wavu.units import duration_words

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Scored:
    """What came of a comparison with what was really said, by somebody who may look at it.

    rates: a row per system with its name, the rate, its interval ``low`` to ``high`` and what it is made of. worst: utterances with id,
    rate and pairs (true, found) of phones, "" where one side has none.
    """

    rates: Sequence[dict]
    worst: Sequence[dict]
    level: float


def write(folder: Path, out: Path, *, examples: int, seconds: float, seed: int, scored: Scored | None = None) -> list[Example]:
    """Write the report of the run in a folder; what there is to listen to, the surest first.

    out: the HTML file. examples: utterances to listen to, of at most ``seconds`` each, drawn by ``seed``. scored: shown where given.

    Raises:
        WavuError: the folder is not that of a run, or the file cannot be written.
    """
    run = Run.read(folder)
    recogniser, missing = opened(run)
    shown = collected(run, recogniser, examples=examples, seconds=seconds, seed=seed)
    write_text(out, rendered(content(run, shown, missing, scored)))
    return shown


def opened(run: Run) -> tuple[Recogniser | None, str]:
    """The recogniser of a run, its model's or its generator's; or why there is none to hear with, in a sentence."""
    there = [name for name in ("model", "gan") if name in run.records]
    if not there:
        return None, "No recogniser is in this run yet: phones and words have no times."
    try:
        return Recogniser.read(run.folder / there[0]), ""
    except WavuError as error:
        say(f"warning: the examples are shown without phones and words: {error}")
        return None, f"The recogniser cannot be opened: {error}"


def content(run: Run, examples: list[Example], missing: str, scored: Scored | None) -> dict:
    """Everything that the template names."""
    gan, model = run.counts("gan"), run.counts("model")
    looks = figures.members(run)
    best = (gan.get("best_member"), gan.get("best_update"))
    drawn = [
        charts.learning(looks, best[0]), charts.selection(looks, best), charts.evidence(model.get("hmm", {}).get("evidence", {})),
    ]  # fmt: skip
    timings = figures.timings(run)
    return {
        "name": run.folder.resolve().name,
        "summary": _summary(run),
        "verdict": figures.verdict(run),
        "examples": examples,
        "missing": missing,
        "labelled": STAGES[run.labelled] if run.labelled else "",
        "inventory": figures.inventory(run),
        "divergences": figures.divergences(run),
        "confusions": figures.confusions(run),
        "charts": [chart for chart in drawn if chart],
        "timings": timings,
        "total": sum(row["seconds"] or 0 for row in timings),
        "absent": [folder for folder in STAGES if folder not in run.records],
        "settings": {name: json.dumps(row["config"], indent=2, ensure_ascii=False) for name, row in run.records.items()},
        "fingerprints": [(name, source, print_) for name, row in run.records.items() for source, print_ in row["inputs"].items()],
        "scored": scored,
    }


def _summary(run: Run) -> list[tuple[str, str]]:
    """What was put in, in a few words."""
    counts, config = run.counts("audio"), run.records["text"]["config"]
    letters = "letters" if config["units"] == "char" else "phones"
    facts = [
        ("speech", f"{len(run.ids):,} utterances, {duration_words(counts['audio_seconds'])}"),
        ("segments", f"{counts['segments']:,}, {counts['segments_per_second']:g} per second of speech"),
        ("text", f"{len(run.text.lines):,} other sentences, {len(run.text.words):,} words"),
        ("language", f"{config['language'] or 'not named'}, {len(run.text.phones) - 1} {letters}"),
    ]
    encoder = run.records["audio"]["config"]["encoder"]
    name = Path(encoder.get("model") or encoder["kind"]).name
    layer = encoder.get("layer")
    return [*facts, ("encoder", name if layer is None else f"{name}, layer {layer}")]


def rendered(content: dict) -> str:
    """The page; everything in it but its own style and script is escaped."""
    places = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    # Nothing but this very script may run: what a name might smuggle in is dead even if it were not escaped.
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return places.get_template("page.html").render(content, style=Markup(style), script=Markup(script), digest=digest)
