"""Audio files in, text out: phones, words where the model knows any, and times if wanted, in the format that is asked for.

    python -m wavu.transcribe interview.mp3 model=runs/model
    python -m wavu.transcribe interview.mp3 model=runs/model out=interview.srt
    python -m wavu.transcribe my_recordings model=runs/model out=subtitles format=vtt
    python -m wavu.transcribe my_recordings model=runs/model out=hypotheses.tsv times=times.tsv
    find . -name '*.wav' | python -m wavu.transcribe - model=runs/model

Prints the text of a file; of several files, a line each with id and text, as soon as it is known. The id is the file's name
without its ending; in a folder, or where two names are the same, its path below the folder. A file that cannot be used is
named and left out.
"""

import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from wavu.command import command
from wavu.errors import WavuError
from wavu.hearing import Put, check_out, opened, recordings_of, transcribe_all
from wavu.progress import say
from wavu.recogniser import Recogniser
from wavu.settings.use import Transcribe
from wavu.transcription import FORMATS, Format, times


def main_work(settings: Transcribe) -> None:
    """Transcribe the files; print or write what was heard."""
    out = settings.out
    written_as = chosen_format(settings.format, out)
    recordings = recordings_of(settings.files)
    alone = len(settings.files) == 1 and recordings[0].path == Path(settings.files[0])
    if alone and written_as == FORMATS["txt"]:
        written_as = replace(written_as, write=lambda transcription: f"{transcription}\n")
    check_out(out, written_as, len(recordings))
    recogniser = opened_recogniser(settings)
    with ExitStack() as open_files:
        words, warning = recogniser.words is not None, recogniser.warning
        to_file = partial(opened, words=words, warning=warning)
        puts = [open_files.enter_context(to_file(out, written_as)) if out else printing(written_as, words=words, warning=warning)]
        if settings.times:
            layout = Format("", times, header=lambda words, warning: "id\tstart\tend\tphone\n")
            puts.append(open_files.enter_context(to_file(settings.times, layout)))
        summary = transcribe_all(recordings, recogniser, puts)
    say(summary + (f" -> {out}" if out else ""))


def opened_recogniser(settings: Transcribe) -> Recogniser:
    """The recogniser of ``model``, as the other settings want it.

    Raises:
        WavuError: there is none, or it cannot do what is wanted.
    """
    recogniser = Recogniser.read(settings.model)
    if settings.max_seconds is not None:
        recogniser = replace(recogniser, max_seconds=settings.max_seconds)
    if not settings.words:
        recogniser = replace(recogniser, words=None)
    return recogniser.rescored(settings.rescore, nbest=settings.nbest) if settings.rescore else recogniser


def chosen_format(name: str | None, out: Path | None) -> Format:
    """The format that is named; where none is, the one that the ending of ``out`` tells, or else txt.

    Raises:
        WavuError: ``out`` ends like another.
    """
    told = next((key for key, kind in FORMATS.items() if out and out.suffix.lower() == kind.ending.lower()), None)
    if out and name and told and name != told and not out.is_dir():
        raise WavuError(f"out={out} ends like {told}, but format={name}; leave format away, or give out another ending")
    return FORMATS[name or told or "txt"]


def printing(written_as: Format, *, words: bool, warning: str) -> Put:
    """Transcriptions go to standard output, the header not before the first of them; plain text without a warning, which is told already."""
    header = [written_as.header(words, "" if written_as.ending == FORMATS["txt"].ending else warning)]
    return lambda transcription: _print((header.pop() if header else "") + written_as.write(transcription))


def _print(text: str) -> None:
    """To standard output, at once."""
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:  # whoever reads, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


main = command("transcribe", Transcribe, main_work, __doc__, files=True)

if __name__ == "__main__":
    main()
