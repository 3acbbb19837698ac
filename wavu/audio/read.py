"""The one reader of audio: any file libsndfile knows, any rate, any channels, as 16 kHz mono."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
import soxr

from wavu.audio import remote
from wavu.errors import WavuError
from wavu.settings.base import is_url
from wavu.units import HOP_SAMPLES, HOP_SECONDS, RATE_HZ

# m4a and aac are looked for although few builds of libsndfile read them: better listed as skipped than overlooked.
SUFFIXES = frozenset(
    ".wav .flac .mp3 .ogg .oga .opus .m4a .aac .aif .aiff .aifc .au .snd .sph .w64 .rf64 .caf".split(),
)
BLOCK_SECONDS = 60  # decoded at a time, so that hours of 48 kHz stereo never lie in memory
BLOCK_VALUES = 2**25  # at most, of all channels together: a few kilobytes may hold a minute of silence in 255 channels
CUT_SEARCH_SECONDS = 2.0  # how far from an even cut a pause is looked for
WAV_LENGTH_UNKNOWN = 2**31  # bytes; what a piped WAV claims to exceed
OGG_PAGE = 2**16  # bytes, at most
LENGTH_UNKNOWN = 2**40  # samples; what a piped FLAC, whose header leaves its length open, claims to exceed
RATES_HZ = (4_000, 192_000)  # of recordings of speech; a header that claims 1 Hz would make hours of a few kilobytes
FULL_SCALE = 0.97  # below 1, because resampling rounds the corners of clipped peaks


def read_audio(path: Path | str, *, start: float = 0.0, end: float | None = None) -> np.ndarray:
    """Decode a file, or its part from ``start`` to ``end`` seconds, to float32 (T,) at 16 kHz; channels are averaged.

    Raises:
        WavuError: the file is missing or cannot be decoded; the message is a reason, without the path.
    """
    return np.concatenate([np.zeros(0, np.float32), *read_blocks(path, start=start, end=end)])


def read_blocks(path: Path | str, *, start: float = 0.0, end: float | None = None) -> Iterator[np.ndarray]:
    """What :func:`read_audio` decodes, about ``BLOCK_SECONDS`` at a time."""
    try:
        with _opened(path) as file:
            rate = _possible(file.samplerate)
            left = (file.frames if end is None else min(file.frames, round(end * rate))) - round(start * rate)
            if left <= 0:
                return
            file.seek(round(start * rate))
            most = min(BLOCK_SECONDS * rate, max(1, BLOCK_VALUES // file.channels))
            resample = soxr.ResampleStream(rate, RATE_HZ, 1, dtype="float32")
            while left > 0:
                block = file.read(min(left, most), dtype="float32", always_2d=True).mean(axis=1)
                left = left - len(block) if len(block) else 0
                yield block if rate == RATE_HZ else resample.resample_chunk(block, last=left == 0)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise WavuError(f"unreadable: {_reason(path, error)}") from error


def duration(path: Path | str) -> float:
    """Seconds of audio; 0 where the file cannot be read. A header that promises minutes is not believed until the last is there."""
    try:
        with _opened(path) as file:
            rate, frames = _possible(file.samplerate), file.frames
            if frames <= BLOCK_SECONDS * rate or (frames < LENGTH_UNKNOWN and _reaches(file, frames)):
                return frames / rate
        return sum(map(len, read_blocks(path))) / RATE_HZ
    except remote.Unreachable:
        raise
    except (soundfile.SoundFileError, OSError, ValueError, WavuError):
        return 0.0


@contextmanager
def _opened(path: Path | str) -> Iterator[soundfile.SoundFile]:
    """A file on this machine, or at a URL."""
    with remote.open_at(path) if is_url(path) else nullcontext(path) as source, soundfile.SoundFile(source) as file:
        yield file


def _reaches(file: soundfile.SoundFile, frames: int) -> bool:
    """Whether the last of ``frames`` can be read."""
    try:
        file.seek(frames - 1)
        return len(file.read(1)) == 1
    except soundfile.SoundFileError:
        return False


def breaks_off(path: Path) -> bool:
    """Whether a file ends before the end that its container names, as a copy does that was interrupted.

    Told of WAV, whose header knows its size, and of Ogg (Vorbis, Opus), whose last page has a flag. FLAC that breaks off cannot
    be read, and MP3 gives less than it promises.
    """
    try:
        with open(path, "rb") as file:
            head, size = file.read(12), file.seek(0, 2)
            if head[:4] == b"RIFF" and head[8:] == b"WAVE":
                promised = int.from_bytes(head[4:8], "little") + 8
                return size < promised < WAV_LENGTH_UNKNOWN
            if head[:4] == b"OggS":
                file.seek(max(0, size - OGG_PAGE))
                tail = file.read()
                last = tail.rfind(b"OggS")
                return last < 0 or not tail[last + 5 : last + 6] or not tail[last + 5] & 4
    except OSError:
        pass
    return False


def _possible(rate: int) -> int:
    if not RATES_HZ[0] <= rate <= RATES_HZ[1]:
        raise WavuError(f"unreadable: it claims {rate:,} samples per second, and speech has {RATES_HZ[0]:,} to {RATES_HZ[1]:,}")
    return rate


def defect(waveform: np.ndarray, *, min_seconds: float, max_clipped: float) -> str | None:
    """Why a waveform (T,) is of no use, or None.

    min_seconds: shortest of use. max_clipped: largest share of samples at full scale.
    """
    if not len(waveform):
        return "empty"
    if len(waveform) < min_seconds * RATE_HZ:
        return f"too short: {len(waveform) / RATE_HZ:.2f} s"
    if not np.isfinite(waveform).all():
        return "holds NaN or infinite samples"
    if not waveform.any():
        return "digital silence"
    clipped = float((np.abs(waveform) >= FULL_SCALE).mean())
    return f"clipped: {clipped:.0%} of samples at full scale" if clipped > max_clipped else None


def pieces(path: Path | str, start: float, end: float, *, max_seconds: float) -> list[tuple[float, float]]:
    """The span from ``start`` to ``end`` seconds of a file in parts of at most about ``max_seconds``.

    The parts are equal, but each cut moves to the quietest 20 ms near it.
    """
    n = max(1, int(np.ceil((end - start) / max_seconds)))
    reach = min(CUT_SEARCH_SECONDS, max_seconds / 4)
    even = np.linspace(start, end, n + 1)
    cuts = [_quietest(path, cut - reach, cut + reach) for cut in even[1:-1]]
    return list(pairwise([start, *cuts, end]))


def _quietest(path: Path | str, start: float, end: float) -> float:
    """Middle, in seconds of the file, of its quietest 20 ms between ``start`` and ``end``; the middle of both when unreadable."""
    try:
        waveform = read_audio(path, start=start, end=end)
    except remote.Unreachable:
        raise
    except WavuError:
        return (start + end) / 2
    energy = np.square(waveform[: len(waveform) // HOP_SAMPLES * HOP_SAMPLES]).reshape(-1, HOP_SAMPLES).sum(axis=1)
    return start + (int(energy.argmin()) + 0.5) * HOP_SECONDS if len(energy) else (start + end) / 2


def _reason(path: Path | str, error: Exception) -> str:
    """The cause in a few words, without the path that libsndfile repeats."""
    if isinstance(error, FileNotFoundError) or not (is_url(path) or Path(path).exists()):
        return "the file does not exist"
    if not is_url(path) and Path(path).stat().st_size == 0:
        return "the file has no bytes"
    return str(error).split(": ")[-1].rstrip(".") or "the file is damaged, or breaks off"
