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

from wavu import page
from wavu.audio.files import read_manifest
from wavu.command import command, composed
from wavu.progress import part, say
from wavu.settings.audio import PrepareAudio
from wavu.settings.base import Work
from wavu.settings.mistakes import checked
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
    shown = page.write(out_dir, out_dir / "report.html", seconds=REPORT_SECONDS, **settings.plain("examples", "seed"))
    _report(out_dir, _written(shown, out_dir), time.perf_counter() - began)


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


def _written(shown: list[page.Example], out_dir: Path) -> list[dict]:
    """The examples of the report as rows of examples.tsv, which are written."""
    paths = {recording.id: recording.path for recording in read_manifest(out_dir / "audio" / "manifest.tsv")}
    rows = [
        {
            "id": example.id,
            "path": paths[example.id],
            "words": " ".join(span.text for span in example.words),
            "phones": " ".join(span.text for span in example.phones),
        }
        for example in shown
    ]
    write_table(out_dir / "examples.tsv", rows, EXAMPLES)
    return rows


def _report(out_dir: Path, examples: list[dict], seconds: float) -> None:
    """What was found, in a few lines."""
    counts = read_json(out_dir / "model" / "stage.json")["counts"]
    for row in examples:
        say(f"  {row['id']}: {row['words'] or row['phones']}")
    say(f"{counts['hmm'].get('verdict', 'no verdict')}; {counts['encoder_has_seen']}")
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); do not trust what it says")
    say(f"{duration_words(seconds)} in all -> {out_dir}/report.html, and {out_dir}/model, which wavu transcribe takes as model=")


main = command("learn", Learn, learn, __doc__, open_groups=("encoder",))

if __name__ == "__main__":
    main()
