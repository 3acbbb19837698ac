"""Recordings as people name them, through a recogniser, into the files that are asked for."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wavu.audio.files import Recording, find_audio
from wavu.audio.read import duration
from wavu.errors import WavuError
from wavu.progress import say, track
from wavu.recogniser import Recogniser
from wavu.store import atomic, write_text
from wavu.transcription import FORMATS, Format, Transcription
from wavu.units import duration_words

STANDARD_INPUT = "-"

Put = Callable[[Transcription], object]


def recordings_of(files: list[str]) -> list[Recording]:
    """The recordings that files, folders and the list on standard input name. One of several need not exist: hearing it tells so.

    Raises:
        WavuError: nothing was given or nothing of it exists, or two would have one id.
    """
    if not files:
        raise WavuError("no audio was given; write the files, or a folder of them, after the command")
    listed = [line.strip() for line in sys.stdin if line.strip()] if STANDARD_INPUT in files else []
    typed = [name for name in files if name != STANDARD_INPUT]
    if not typed and not listed:
        raise WavuError("no path came on standard input; expected one per line, as find and ls print them")
    named = typed + listed
    if not any(Path(name).exists() for name in named):
        raise WavuError(f"{named[0]} does not exist{', nor do the others' if named[1:] else ''}; check the path")
    found: dict[str, Recording] = {}  # by path: what is named twice is heard once
    for path in map(Path, named):
        for recording in find_audio(path) if path.is_dir() else [Recording(path.stem, path)]:
            found.setdefault(os.path.abspath(recording.path), recording)
    return _distinct(found)


def _distinct(found: dict[str, Recording]) -> list[Recording]:
    """Recordings by path; named by it, below the folder they share, where two would else have one name."""
    if len({recording.id for recording in found.values()}) == len(found):
        return list(found.values())
    shared, named = os.path.commonpath(found), {}
    for path, recording in found.items():
        name = Path(path).relative_to(shared).with_suffix("").as_posix()
        if name in named:
            raise WavuError(f"{named[name].path} and {recording.path} would both have the id {name}; transcribe them apart")
        named[name] = replace(recording, id=name)
    return list(named.values())


def check_out(out: Path | None, written_as: Format, n_files: int) -> None:
    """Refuse, before any work, a folder where a file is wanted, and a file where there is much to write.

    Raises:
        WavuError: it is so.
    """
    name = next(key for key, kind in FORMATS.items() if kind.ending == written_as.ending)
    if written_as.one_each and n_files > 1:
        if out is None and name != "json":
            raise WavuError(f"format={name} holds one recording, and there are {n_files}; give a folder for them: out=FOLDER")
        if out and (_names_a_file(out, written_as) or out.is_file()):
            raise WavuError(f"out={out} is one file, and format={name} makes {n_files}; give a folder for them: out=FOLDER")
    if out and out.is_dir() and not written_as.one_each:
        raise WavuError(f"out={out} is a folder, and format={name} makes one file; give out={out / ('transcriptions.' + name)}")


def _names_a_file(out: Path, written_as: Format) -> bool:
    """Whether what is written goes into this very file, not below it."""
    return not out.is_dir() and (not written_as.one_each or out.suffix.lower() == written_as.ending.lower())


@contextmanager
def opened(out: Path, written_as: Format, *, words: bool, warning: str) -> Iterator[Put]:
    """Where transcriptions go one by one: a file that appears when all are in it, or a folder with a file each."""
    if _names_a_file(out, written_as):
        with atomic(out) as temporary, open(temporary, "w", encoding="utf-8") as file:
            file.write(written_as.header(words, warning))
            yield lambda transcription: file.write(written_as.write(transcription))
    else:
        yield lambda transcription: write_text(_inside(out, transcription.id, written_as.ending), written_as.write(transcription))


def _inside(out: Path, name: str, ending: str) -> Path:
    """The file of a recording in a folder, perhaps below it.

    Raises:
        WavuError: the name would lead out of the folder.
    """
    path = out / f"{name}{ending}"
    if Path(name).is_absolute() or not Path(os.path.normpath(path)).is_relative_to(os.path.normpath(out)) or "\0" in name:
        raise WavuError(f"the id '{name}' leads out of out={out}; give the recording another id")
    return path


def transcribe_all(recordings: list[Recording], recogniser: Recogniser, puts: list[Put]) -> str:
    """Hand each transcription on as it comes, name what is left out, and sum up in one line.

    Raises:
        WavuError: none of the files could be used.
    """
    began, spoken, phones, words, used = time.perf_counter(), 0.0, 0, 0, 0
    total = sum(duration(recording.path) for recording in recordings)
    with track("transcribe", total, "s of audio") as advance:
        for recording, result in recogniser.stream(recordings, advance):
            if isinstance(result, str):
                say(f"warning: {recording.path} is left out: {result}")
                continue
            for put in puts:
                put(result)
            used, spoken = used + 1, spoken + result.seconds
            phones, words = phones + len(result.phones), words + len(result.words or [])
    if not used:
        raise WavuError(f"none of the {len(recordings)} files could be used; the reasons stand above")
    took = time.perf_counter() - began
    found = f"{phones:,} phones" if recogniser.words is None else f"{phones:,} phones, {words:,} words"
    left_out = f" ({len(recordings) - used:,} left out)" if used < len(recordings) else ""
    return (
        f"{used:,} of {len(recordings):,} files{left_out}, {found}: {duration_words(spoken)} of audio "
        f"in {took:.1f} s, {spoken / took:.0f} x real time"
    )
