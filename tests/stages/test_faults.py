"""What goes wrong on real machines: files that change, thousands of them, hours in one, kills at any moment."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.stages.spoken import PLAIN, SMALL, files, prepared, speak
from wavu.audio import shards
from wavu.audio.shards import WARNINGS
from wavu.prepared import Speech
from wavu.store import PARTIAL, read_json, read_table

SHARDS = ("shard_minutes=0.05", "sample.hours=0.002", "targets.clusters=8", *SMALL)


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(prepared, typed)


@pytest.mark.parametrize(("changes", "told"), [(1, "0 skipped"), (99, "the file changes while it is read")])
def test_a_file_that_changes_while_it_is_read(changes: int, told: str, tmp_path: Path, run, monkeypatch) -> None:
    """Once: it is read again. Again and again: it is skipped with the reason, and heard by the next run."""
    for index in range(3):
        speak(tmp_path / "in" / f"{index}.wav", 1.5, seed=index)
    arguments = (f"audio_dir={tmp_path / 'in'}", f"out_dir={tmp_path / 'out'}", *SHARDS)
    left, read = [changes], shards.read_audio

    def meanwhile(path: Path, **span: float) -> np.ndarray:
        if path.name == "1.wav" and left[0]:
            left[0] -= 1
            waveform = read(path, **span)
            speak(path, 1.5 + 0.01 * left[0], seed=100 + left[0])
            return waveform
        return read(path, **span)

    with monkeypatch.context() as patched:
        patched.setattr(shards, "read_audio", meanwhile)
        code, said = run(*arguments)
    assert code == 0 and told in said, said
    assert run(*arguments)[0] == 0 and sorted(Speech.read(tmp_path / "out").ids) == ["0", "1", "2"]
    run(f"audio_dir={tmp_path / 'in'}", f"out_dir={tmp_path / 'now'}", *SHARDS)
    rows = ({row["id"]: row["frames"] for row in read_table(tmp_path / out / "manifest.tsv", ["id"])} for out in ("out", "now"))
    assert next(rows) == next(rows)


@pytest.mark.parametrize("n", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_tiny_files(n: int, tmp_path: Path, run) -> None:
    chance = np.random.default_rng(0)
    (tmp_path / "in").mkdir()
    for index in range(n):
        samples = chance.normal(0, 0.1, 1_600 if index % 4 else 6_400)
        soundfile.write(tmp_path / "in" / f"{index:05d}.wav", samples, 16_000)
    arguments = (f"audio_dir={tmp_path / 'in'}", f"out_dir={tmp_path / 'out'}", "shard_minutes=0.5", *SMALL)
    code, told = run(*arguments)
    assert code == 0 and f"{n // 4:,} utterances" in told and f"{3 * n // 4} skipped" in told
    assert f"skipped {3 * n // 4 - WARNINGS} more" in told and len(Speech.read(tmp_path / "out").ids) == n // 4
    assert run(*arguments)[1].endswith("is complete\n")


@pytest.mark.slow
def test_one_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """Ten hours are 2.3 GB of samples; peaks of processes that do nothing else."""
    peaks = []
    for minutes in (30, 600):
        noise = np.random.default_rng(0).normal(0, 0.1, 16_000 * 60)
        with soundfile.SoundFile(tmp_path / f"{minutes}.wav", "w", 16_000, 1) as file:
            for _ in range(minutes):
                file.write(noise)
        (tmp_path / f"{minutes}.tsv").write_text(f"id\tpath\nlong\t{minutes}.wav\n")
        given = [f"manifest={tmp_path / f'{minutes}.tsv'}", f"out_dir={tmp_path / str(minutes)}", "shard_minutes=1"]
        command = [sys.executable, "-m", "wavu.prepare_audio", *PLAIN, *SMALL, *given, "sample.hours=0.01", "executor.workers=1"]
        assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
        peaks.append(read_json(tmp_path / str(minutes) / "stage.json")["peak_memory_gb"])
    assert peaks[1] < peaks[0] + 0.05


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_twenty_times_at_any_moment_every_byte_is_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """First run and runs with added, changed and removed recordings, each killed five times after its first second."""
    chance = np.random.default_rng()
    folder, outs = tmp_path / "in", (tmp_path / "killed", tmp_path / "whole")
    killed = 0
    for turn in range(4):
        for index in range(10 * turn, 10 * turn + 10):
            speak(folder / f"{index}.wav", 1.0 + 0.1 * (index % 10), seed=index)
        if turn:
            speak(folder / f"{turn}.wav", 1.3, seed=1_000 + turn)
            (folder / f"{10 * turn - 4}.wav").unlink()
        commands = [
            [sys.executable, "-m", "wavu.prepare_audio", *PLAIN, f"audio_dir={folder}", f"out_dir={out}", *SHARDS] for out in outs
        ]
        began = time.monotonic()
        assert subprocess.run(commands[1], stderr=subprocess.DEVNULL).returncode == 0
        seconds = time.monotonic() - began
        for moment in chance.uniform(0.4 * seconds, seconds, 5):
            with subprocess.Popen(commands[0], stderr=subprocess.DEVNULL) as process:
                time.sleep(moment)
                process.send_signal(signal.SIGKILL)
            killed += process.returncode == -signal.SIGKILL
        assert subprocess.run(commands[0], stderr=subprocess.DEVNULL).returncode == 0
        assert files(outs[0]) == files(outs[1])
        assert not list(outs[0].rglob(f"*{PARTIAL}"))
    assert killed >= 10
