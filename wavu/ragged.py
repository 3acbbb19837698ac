"""Rows of different lengths in one flat array, in memory or on disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from wavu.errors import WavuError
from wavu.store import let_go, read_array, write_array

CHUNK = 2**16  # values looked at at a time: of what lies on disk, no more need be in memory


@dataclass(frozen=True, eq=False)
class Ragged:
    """Rows of different lengths in one flat array: row ``i`` is ``flat[offsets[i]:offsets[i + 1]]``.

    flat (N, ...): all rows, one after another; often a memory-map.
    offsets (B + 1): where each of the B rows starts, and the end.
    """

    flat: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray], dtype: type) -> "Ragged":
        """Join rows into one Ragged."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
        flat = np.concatenate([np.asarray(row, dtype) for row in rows]) if len(rows) else np.zeros(0, dtype)
        return cls(flat, offsets)

    @classmethod
    def join(cls, parts: Sequence["Ragged"]) -> "Ragged":
        """Rows of several Raggeds as one; a single part is kept as the memory-map it is."""
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([part.lengths for part in parts])
        return cls(np.concatenate([part.flat for part in parts]), np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))

    @classmethod
    def read(cls, folder: Path, name: str, *, below: int | None = None) -> "Ragged":
        """Memory-map ``folder/name.npy`` and its ``name.offsets.npy``. below: where there is one, values count from 0 up to it.

        Raises:
            WavuError: a file is missing or damaged, or the two do not belong together.
        """
        rows = cls.opened(folder, name)
        rows._check(folder / f"{name}.npy", below)
        return rows

    @classmethod
    def opened(cls, folder: Path, name: str) -> "Ragged":
        """As :meth:`read`, but no value is looked at.

        Raises:
            WavuError: a file is missing, or the offsets do not lead from 0 through ascending places to the end.
        """
        path = folder / f"{name}.npy"
        flat, offsets = read_array(path), np.asarray(read_array(folder / f"{name}.offsets.npy"))
        whole = flat.ndim and offsets.ndim == 1 and len(offsets) and offsets.dtype.kind in "iu"
        if not whole or offsets[0] or offsets[-1] != len(flat) or (np.diff(offsets) < 0).any():
            raise WavuError(f"{path} does not fit its offsets beside it; one is damaged: run the stage that writes it again")
        return cls(flat, offsets)

    def _check(self, path: Path, below: int | None) -> None:
        """Refuse values that cannot be what was written to a file.

        Raises:
            WavuError: a value is not finite, or no count ``below``.
        """
        flat = self.flat
        if flat.dtype.kind not in "iuf" or not all(_sound(flat[at : at + CHUNK], below) for at in range(0, len(flat), CHUNK)):
            raise WavuError(f"{path} is damaged (values out of range); run the stage that writes it again")

    def write(self, folder: Path, name: str) -> None:
        """Write ``folder/name.npy`` and ``folder/name.offsets.npy``."""
        write_array(folder / f"{name}.npy", self.flat)
        write_array(folder / f"{name}.offsets.npy", self.offsets)

    @staticmethod
    def files(*names: str) -> tuple[str, ...]:
        """What :meth:`write` writes under these names.

        >>> Ragged.files("labels")
        ('labels.npy', 'labels.offsets.npy')
        """
        return tuple(f"{name}{end}" for name in names for end in (".npy", ".offsets.npy"))

    def pieces(self, values: int) -> Iterator["Ragged"]:
        """All rows, in Raggeds in memory of at most so many values; a longer row comes alone. Of a memory-map no more is held."""
        start = 0
        while start < len(self):
            stop = max(start + 1, int(np.searchsorted(self.offsets, self.offsets[start] + values, "right")) - 1)
            first, last = self.offsets[start], self.offsets[stop]
            yield Ragged(np.array(self.flat[first:last]), self.offsets[start : stop + 1] - first)
            let_go(self.flat)
            start = stop

    def take(self, rows: np.ndarray) -> "Ragged":
        """The given rows (B', any order, repeats allowed) as a new Ragged in memory, without a loop."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        places = np.repeat(self.offsets[:-1][rows] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Ragged(self.flat[places], offsets)

    def keep(self, wanted: np.ndarray) -> "Ragged":
        """The values (N) bool that are wanted, in their rows."""
        return Ragged(self.flat[wanted], np.concatenate([[0], np.cumsum(wanted)])[self.offsets])

    def run_starts(self) -> np.ndarray:
        """Which values begin a run of equal ones within their row (N) bool.

        >>> Ragged(np.array([3, 3, 5, 5, 5]), np.array([0, 4, 5])).run_starts()
        array([ True, False,  True, False,  True])
        """
        begins = np.ones(len(self.flat), bool)
        begins[1:] = self.flat[1:] != self.flat[:-1]
        begins[self.offsets[:-1][self.lengths > 0]] = True
        return begins

    @cached_property
    def lengths(self) -> np.ndarray:
        """Length of each row (B)."""
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.flat[self.offsets[row] : self.offsets[row + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[row] for row in range(len(self)))


class Unread(Ragged):
    """Rows whose values are read when somebody first looks at them."""

    _read: Callable[[], np.ndarray]

    def __init__(self, read: Callable[[], np.ndarray], offsets: np.ndarray) -> None:
        """read: gives the values (N, ...)."""
        vars(self).update(_read=read, offsets=offsets)

    @cached_property
    def flat(self) -> np.ndarray:
        """All rows, one after another."""
        return self._read()


def _sound(values: np.ndarray, below: int | None) -> bool:
    """Whether values are finite or, where ``below`` is given, whole numbers from 0 up to it."""
    if below is None:
        return values.dtype.kind != "f" or bool(np.isfinite(values).all())
    return values.dtype.kind in "iu" and (not values.size or (values.min() >= 0 and values.max() < below))
