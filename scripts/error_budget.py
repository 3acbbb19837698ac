"""Where the remaining errors come from: one part of the path at a time is replaced by the truth, and all after it runs as ever.

    python scripts/error_budget.py DATA_DIR OUT_DIR CORPUS

OUT_DIR holds the folders of scripts/real_speech.py, seed 0. Replaced are the boundaries of segments (by those of the references, aligned to
the frames), the names of segments (by the references, aligned to the segments), the text (by the sentences that are spoken), and the last
two together. This is a diagnosis and never part of learning.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from probe_truth import numbered, true_shares
from real_speech import CORPORA, Corpus, command, phones_in, rate
from rich.console import Console
from rich.table import Table

from wavu.audio.pool import mean_pool
from wavu.decipher import reading
from wavu.decipher.classifier import Whitening
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.stages.segments import aligner
from wavu.store import read_table

TURNS, SHRINKAGE, FRAME_DIMS = 8, 0.3, 256  # as the voice's frames are aligned


def main() -> None:
    """Print the table."""
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    data, name = Path(sys.argv[1]), sys.argv[3]
    budget = Budget(CORPORA[name], data / name / "references.tsv", Path(sys.argv[2]) / name)
    table = Table("what is true", "PER of segments", "PER of words")
    for part in ("nothing", "boundaries", "names", "text", "names and text"):
        table.add_row(part, *budget.spent(part))
        Console().print(table)


class Budget:
    """A corpus, its references and the folders of its run."""

    def __init__(self, corpus: Corpus, references: Path, where: Path) -> None:
        self.corpus, self.references, self.where = corpus, references, where

    def spent(self, true: str) -> list[str]:
        """PER of segments and of words with the part named replaced by the truth."""
        audio, text = self.where / "audio", self.where / "text"
        found, model = (self.where / f"{kind}-{self.corpus.voice}-0" for kind in ("found", "model"))
        if true != "nothing":
            found, model = (self.where / "budget" / f"{kind}-{true.replace(' ', '-')}" for kind in ("found", "model"))
        if true == "boundaries":
            audio = self._with_true_boundaries(self.where / "budget" / "audio")
        if "text" in true:
            text = self._true_text(self.where / "budget")
        both = [f"audio={audio}", f"text={text}", "seed=0"]
        command("decipher_segments", found, *both, f"voice={self.corpus.voice}")
        if "names" in true:
            self._with_true_names(found, text)
        command("self_train", model, *both, f"gan={found}", "student=none")
        truth = read_references(self.references, self.where / "text")
        said = [phones_in(found, text), phones_in(model, text)]
        return [f"{rate(phones, audio, text, truth):.3f}" for phones in said]

    def _said(self, speech: Speech, text: Path) -> list[np.ndarray]:
        """Numbers of the true phones of each utterance."""
        return numbered(speech, Text.read(text), read_references(self.references, text))

    def _with_true_boundaries(self, copy: Path) -> Path:
        """A copy of the folder of prepare_audio whose segments are the phones of the references, aligned to the frames."""
        if copy.exists():
            return copy
        text = self.where / "text"
        speech, V = Speech.read(self.where / "audio"), len(Text.read(text).phones) - 1
        said = self._said(speech, text)
        rows = Whitening.fit(speech.frames.flat, dims=FRAME_DIMS)(speech.frames.flat)
        start = reading.flat_start(speech.frames.lengths, Ragged.of(said, np.int64), V)
        _, labels = reading.learn(
            rows, start, aligner([[row] for row in said], V), n_phones=V + 1, turns=TURNS, shrinkage=SHRINKAGE
        )
        shutil.copytree(self.where / "audio", copy.with_suffix(".partial"), dirs_exist_ok=True)
        first = 0
        for shard in sorted((copy.with_suffix(".partial") / "shards").iterdir()):
            frames = Ragged.read(shard, "frames")
            some = labels.take(np.arange(first, first + len(frames)))
            first += len(frames)
            starts = np.flatnonzero(some.run_starts())
            edges = np.searchsorted(starts, frames.offsets)
            Ragged(mean_pool(np.asarray(frames.flat, np.float32), starts).astype(np.float16), edges).write(shard, "segments")
            within = starts - np.repeat(frames.offsets[:-1], np.diff(edges))
            Ragged(within.astype(np.int32), edges).write(shard, "starts")
        return copy.with_suffix(".partial").rename(copy)

    def _with_true_names(self, found: Path, text: Path) -> None:
        """The folder of decipher_segments with the names of the references, aligned to the segments."""
        speech = Speech.read(self.where / "audio")
        _, taught = true_shares(speech, self._said(speech, text), len(Text.read(text).phones) - 1)
        Ragged(taught.argmax(1).numpy().astype(np.int16), speech.segments.offsets).write(found, "labels")

    def _true_text(self, folder: Path) -> Path:
        """The folder of prepare_text of the sentences that are spoken."""
        folder.mkdir(exist_ok=True)
        lines = folder / "spoken.txt"
        if not lines.exists():
            lines.write_text(
                "\n".join(row["text"] for row in read_table(self.references, ["id", "text"])) + "\n", encoding="utf-8"
            )
        command(
            "prepare_text", folder / "text", f"text={lines}", f"language={self.corpus.language}", f"units={self.corpus.units}"
        )
        return folder / "text"


if __name__ == "__main__":
    main()
