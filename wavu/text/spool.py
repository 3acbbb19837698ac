"""Values that are too many for memory, in a nameless file that ends with the process."""

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wavu.errors import WavuError

PART = 1 << 20  # values that are worked on at once


def parts(length: int) -> Iterator[slice]:
    """Slices that cover ``length`` places."""
    for start in range(0, length, PART):
        yield slice(start, min(start + PART, length))


class Spool:
    """A growing column of values, of which parts are read and overwritten; ``len`` is how many there are.

    folder: where the file lies; without one, the values are kept in memory.
    """

    def __init__(self, dtype: type, folder: Path | None) -> None:
        self.dtype, self.folder, self._length = np.dtype(dtype), folder, 0
        try:
            self._file = tempfile.TemporaryFile(dir=folder) if folder else io.BytesIO()
        except OSError as error:
            raise _unwritable(folder, error) from error

    def append(self, values: np.ndarray) -> None:
        """Add values at the end."""
        self.write(self._length, values)

    def write(self, start: int, values: np.ndarray) -> None:
        """Put values in the places from ``start`` on.

        Raises:
            WavuError: the disk is full.
        """
        try:
            self._file.seek(start * self.dtype.itemsize)
            self._file.write(np.ascontiguousarray(values, self.dtype).data.cast("B") if len(values) else b"")
            self._file.flush()
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        self._length = max(self._length, start + len(values))

    def pad(self, length: int, value: float) -> None:
        """Append the value until there are ``length``."""
        for part in parts(length - self._length):
            self.append(np.full(part.stop - part.start, value, self.dtype))

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, part: slice) -> np.ndarray:
        """A copy of a part, without step."""
        start, stop, _ = part.indices(self._length)
        values = np.empty(max(0, stop - start), self.dtype)
        if len(values):
            self._file.seek(start * self.dtype.itemsize)
            self._file.readinto(values.data.cast("B"))
        return values

    def array(self) -> np.ndarray:
        """All values as one array, of a file as a memory-map, which keeps the file alive."""
        if self.folder is None or not self._length:
            return self[:]
        return np.memmap(self._file, self.dtype, "r+", shape=(self._length,))


def _unwritable(folder: Path | None, error: OSError) -> WavuError:
    return WavuError(f"cannot write into {folder}: {error.strerror or error}; free some space or choose another out_dir")
