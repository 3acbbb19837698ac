"""What decides whether a GAN learns, measured on invented languages: three tables for the log.

    python scripts/gan_study.py warm_start --seeds 0 1      # cold, matching, HMM, HMM and its boundaries: 16 members each
    python scripts/gan_study.py selection --seeds 0 1 2 3   # which label-free measure ranks members as their true PER does
    python scripts/gan_study.py fidelity --seeds 0 1        # what each repair of the original's arithmetic does

Every language is made and prepared once, under runs/study. The true phones are looked at after training only, to fill the tables.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from wavu.audio.pool import pool_runs
from wavu.decode.greedy import runs
from wavu.gan.generator import rebuilt
from wavu.gan.label import label
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.scoring.rates import phone_error_rate
from wavu.selection import combine
from wavu.store import read_table, read_tensors

CONVERGED = 0.3  # PER below which a generator has learned the language, errors aside
SMALL = ["batch_size=32", "discriminator.channels=96", "replace=off", "keep=all", "log_every=1000"]
COLD = ["recipe=wav2vec_u", *SMALL]
STARTS = {
    "cold, recipe=wav2vec_u": [*COLD, "warm_start=none"],
    "cold, recipe=small": ["recipe=small", *SMALL, "warm_start=none"],
    "cold on the HMM's boundaries, recipe=small": ["recipe=small", *SMALL, "warm_start=boundaries"],
    "matching": [*SMALL, "warm_start=matching", "repool=false"],
    "HMM": [*SMALL, "warm_start=hmm", "repool=false"],
    "HMM and its boundaries": [*SMALL, "warm_start=hmm", "repool=true"],
}
MEASURES = (
    "weighted_lm_perplexity",
    "lm_perplexity",
    "jsd1",
    "jsd2",
    "jsd3",
    "jsd4",
    "length_ratio",
    "log_likelihood",
    "agreement",
)
COMBINATIONS = {
    "text: ln weighted perplexity + mean jsd1-3": {"weighted_lm_perplexity": 1.0, "jsd1": 1 / 3, "jsd2": 1 / 3, "jsd3": 1 / 3},
    "text + likelihood": {"weighted_lm_perplexity": 1.0, "jsd1": 1 / 3, "jsd2": 1 / 3, "jsd3": 1 / 3, "log_likelihood": 1.0},
    "text + 3 likelihood": {"weighted_lm_perplexity": 1.0, "jsd1": 1 / 3, "jsd2": 1 / 3, "jsd3": 1 / 3, "log_likelihood": 3.0},
    "ln weighted perplexity + likelihood": {"weighted_lm_perplexity": 1.0, "log_likelihood": 1.0},
    "jsd3 + likelihood": {"jsd3": 1.0, "log_likelihood": 1.0},
    "jsd4 + likelihood": {"jsd4": 1.0, "log_likelihood": 1.0},
    "text + length ratio": {"weighted_lm_perplexity": 1.0, "jsd1": 1 / 3, "jsd2": 1 / 3, "jsd3": 1 / 3, "length_ratio": 1.0},
    "text + agreement": {"weighted_lm_perplexity": 1.0, "jsd1": 1 / 3, "jsd2": 1 / 3, "jsd3": 1 / 3, "agreement": 1.0},
    "all": {"weighted_lm_perplexity": 1.0, "jsd": 1.0, "length_ratio": 1.0, "log_likelihood": 1.0, "agreement": 1.0},
}


@dataclass(frozen=True)
class Language:
    """An invented language, spoken, written and prepared in ``folder``."""

    folder: Path
    seed: int

    def prepare(self, utterances: int) -> None:
        """Make it, unless it is there; gan_train's decipherment is kept for all to start from."""
        demo = [
            "stages.cold_gan=[updates=2,members=1]",
            "stages.self_train=[hmm.iterations=1]",
            "stages.gan_train=[updates=2,members=1]",
        ]
        if not (self.folder / "report.json").exists():
            wavu("demo", f"out_dir={self.folder}", f"seed={self.seed}", f"demo.utterances={utterances}", *demo)

    def train(self, name: str, *settings: str) -> list[dict]:
        """Train, unless done; a row per validation and member, its true ``per`` beside what gan_train saw."""
        out = self.folder / "study" / name
        if "warm_start=none" not in settings and not (out / "warm_start").exists():
            out.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-r", str(self.folder / "gan" / "warm_start"), str(out)], check=True)
        wavu(
            "gan_train",
            f"audio={self.folder}/audio",
            f"text={self.folder}/text",
            f"out_dir={out}",
            f"seed={self.seed}",
            *settings,
        )
        return self._rows(out)

    def _rows(self, out: Path) -> list[dict]:
        table = read_table(out / "scores.tsv", ["update", "member"])
        rates = self._rates(out)
        return [
            {name: value if name == "suspected_failed" else float(value) for name, value in row.items()}
            | {"per": rates[int(row["update"]), int(row["member"])], "seed": self.seed}
            for row in table
        ]

    def _rates(self, out: Path) -> dict[tuple[int, int], float]:
        """True PER of every kept generator, on a fifth of the utterances."""
        text, speech = Text.read(self.folder / "text"), Speech.read(self.folder / "audio")
        references = read_references(self.folder / "corpus" / "references.tsv", self.folder / "text")
        some, silence = np.arange(0, len(speech.ids), 5), len(text.phones) - 1
        inputs = heard(out, speech).take(some)
        rates = {}
        for path in sorted((out / "generators").iterdir()):
            tensors, about = read_tensors(path)
            for member, labels in zip(
                about["members"], label(rebuilt(tensors, about), inputs, silence=silence, batch_size=256), strict=True
            ):
                said = {
                    speech.ids[index]: [text.phones[phone] for phone in runs(row, silence=silence)[:, 0]]
                    for index, row in zip(some, labels, strict=True)
                }
                rates[int(path.stem), member["number"]] = phone_error_rate(said, {name: references[name] for name in said}).rate
        return rates


def heard(out: Path, speech: Speech) -> Ragged:
    """What the generators of a folder hear."""
    starts = Ragged.read(out, "starts")
    if len(starts.flat) == len(speech.segments.flat) and np.array_equal(starts.flat, speech.starts.flat):
        return speech.segments
    return pool_runs(speech.frames, Ragged.read(out / "warm_start", "labels"))[0]


def wavu(command: str, *settings: str) -> None:
    """Run one command as a user would."""
    print("$", "python -m", f"wavu.{command}", *settings, file=sys.stderr)
    subprocess.run([sys.executable, "-m", f"wavu.{command}", *settings], check=True)


def last(rows: Sequence[dict]) -> list[dict]:
    """The newest row of each member."""
    return list({(row["seed"], row["member"]): row for row in rows}.values())


def warm_start(languages: list[Language], members: int, updates: int) -> None:
    """Where the generators start from, and what becomes of them."""
    print(f"| language | start | PER before | after {updates:,} updates: mean ± sd (best) | converged | updates to converge |")
    print("|---|---|---|---|---|---|")
    for language in languages:
        for name, settings in STARTS.items():
            shared = [f"members={members}", f"updates={updates}", f"validation.every={updates // 8}"]
            rows = language.train("start_" + "".join(filter(str.isalnum, name)), *settings, *shared)
            rates = np.array([row["per"] for row in last(rows)])
            first = np.mean([row["per"] for row in rows if row["update"] == 0])
            reached = [
                min((row["update"] for row in rows if row["member"] == one and row["per"] < CONVERGED), default=np.inf)
                for one in range(members)
            ]
            usual = np.median(reached)
            print(
                f"| {language.seed} | {name} | {first:.3f} | {rates.mean():.3f} ± {rates.std():.3f} ({rates.min():.3f}) | "
                f"{(rates < CONVERGED).sum()} of {members} | {f'{usual:.0f}' if np.isfinite(usual) else 'never'} |",
                flush=True,
            )


def selection(languages: list[Language], members: int, updates: int) -> None:
    """Which measure puts members in the order of their true PER."""
    rates = "sweep.grid={generator.learning_rate:[2e-4,1e-3,2e-3,4e-3]}"
    groups = {
        "selection_boundaries": ["recipe=small", *SMALL],
        "selection_matching": [*SMALL, "warm_start=matching", "repool=false", rates],
        "selection_hmm": [*SMALL, "warm_start=hmm", "repool=true", rates],
    }
    rows = []
    for language in languages:
        for name, settings in groups.items():
            shared = [f"members={members}", f"updates={updates}", f"validation.every={updates}"]
            rows += [row | {"group": name} for row in last(language.train(name, *settings, *shared))]
    print(
        f"{len(rows)} members, {len(languages)} languages, PER {min(r['per'] for r in rows):.3f} to {max(r['per'] for r in rows):.3f}\n"
    )
    print(
        "| measure | rank correlation with PER, within a language | among those with PER under 0.5 | PER of the chosen, over the best |"
    )
    print("|---|---|---|---|")
    for name, weights in ({name: {name: 1.0} for name in MEASURES} | COMBINATIONS).items():
        scores = combine(rows, weights)
        print(f"| {name} | {within(rows, scores, 9.9)} | {within(rows, scores, 0.5)} | {regret(rows, scores):.4f} |", flush=True)


def within(rows: list[dict], scores: np.ndarray, below: float) -> str:
    """Spearman's rank correlation of scores and PER, mean over languages (least of them)."""
    found = []
    for seed in sorted({row["seed"] for row in rows}):
        chosen = [index for index, row in enumerate(rows) if row["seed"] == seed and row["per"] < below]
        found.append(spearmanr(scores[chosen], [rows[index]["per"] for index in chosen]).statistic)
    return f"{np.mean(found):.3f} ({np.min(found):.3f})"


def regret(rows: list[dict], scores: np.ndarray) -> float:
    """How much worse the member with the lowest score is than the best one, mean over languages."""
    lost = []
    for seed in sorted({row["seed"] for row in rows}):
        own = [index for index, row in enumerate(rows) if row["seed"] == seed]
        chosen = min(own, key=lambda index: scores[index])
        lost.append(rows[chosen]["per"] - min(rows[index]["per"] for index in own))
    return float(np.mean(lost))


def fidelity(languages: list[Language], members: int, updates: int) -> None:
    """One repair undone at a time, all of them undone, none undone."""
    repairs = {
        "none (fidelity=repaired)": [],
        "extra output": ["fidelity.extra_output=true"],
        "padding counts": ["fidelity.padding_counts=true"],
        "joint clipping": ["fidelity.joint_clipping=true"],
        "repeated phones": ["fidelity.repeated_phones=true"],
        "special phones": ["fidelity.special_phones=4"],
        "metric per batch": ["fidelity.metric_per_batch=true"],
        "all (fidelity=original)": ["fidelity=original"],
    }
    print("| language | undone | PER of all members: mean ± sd | PER of the chosen |")
    print("|---|---|---|---|")
    for language in languages:
        for name, settings in repairs.items():
            folder = "fidelity_" + name.split(" (")[0].replace(" ", "_")
            shared = [f"members={members}", f"updates={updates}", f"validation.every={updates // 4}"]
            rows = language.train(folder, *COLD, "warm_start=matching", "repool=false", *shared, *settings)
            rates, chosen = np.array([row["per"] for row in last(rows)]), min(rows, key=lambda row: row["score"])
            print(f"| {language.seed} | {name} | {rates.mean():.4f} ± {rates.std():.4f} | {chosen['per']:.4f} |", flush=True)


def main() -> None:
    """Prepare the languages, then fill the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    studies = {study.__name__: study for study in (warm_start, selection, fidelity)}
    parser.add_argument("study", choices=studies)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the languages")
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--updates", type=int, default=2000)
    parser.add_argument("--utterances", type=int, default=1500, help="of each language")
    parser.add_argument("--folder", type=Path, default=Path("runs/study"))
    arguments = parser.parse_args()
    languages = [Language(arguments.folder / f"language{seed}", seed) for seed in arguments.seeds]
    for language in languages:
        language.prepare(arguments.utterances)
    studies[arguments.study](languages, arguments.members, arguments.updates)


if __name__ == "__main__":
    main()
