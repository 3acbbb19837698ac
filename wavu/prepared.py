"""What the commands that prepare leave for those that learn: speech, text, and codes of a pre-trained model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavu.eight_bits import unpacked
from wavu.errors import WavuError
from wavu.ragged import CHUNK, Ragged, Unread
from wavu.stage import finished
from wavu.store import intact, read_array, read_table, read_tensors

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
        below = {"units": counts["clusters"], "targets": counts.get("targets", 0)}
        with intact(folder / "shards"):
            shards = sorted((folder / "shards").iterdir())
            arrays = {name: _rows_of(shards, name, below.get(name)) for name in names}
            first = read_array(shards[0] / "frames.npy")
            if first.ndim != 2:
                raise ValueError("frames that are no vectors")
            if first.dtype == np.int8:
                arrays["frames"] = _unpacked(arrays["frames"], folder / "frontend" / "frontend.safetensors")
        ids = [row["id"] for row in read_table(folder / "manifest.tsv", ["id"])]
        speech = cls(ids, **arrays, n_units=counts["clusters"], n_targets=counts.get("targets", 0))
        speech._check(folder)
        return speech

    def _check(self, folder: Path) -> None:
        """Refuse parts that do not belong together.

        Raises:
            WavuError: they do not.
        """
        alike = [
            (self.frames, self.units),
            (self.segments, self.starts),
            *([(self.frames, self.targets)] if self.targets else []),
        ]
        if len(self.ids) != len(self.frames):
            raise WavuError(
                f"{folder}/manifest.tsv has {len(self.ids)} utterances, the shards beside it {len(self.frames)}; run wavu.prepare_audio again"
            )
        if not all(np.array_equal(one.offsets, other.offsets) for one, other in alike):
            raise WavuError(f"the files in {folder}/shards do not fit together; one is damaged: run wavu.prepare_audio again")
        check_starts(self.starts, self.frames.lengths, folder / "shards")


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
        with intact(folder / "phones.txt"):
            *phones, end = (folder / "phones.txt").read_text(encoding="utf-8").split("\n")
            if end or SILENCE not in phones[-1:] or len(set(phones)) < len(phones):
                raise ValueError(f"no phones, each once, with {SILENCE} as the last")
        number = {phone: index for index, phone in enumerate(phones)}
        lexicon = read_table(folder / "lexicon.tsv", ["word", "phones"])
        if strange := [phone for row in lexicon for phone in row["phones"].split() if phone not in number]:
            raise WavuError(f"{folder}/lexicon.tsv has the phone '{strange[0]}', phones.txt has not; run wavu.prepare_text again")
        spelled = [np.array([number[phone] for phone in row["phones"].split()]) for row in lexicon]
        words = [row["word"] for row in lexicon]
        return cls(phones, words, Ragged.of(spelled, np.int16), Ragged.read(folder, "lines", below=len(words)))


def check_starts(starts: Ragged, lengths: np.ndarray, where: Path) -> None:
    """Refuse first frames of segments (S) that do not begin at 0 and ascend within utterances of so many frames (B).

    Raises:
        WavuError: they do not; ``where`` is what to name.
    """
    first = starts.offsets[:-1][starts.lengths > 0]
    rising = np.diff(starts.flat.astype(np.int64)) > 0
    rising[first[1:] - 1] = True
    fit = len(starts) == len(lengths) and rising.all() and not starts.flat[first].any()
    if not fit or (starts.flat[starts.offsets[1:][starts.lengths > 0] - 1] >= lengths[starts.lengths > 0]).any():
        raise WavuError(
            f"the segments in {where} do not fit its utterances; a file is damaged: run the stage that writes it again"
        )


def _rows_of(shards: list[Path], name: str, below: int | None = None) -> Ragged:
    """Rows of all shards as one: of several, in memory once they are looked at; of one, the memory-map it is.

    Opened one after another, as a system lets few more than a thousand files be open at once.
    """
    if len(shards) == 1:
        return Ragged.read(shards[0], name, below=below)
    offsets = [np.array(Ragged.opened(shard, name).offsets) for shard in shards]
    ends = np.cumsum([0, *(each[-1] for each in offsets)])

    def flat() -> np.ndarray:
        first = read_array(shards[0] / f"{name}.npy")
        values = np.empty((ends[-1], *first.shape[1:]), first.dtype)
        for shard, start, end in zip(shards, ends[:-1], ends[1:], strict=True):
            with intact(shard / f"{name}.npy"):
                values[start:end] = Ragged.read(shard, name, below=below).flat
        return values

    return Unread(flat, np.concatenate([[0], *(each[1:] + end for each, end in zip(offsets, ends[:-1], strict=True))]))


def _unpacked(frames: Ragged, front_end: Path) -> Ragged:
    """Frames (N, d) float16 that lie on disk as int8."""

    def flat() -> np.ndarray:
        rows = np.empty(frames.flat.shape, np.float16)
        with intact(front_end):
            steps = read_tensors(front_end)[0]["steps"]
            for at in range(0, len(rows), CHUNK):
                rows[at : at + CHUNK] = unpacked(frames.flat[at : at + CHUNK], steps)
        return rows

    return Unread(flat, frames.offsets)
