"""How long a text becomes lexicon, sentences and n-grams, and what memory each part needs.

    python scripts/bench_text.py english.txt --lines 10000 100000         # under a minute on one core
    python scripts/bench_text.py english.txt --lines 100000 1000000 --of 40000000

Sentences are those of the files, again and again, with words exchanged and varied by a seed, so that new words and new n-grams keep coming
as in text that does not repeat itself. Each part runs in a process of its own: its peak is its own, the reading of what it needs included.
What --of lines would take on one core is what the two largest sizes make likely. Writes runs/bench/text.json.
"""

import argparse
import json
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.stage import peak_memory_gb
from wavu.stages import text as stage
from wavu.store import write_text
from wavu.text import lexicon
from wavu.text.ngram import write_arpa
from wavu.text.sentences import read_words

PARTS = ("reading", "pronouncing", "building", "phone n-grams", "word n-grams", "phones held out", "words held out")
EXCHANGED, VARIED = 0.25, 0.06  # of the words of a line: taken from anywhere in the text, given an ending
SYLLABLES = [onset + vowel for onset in "bdfgklmnprstvz" for vowel in ("a", "e", "i", "o", "u", "an", "er", "is")]
BLOCK = 10_000


def make_text(path: Path, sources: list[Path], lines: int, *, seed: int = 0) -> Path:
    """Write so many lines: sentences of the sources with words exchanged and varied; a million lines of English hold 300,000 words."""
    chance = np.random.default_rng(seed)
    rows = [line.split() for source in sources for line in source.read_text(encoding="utf-8").splitlines() if line.strip()]
    words = np.array([word for row in rows for word in row], object)
    with open(path, "w", encoding="utf-8") as file:
        for start in range(0, lines, BLOCK):
            chosen = [rows[index] for index in chance.integers(len(rows), size=min(BLOCK, lines - start))]
            said = np.array([word for row in chosen for word in row], object)
            swapped = chance.random(len(said)) < EXCHANGED
            said[swapped] = chance.choice(words, np.count_nonzero(swapped))
            varied = np.flatnonzero(chance.random(len(said)) < VARIED)
            said[varied] = [
                _ending(said[place], rank) for place, rank in zip(varied, chance.zipf(1.35, len(varied)), strict=True)
            ]
            ends = np.cumsum([len(row) for row in chosen])
            file.writelines(" ".join(row) + "\n" for row in np.split(said, ends[:-1]))
    return path


def _ending(word: str, rank: int) -> str:
    """The word with the ending of that rank, its last sign kept behind it."""
    ending, rank = "", int(rank) % 1_000_000
    while rank:
        rank, syllable = divmod(rank, len(SYLLABLES))
        ending += SYLLABLES[syllable]
    return word + ending if word[-1].isalnum() else word[:-1] + ending + word[-1]


class Work:
    """The folder of one size of text: what a part leaves there is what the next one needs."""

    def __init__(self, folder: Path, language: str, memory_gb: float) -> None:
        self.folder, self.language, self.symbols = folder, language, memory_gb * 1e9 / stage.BYTES_PER_SYMBOL

    def keep(self, name: str, value: object) -> None:
        """Remember a value for other parts."""
        (self.folder / name).write_bytes(pickle.dumps(value))

    def kept(self, name: str) -> object:
        """A value of an earlier part."""
        return pickle.loads((self.folder / name).read_bytes())

    def text(self) -> Text:
        """The text as prepare_text has it when it counts n-grams."""
        return replace(self.kept("text"), lines=Ragged.read(self.folder, "text"))

    def counting(self, text: Text, kind: str) -> stage.Counting:
        """How prepare_text counts phones or words."""
        settings = {"order": 3, "disk": self.folder}
        if kind == "word":
            return stage.Counting(lambda lines: lines, text.words, words=int(self.symbols), **settings)
        per_word = len(text.pronunciations.take(text.lines.flat[:10_000]).flat) / len(text.lines.flat[:10_000])
        words = int(self.symbols / per_word)
        return stage.Counting(
            lambda lines: stage.phones_of(replace(text, lines=lines)), text.phones, words=words, **settings | {"order": 4}
        )


@contextmanager
def timed(measured: dict[str, float]) -> Iterator[None]:
    """Seconds of the block, and those of this process on a core, and the most memory that the process has had."""
    began, worked = time.perf_counter(), time.process_time()
    yield
    measured |= {"seconds": time.perf_counter() - began, "core": time.process_time() - worked, "gigabytes": peak_memory_gb()}


def run(part: str, work: Work) -> dict[str, float]:
    """Measure one part, without what bringing its input takes."""
    measured: dict[str, float] = {}
    if part == "reading":
        with timed(measured):
            lines, words = read_words(work.folder / "lines.txt", work.language, work.folder)
        lines.write(work.folder, "lines")
        work.keep("words", words)
    elif part == "pronouncing":
        words = work.kept("words")
        with timed(measured):
            spelled = stage._pronounce(words, work.language, "phone")
        work.keep("spelled", spelled)
    elif part == "building":
        lines, words, (spelled, _) = Ragged.read(work.folder, "lines"), work.kept("words"), work.kept("spelled")
        with timed(measured):
            text, counts, _ = lexicon.build(lines, words, spelled, min_phone_share=0.0001, disk=work.folder)
            stage._write(work.folder / "out", text, counts)
        text.lines.write(work.folder, "text")
        work.keep("text", replace(text, lines=None))
    else:
        text, kind = work.text(), part.split()[0].removesuffix("s")
        counting = work.counting(text, kind)
        with timed(measured):
            if part.endswith("held out"):
                stage.held_out_perplexity(text.lines, counting)
            else:
                write_arpa(counting.estimate(text.lines), work.folder / "out" / f"{kind}s.arpa", stage.track)
    return measured


def measure(lines: int, sources: list[Path], given: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds and peak memory of each part, each in a process of its own."""
    found = {}
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        make_text(Path(name) / "lines.txt", sources, lines)
        for part in PARTS:
            command = [sys.executable, __file__, "--part", part, "--folder", name, "--language", given.language]
            environment = os.environ | {"WAVU_CACHE": f"{name}/cache"}
            done = subprocess.run(
                [*command, "--memory", str(given.memory)], env=environment, stdout=subprocess.PIPE, text=True, check=True
            )
            found[part] = json.loads(done.stdout)
        found["disk"] = {"gigabytes": sum(path.stat().st_size for path in (Path(name) / "out").iterdir()) / 1e9}
        shutil.rmtree(Path(name) / "out")
    return found


def show(report: dict, further: int | None) -> None:
    """The table, for a person."""
    sizes = sorted(map(int, report))
    table = Table(title=f"seconds, of them on this core, peak GB; {len(os.sched_getaffinity(0))} cores")
    table.add_column("lines")
    for size in sizes:
        table.add_column(f"{size:,}", justify="right")
    if further:
        table.add_column(f"{further:,}, foretold", justify="right")
    for part in PARTS:
        rows = [report[str(size)][part] for size in sizes]
        cells = [f"{row['seconds']:.1f}  {row['core']:.1f}  {row['gigabytes']:.2f}" for row in rows]
        table.add_row(part, *cells, *([f"{foretold(part, rows, sizes, further):,.0f} on a core"] if further else []))
    Console(width=120).print(table)


def foretold(part: str, rows: list[dict[str, float]], sizes: list[int], further: int) -> float:
    """Seconds on a core at a further size: in proportion to the lines, of which perplexity sees some only; words are said once each."""
    (small, large), (fewer, more) = [row["core"] for row in rows[-2:]], sizes[-2:]
    if part == "pronouncing":
        return large * (further / more) ** (np.log(large / small) / np.log(more / fewer))
    return large * (min(further, stage.SAMPLE) if part.endswith("held out") else further) / more


def main() -> None:
    """Measure, show, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("sources", type=Path, nargs="*", help="files of sentences to begin with")
    arguments.add_argument("--lines", type=int, nargs="+", default=[10_000, 100_000], help="sizes to measure")
    arguments.add_argument("--of", type=int, help="a size to foretell")
    arguments.add_argument("--language", default="en-us")
    arguments.add_argument("--memory", type=float, default=2.0, help="memory_gb of prepare_text")
    arguments.add_argument("--folder", type=Path, help="where there is room for work")
    arguments.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.part:
        print(json.dumps(run(given.part, Work(given.folder, given.language, given.memory))))
        return
    report = {str(lines): measure(lines, given.sources, given) for lines in sorted(given.lines)}
    show(report, given.of)
    write_text(Path("runs/bench/text.json"), json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
