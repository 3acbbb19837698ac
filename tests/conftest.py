"""Shared by all tests: one thread each (they run side by side), and finished stages made by hand, a few kilobytes large."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy and torch are imported

import numpy as np
import pytest
import soundfile
import torch

from wavu.ragged import Ragged
from wavu.stage import Stage
from wavu.store import write_array, write_json, write_table

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def data() -> Path:
    """Real recordings and text, where the environment variable WAVU_DATA says they are."""
    folder = Path(os.environ.get("WAVU_DATA", "no such folder"))
    if not folder.is_dir():
        pytest.skip("WAVU_DATA does not name a folder")
    return folder


@pytest.fixture(autouse=True)
def stages_name_all_that_they_make(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a stage leaves must be in its list, or overwrite=true would take it for somebody else's."""
    run = Stage.run

    @contextmanager
    def checked(stage: Stage) -> Iterator[dict]:
        with run(stage) as counts:
            yield counts
        stage._refuse_strangers(stage.makes)

    monkeypatch.setattr(Stage, "run", checked)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """A command as somebody types it, in this process: its exit code, and what it says on standard error."""

    def typed(command: ModuleType, *arguments: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [command.__name__, *map(str, arguments)])
        try:
            command.main()
        except SystemExit as stop:
            return int(stop.code or 0), capsys.readouterr().err
        return 0, capsys.readouterr().err

    return typed


@pytest.fixture
def text_folder(tmp_path: Path) -> Path:
    """What prepare_text leaves for a language of three words: tak, ki and o."""
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "phones.txt").write_text("t\na\nk\ni\no\n<SIL>\n", encoding="utf-8")
    lexicon = [("tak", "t a k", 3), ("ki", "k i", 2), ("o", "o", 1)]
    write_table(
        folder / "lexicon.tsv",
        [dict(zip(("word", "phones", "count"), row, strict=True)) for row in lexicon],
        ("word", "phones", "count"),
    )
    Ragged.of([np.array([0, 1]), np.array([0, 2]), np.array([1, 0])], np.int32).write(folder, "lines")
    write_json(
        folder / "stage.json",
        {"command": "prepare_text", "config": {"language": "", "units": "char"}, "inputs": {}, "counts": {}},
    )
    return folder


@pytest.fixture
def speech_folder(tmp_path: Path) -> Path:
    """What prepare_audio leaves for two utterances in two shards; d = 2, K = 3."""
    folder = tmp_path / "audio"
    rows = [{"id": "a", "path": "a.wav", "speaker": "x"}, {"id": "b", "path": "b.wav", "speaker": "x"}]
    write_table(folder / "manifest.tsv", rows, ("id", "path", "speaker"))
    for shard, n_frames in enumerate((4, 6)):
        where = folder / "shards" / f"{shard:05d}"
        frames = np.full((n_frames, 2), shard, np.float16)
        Ragged.of([frames], np.float16).write(where, "frames")
        Ragged.of([np.arange(n_frames) % 3], np.int16).write(where, "units")
        Ragged.of([frames[:2]], np.float16).write(where, "segments")
        Ragged.of([np.array([0, 2])], np.int32).write(where, "starts")
    (folder / "stage.json").write_text(json.dumps({"command": "prepare_audio", "counts": {"clusters": 3}}))
    return folder


@pytest.fixture
def run_folder(tmp_path: Path, text_folder: Path) -> Path:
    """What the report reads of a run, audio, text, found and model, of three recordings of a second (N = 50), the second with a pause from 0.4 to 0.6 s.

    The segments are named t a k i; the HMM hears k for the first of them in the first recording, and so does the student.
    """
    run, N = tmp_path / "run", 50
    run.mkdir()
    text_folder.rename(run / "text")
    rows = []
    for row, name in enumerate(("one", "two", "three")):
        tone = 0.3 * np.sin(2 * np.pi * 500 * (row + 1) * np.arange(16_000) / 16_000)
        soundfile.write(tmp_path / f"{name}.wav", tone.astype(np.float32), 16_000)
        place = {"id": name, "path": tmp_path / f"{name}.wav", "start": 0.0, "end": 1.0, "speaker": ""}
        rows.append(place | {"shard": 0, "frames": N if row != 1 else N - 10, "segments": 4})
    write_table(run / "audio" / "manifest.tsv", rows, list(rows[0]))
    frames, shard = [row["frames"] for row in rows], run / "audio" / "shards" / "00000"
    starts = Ragged.of([np.array([0, 10, 25, 35])] * 3, np.int32)
    spans = [[[0.0, 1.0]], [[0.0, 0.4], [0.6, 1.0]], [[0.0, 1.0]]]
    Ragged.of([np.array(row) for row in spans], np.float32).write(shard, "spans")
    Ragged.of([np.arange(4)] * 3, np.int16).write(run / "found", "labels")
    per_frame = [np.repeat(np.arange(4), np.diff([0, 10, 25, 35, n])) for n in frames]
    per_frame[0][:10] = 2
    Ragged.of(per_frame, np.int16).write(run / "model", "labels")
    Ragged.of([[2, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]], np.int16).write(run / "model", "student")
    write_array(run / "model" / "confidence.npy", np.array([0.2, 0.9, 0.5], np.float32))
    for folder in (shard, run / "found"):
        starts.write(folder, "starts")
    scores = {"lm_perplexity": 4.0, "vocabulary_used": 0.8, **{f"jsd{n}": n / 10 for n in (1, 2, 3, 4)}}
    hmm = {
        "kept": "gaussians 1",
        "evidence": {"segments": 0.7, "gaussians 1": 0.8},
        "agreement": 0.8,
        "verdict": "found: predicted PER 0.24 ± 0.12",
        **scores,
    }
    counts = {
        "audio": {"audio_seconds": 3.0, "segments": 12, "segments_per_second": 4.0, "clusters": 3},
        "found": {"start": "read by espeak-ng's voice xx", "encoder_has_seen": "the encoder has seen nothing", **scores},
        "model": {"hmm": hmm, "student": {"disagreement": 0.05, **scores}, "suspected_failed": None},
    }
    commands = {"audio": "prepare_audio", "found": "decipher_segments", "model": "self_train"}
    for folder, command in commands.items():
        config, inputs = {"encoder": {"kind": "mfcc"}, "seed": 0}, {"text": "0123456789abcdef"}
        record = {"command": command, "config": config, "inputs": inputs, "counts": counts[folder], "seconds": 1.5}
        write_json(run / folder / "stage.json", record)
    return run
