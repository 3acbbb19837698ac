"""The folder of a run: which stages are in it, and what they say of every utterance.

Shapes: B utterances, N frames, S segments, V phones with silence.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.prepared import Text, check_starts
from wavu.ragged import Ragged
from wavu.stage import finished
from wavu.store import intact, read_table

STAGES = {  # folder -> the command that makes it, in the order in which they are run
    "audio": "prepare_audio",
    "text": "prepare_text",
    "found": "decipher_segments",
    "gan": "gan_train",
    "model": "self_train",
}
NEEDED = ("audio", "text")


@dataclass(frozen=True, eq=False)
class Run:
    """records: the ``stage.json`` of each stage that is finished, by the name of its folder."""

    folder: Path
    records: dict[str, dict]

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Open a folder with finished ``audio`` and ``text`` and perhaps ``found``, ``gan`` and ``model``.

        Raises:
            WavuError: there is no such folder, a folder holds the work of another command, or audio or text are not finished.
        """
        if not folder.is_dir():
            raise WavuError(f"run={folder} is no folder; give the one that holds audio, text, and found, gan or model")
        there = [name for name in STAGES if name in NEEDED or (folder / name / "stage.json").exists()]
        return cls(folder, {name: finished(folder / name, STAGES[name]) for name in there})

    def counts(self, stage: str) -> dict:
        """What a stage has counted; nothing where it is missing."""
        return self.records.get(stage, {}).get("counts", {})

    @cached_property
    def labelled(self) -> str | None:
        """The stage that named segments and came last."""
        return next((name for name in ("gan", "found") if name in self.records), None)

    @cached_property
    def manifest(self) -> list[dict[str, str]]:
        """A row for each utterance (B), as prepare_audio wrote it."""
        return read_table(self.folder / "audio" / "manifest.tsv", ["id", "path", "start", "end", "frames"])

    @property
    def ids(self) -> list[str]:
        """Names of the utterances (B)."""
        return [row["id"] for row in self.manifest]

    @cached_property
    def frames(self) -> np.ndarray:
        """How many frames each utterance has (B)."""
        with intact(self.folder / "audio" / "manifest.tsv"):
            return np.array([int(row["frames"]) for row in self.manifest])

    def prepared(self, name: str) -> Ragged:
        """What prepare_audio left of all utterances under a name, such as starts; only what is asked for is read."""
        with intact(self.folder / "audio" / "shards"):
            shards = sorted((self.folder / "audio" / "shards").iterdir())
            return self._of_all(Ragged.join([Ragged.read(shard, name) for shard in shards]), "audio")

    @cached_property
    def text(self) -> Text:
        """The prepared sentences."""
        return Text.read(self.folder / "text")

    @property
    def silence(self) -> int:
        """Its number among the phones, the last."""
        return len(self.text.phones) - 1

    @cached_property
    def starts(self) -> Ragged:
        """First frame of each segment (S), as ``labels`` has them."""
        starts = self._read(self.labelled, "starts") if self.labelled else self.prepared("starts")
        check_starts(starts, self.frames, self.folder / (self.labelled or "audio"))
        return starts

    @cached_property
    def labels(self) -> Ragged | None:
        """The phone of each segment (S); None where nothing named them."""
        return self._read(self.labelled, "labels", len(self.text.phones)) if self.labelled else None

    @cached_property
    def aligned(self) -> Ragged | None:
        """The phone of each frame (N) to the HMM; None without a model."""
        return self._read("model", "labels", len(self.text.phones)) if "model" in self.records else None

    @cached_property
    def said(self) -> dict[str, Ragged]:
        """The phones of all utterances (B), without silence, as each of the systems that are there says them; the last one is the best."""
        labels = {"segments": self.labels, "HMM": self.aligned}
        found = {
            name: rows.keep(rows.run_starts() & (rows.flat != self.silence)) for name, rows in labels.items() if rows is not None
        }
        if "student" in self.counts("model"):
            found["student"] = self._read("model", "student", self.silence)
        return found

    def _read(self, stage: str, name: str, below: int | None = None) -> Ragged:
        """A row for each utterance; below: as :meth:`Ragged.read`."""
        return self._of_all(Ragged.read(self.folder / stage, name, below=below), stage)

    def _of_all(self, rows: Ragged, stage: str) -> Ragged:
        """The rows, refused where they are not of all utterances."""
        if len(rows) != len(self.ids):
            raise WavuError(
                f"{self.folder / stage} has {len(rows)} utterances, {self.folder}/audio/manifest.tsv {len(self.ids)}; run the stages again"
            )
        return rows

    def sequences(self) -> dict[str, dict[str, list[str]]]:
        """``said`` as symbols by the ids of the utterances."""
        phones = self.text.phones
        return {
            system: {name: [phones[phone] for phone in row] for name, row in zip(self.ids, rows, strict=True)}
            for system, rows in self.said.items()
        }
