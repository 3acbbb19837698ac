"""How long a text becomes lexicon, sentences and n-grams, and what memory each part needs.

    python scripts/bench_text.py sentences.txt --lines 100000             # a minute on one core of a CPU
    python scripts/bench_text.py sentences.txt --lines 1000000 --of 40e6  # and what 40 million lines would take, part by part

Sentences are those of the files, again and again, with words exchanged and varied by a seed, so that new words and new n-grams keep coming
as in text that does not repeat itself. Each part runs in a process of its own: its peak is its own. Writes runs/bench/text.json.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from wavu.store import write_text

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
            said[varied] = [_ending(said[place], rank) for place, rank in zip(varied, chance.zipf(1.35, len(varied)), strict=True)]
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
