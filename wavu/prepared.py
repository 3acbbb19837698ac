"""What the commands that prepare leave for those that learn: speech, text, and codes of a pre-trained model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavu.ragged import Ragged
from wavu.stage import finished
from wavu.store import read_array, read_table

SILENCE = "<SIL>"


@dataclass(frozen=True, eq=False)
class Speech:
    """Speech as ``prepare_audio`` leaves it. There is no field for a transcript, on purpose.

    ids: one name per utterance.
    frames: (N, d) float16 encoder frames after PCA, 20 ms each, non-speech cut out.
    units: (N,) int16 k-means cluster of each frame, K of them.
    segments: (S, d) float16 mean of the frames of each phone-like segment.
    starts: (S,) int32 first frame of each segment, counted from the utterance's first kept frame.
    n_units: K.
    targets: (N,) int16 k-means cluster of the MFCC beside each frame, n_targets of them, where prepare_audio was asked for them.
    """

    ids: list[str]
    frames: Ragged
    units: Ragged
    segments: Ragged
    starts: Ragged
    n_units: int
    targets: Ragged | None = None
    n_targets: int = 0

    @classmethod
    def read(cls, folder: Path) -> "Speech":
        """Open the output folder of ``prepare_audio``."""
        counts = finished(folder, "prepare_audio")["counts"]
        names = ["frames", "units", "segments", "starts"] + ["targets"] * ("targets" in counts)
        shards = sorted((folder / "shards").iterdir())
        arrays = {name: _rows_of(shards, name) for name in names}
        ids = [row["id"] for row in read_table(folder / "manifest.tsv", ["id"])]
        return cls(ids, **arrays, n_units=counts["clusters"], n_targets=counts.get("targets", 0))


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of a pre-trained model as ``codebook`` leaves them.

    ids, speakers: of each utterance; "" where a speaker is not known. codes: (N, G) int16, one of each of G codebooks per frame.
    size: codes in each codebook.
    """

    ids: list[str]
    speakers: list[str]
    codes: Ragged
    size: int

    @classmethod
    def read(cls, folder: Path) -> "Codes":
        """Open the output folder of ``codebook`` for one language."""
        size = finished(folder, "codebook")["counts"]["codes"]
        rows = read_table(folder / "manifest.tsv", ["id", "speaker"])
        codes = _rows_of(sorted((folder / "shards").iterdir()), "codes")
        return cls([row["id"] for row in rows], [row["speaker"] for row in rows], codes, size)


@dataclass(frozen=True, eq=False)
class Text:
    """Text as ``prepare_text`` leaves it: sentences of words, words of phones.

    phones: V symbols; the last is ``<SIL>``, which no word contains.
    words: the W words of the lexicon.
    pronunciations: row w holds the int16 phone ids of word w.
    lines: row i holds the int32 word ids of sentence i.
    """

    phones: list[str]
    words: list[str]
    pronunciations: Ragged
    lines: Ragged

    @classmethod
    def read(cls, folder: Path) -> "Text":
        """Open the output folder of ``prepare_text``."""
        finished(folder, "prepare_text")
        phones = (folder / "phones.txt").read_text(encoding="utf-8").split("\n")[:-1]
        number = {phone: index for index, phone in enumerate(phones)}
        lexicon = read_table(folder / "lexicon.tsv", ["word", "phones"])
        spelled = [np.array([number[phone] for phone in row["phones"].split()]) for row in lexicon]
        words = [row["word"] for row in lexicon]
        return cls(phones, words, Ragged.of(spelled, np.int16), Ragged.read(folder, "lines"))


def _rows_of(shards: list[Path], name: str) -> Ragged:
    """Rows of all shards as one: of several, in memory; of one, the memory-map it is.

    Opened one after another, as a system lets few more than a thousand files be open at once.
    """
    if len(shards) == 1:
        return Ragged.read(shards[0], name)
    offsets = [np.array(read_array(shard / f"{name}.offsets.npy")) for shard in shards]
    ends = np.cumsum([0, *(each[-1] for each in offsets)])
    first = read_array(shards[0] / f"{name}.npy")
    flat = np.empty((ends[-1], *first.shape[1:]), first.dtype)
    for shard, start, end in zip(shards, ends[:-1], ends[1:], strict=True):
        flat[start:end] = read_array(shard / f"{name}.npy")
    return Ragged(flat, np.concatenate([[0], *(each[1:] + end for each, end in zip(offsets, ends[:-1], strict=True))]))
