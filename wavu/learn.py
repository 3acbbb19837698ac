"""Recordings and sentences in, a recogniser out: the whole path with one command.

    wavu learn audio_dir=recordings text=sentences.txt language=de out_dir=runs/de
    wavu learn audio_dir=recordings text=sentences.txt language=rw units=char voice=sw out_dir=runs/rw

The sentences are not what is said in the recordings, and no transcript is read. The stages are those of wavu prepare-audio,
prepare-text, decipher-segments and self-train; each leaves a folder below out_dir. Killed in the middle, the same command goes on
where it stopped. The end is a verdict, which no label was needed for, some recordings transcribed, and a page to look at,
out_dir/report.html. out_dir/model is what wavu transcribe takes as model=. ``wavu check`` with the same settings looks at the data
before anything long starts.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from wavu import page
from wavu.audio.files import Recording, read_manifest
from wavu.command import command, composed
from wavu.progress import part, say
from wavu.recogniser import Recogniser
from wavu.settings.audio import PrepareAudio
from wavu.settings.base import Work, checked
from wavu.settings.path import Learn
from wavu.settings.segments import DecipherSegments
from wavu.settings.self_training import SelfTrain
from wavu.settings.text import PrepareText
from wavu.stages.audio import prepare_audio
from wavu.stages.outlook import Outlook
from wavu.stages.segments import decipher_segments
from wavu.stages.self_training import self_train
from wavu.stages.text import prepare_text
from wavu.store import read_json, write_table
from wavu.transcription import Transcription
from wavu.units import duration_words

REPORT_SECONDS = 10  # of each example, at most, that the page carries
EXAMPLES = ("id", "path", "words", "phones")

WORK: dict[str, tuple[type[Work], Callable[..., None]]] = {
    "prepare_text": (PrepareText, prepare_text),  # seconds, and refuses most of what is wrong
    "prepare_audio": (PrepareAudio, prepare_audio),
    "decipher_segments": (DecipherSegments, decipher_segments),
    "self_train": (SelfTrain, self_train),
}


def learn(settings: Learn) -> None:
    """Compose the settings of all stages, so that what is wrong with them is told first; do them; sum up."""
    out_dir = settings.out_dir
    stages = settings_of_stages(settings)
    began, outlook = time.perf_counter(), Outlook.of(settings.audio_dir)
    for number, (name, stage) in enumerate(stages.items(), 1):
        where = f"[{number}/{len(stages)}]"
        was_there, started = (stage.out_dir / "stage.json").exists(), time.perf_counter()
        say(f"{where} {name}" if was_there else f"{where} {name}: {outlook.words(list(stages)[number - 1 :])}")
        with part(where):
            WORK[name][1](stage)
        if not was_there:
            outlook = outlook.after(name, time.perf_counter() - started)
    transcribed = examples(out_dir, settings.examples, settings.seed)
    page.write(out_dir, out_dir / "report.html", seconds=REPORT_SECONDS, **settings.plain("examples", "seed"))
    _report(out_dir, transcribed, time.perf_counter() - began)


def settings_of_stages(settings: Learn) -> dict[str, Work]:
    """The settings of each stage, in the order in which they run.

    Raises:
        WavuError: one of ``stages`` is no setting of that stage.
    """
    out, given = settings.out_dir, settings.stages.plain()
    both, seed = [f"audio={out}/audio", f"text={out}/text"], f"seed={settings.seed}"
    read = [f"{name}={value}" for name, value in settings.plain("text", "language", "units").items()]
    folders = {
        "prepare_text": ("text", read),
        "prepare_audio": ("audio", [f"audio_dir={settings.audio_dir}", "segment=change", seed]),
        "decipher_segments": ("found", [*both, f"voice={settings.voice or 'none'}", seed]),
        "self_train": ("model", [*both, f"gan={out}/found", seed]),
    }
    stages = {
        name: composed(name, WORK[name][0], [*arguments, f"out_dir={out}/{folder}", *given[name]])
        for name, (folder, arguments) in folders.items()
    }
    with_encoder = stages["prepare_audio"].plain() | settings.plain("encoder")
    return stages | {"prepare_audio": checked(PrepareAudio, with_encoder, command="prepare_audio")}


def examples(out_dir: Path, n: int, seed: int) -> list[Transcription]:
    """Transcribe ``n`` recordings, drawn by chance, and leave them in examples.tsv."""
    recordings = read_manifest(out_dir / "audio" / "manifest.tsv")
    drawn = np.random.default_rng(seed).permutation(len(recordings))[:n]
    found = [
        (recording, heard)
        for recording, heard in Recogniser.read(out_dir / "model").stream([recordings[row] for row in sorted(drawn)])
        if isinstance(heard, Transcription)
    ]
    write_table(out_dir / "examples.tsv", [_row(recording, heard) for recording, heard in found], EXAMPLES)
    return [heard for _, heard in found]


def _row(recording: Recording, heard: Transcription) -> dict:
    spoken = {"words": heard.words or [], "phones": heard.phones}
    return {"id": recording.id, "path": recording.path} | {
        name: " ".join(span.text for span in spans) for name, spans in spoken.items()
    }


def _report(out_dir: Path, transcribed: list[Transcription], seconds: float) -> None:
    """What was found, in a few lines."""
    counts = read_json(out_dir / "model" / "stage.json")["counts"]
    for heard in transcribed:
        say(f"  {heard.id}: {heard}")
    say(f"{counts['hmm'].get('verdict', 'no verdict')}; {counts['encoder_has_seen']}")
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); do not trust what it says")
    say(f"{duration_words(seconds)} in all -> {out_dir}/report.html, and {out_dir}/model, which wavu transcribe takes as model=")


main = command("learn", Learn, learn, __doc__, open_groups=("encoder",))

if __name__ == "__main__":
    main()
