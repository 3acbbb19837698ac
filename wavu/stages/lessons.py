"""The student of self-training: what it learns from, what it starts from, and the weights of its word search."""

import shutil
from pathlib import Path

import numpy as np

from wavu.audio.files import read_manifest
from wavu.decode import ctc
from wavu.decode.topology import Topology
from wavu.decode.tuning import NothingSaid, tune
from wavu.errors import WavuError
from wavu.fine_tune import Lessons, fine_tune
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.settings.student import AnyStudent, PretrainedStudent
from wavu.stage import finished
from wavu.stages.hmm_task import HmmTask
from wavu.stages.word_search import tuning_judge, word_decoder
from wavu.store import read_array, read_json, write_json
from wavu.units import HOP_SECONDS


def teach(
    task: HmmTask,
    folders: dict[str, Path],
    out_dir: Path,
    *,
    student: AnyStudent,
    words: dict,
    search: str,
    utterances: int,
    seed: int,
) -> dict | None:
    """Fine-tune a CTC student on what the HMM found, and tune its word search; its counts. None: it says nothing, and is left away.

    folders: of what came before, by name. out_dir: where the HMM's results are. student, words: settings of it and of its word
    search. search: what the HMM decoded as, words or phones. utterances: looked at for tuning.
    """
    phones = task.text.phones[:-1]
    lessons = Lessons(
        read_manifest(folders["audio"] / "manifest.tsv"),
        task.said(Ragged.read(out_dir, "states")),
        np.asarray(read_array(out_dir / "confidence.npy")),
        task.speech.frames.lengths * HOP_SECONDS,
        task.speech.frames,
    )
    lessons.labels.write(out_dir, "lessons")
    encoder = student_encoder(student, folders["audio"]) if isinstance(student, PretrainedStudent) else None
    pupil, said, counts = fine_tune(
        lessons, out_dir / "student", phones=phones, encoder=encoder, judge=task.judge, about=_origin(lessons, task, folders, search),
        settings=student, seed=seed,
    )  # fmt: skip
    start = words | student.words.plain()
    decoder = word_decoder(task, Topology.ctc(len(phones), blank=ctc.BLANK), start, out_dir / "words")
    rows = task.some(utterances)
    # What is nearer to its phones than these are to its lessons cannot be told apart.
    judge = tuning_judge(said.take(rows), task, counts["disagreement"])
    try:
        grid, scores = student.tuning.plain(), pupil.hear(rows)
        with track("weights of its words", 1 + sum(map(len, grid.values())), "tried") as advance:
            tuned = tune(decoder, scores, lambda _, phones: judge(phones), grid=grid, report=lambda row: advance())
    except NothingSaid:
        shutil.rmtree(out_dir / "student")  # who opens the folder takes the HMM
        say(
            f"warning: after {counts['updates']:,} updates the student has not learned to speak and is left away, the HMM is the result; give it "
            "more student.training.updates=, or more audio"
        )
        return None
    said.write(out_dir, "student")
    weights = start | tuned[0]
    write_json(out_dir / "words" / "words.json", weights)
    return counts | {"weights": weights}


def student_encoder(settings: PretrainedStudent, audio: Path) -> str:
    """What is fine-tuned: the encoder that is named, or the one that prepare_audio used.

    Raises:
        WavuError: none is named, and the one used cannot be fine-tuned.
    """
    used = read_json(audio / "frontend" / "frontend.json")["encoder"]
    if settings.encoder is None and used["kind"] != "huggingface":
        raise WavuError(
            f"student=wav2vec2 fine-tunes an encoder, and {audio} was prepared with encoder={used['kind']}; "
            "give student.encoder=NAME, or take student=small"
        )
    return settings.encoder or used["model"]


def _origin(lessons: Lessons, task: HmmTask, folders: dict[str, Path], search: str) -> dict:
    """Where a student comes from, for the card of its export."""
    written = finished(folders["text"], "prepare_text")["config"]
    start = read_json(folders["gan"] / "stage.json")["counts"].get("start", "a generator trained against a discriminator")
    return {
        "language": str(written["language"]),
        "units": written["units"],
        "utterances": len(lessons.recordings),
        "audio_seconds": sum(recording.seconds for recording in lessons.recordings),
        "sentences": len(task.text.lines),
        "words": len(task.text.lines.flat),
        "start": start,
        "labels": f"what was decoded as {search} of the text",
    }
