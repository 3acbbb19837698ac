"""Kills every command of the path again and again at random moments, and compares what it ends with, byte by byte.

    python scripts/kill_study.py OUT_DIR                # 1,000 SIGKILLs on an invented language of some minutes
    python scripts/kill_study.py OUT_DIR --kills 50

Each round runs the whole path into a new folder. Each of its commands is killed up to four times, at moments drawn evenly from the time
that it takes, and then ends. All files but those that tell of times and folders must be those of a run that nobody disturbed. Commands
run in forks of this process, which has imported everything: most of the time they work, so most kills meet them at work.
"""

import argparse
import importlib
import os
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
from rich.console import Console

from wavu import demo, gan_train, prepare_audio, prepare_text, self_train, transcribe  # noqa: F401
from wavu.demo import make_corpus
from wavu.store import PARTIAL

KILLS_OF_A_COMMAND = 4
PASSING = {"stage.json", "frontend.json", "plan.json"}  # they tell of seconds, of folders and of processes


def commands(corpus: Path, out: Path) -> list[list[str]]:
    """The path of recordings of people and that of generators, small."""
    both = [f"audio={out}/audio", f"text={out}/text"]
    hmm = ["gaussians.turns=1", "tuning.utterances=10", "evidence.utterances=10"]
    student = [
        "student=small",
        "student.training.updates=30",
        "student.validation.every=10",
        "student.network.width=32",
        "student.network.layers=1",
    ]
    gan = [
        "updates=30",
        "members=2",
        "validation.every=10",
        "discriminator.channels=8",
        "decipher=quick",
        "decipher.hours=0.02",
        "device=cpu",
    ]
    return [
        ["prepare_audio", f"audio_dir={corpus}/audio", "encoder=mfcc", "kmeans.clusters=32", "segment=change", "shard_minutes=0.3", f"out_dir={out}/audio"],
        ["prepare_text", f"text={corpus}/sentences.txt", "language=es", "min_sentences=20", f"out_dir={out}/text"],
        ["decipher_segments", *both, "reading.sentences=20", "reading.turns=2", f"out_dir={out}/found"],
        ["gan_train", *both, *gan, f"out_dir={out}/gan"],
        ["self_train", *both, *hmm, *student, f"gan={out}/gan", f"out_dir={out}/model"],
        ["transcribe", f"{corpus}/audio", f"model={out}/model", f"out={out}/hypotheses.tsv"],
    ]  # fmt: skip


def run(command: list[str], kill_after: float | None = None) -> tuple[float, bool]:
    """Run a command in a fork to its end, or kill it: the seconds it took, and whether it was killed.

    Raises:
        SystemExit: it ended with an error.
    """
    began, pid = time.monotonic(), os.fork()
    if not pid:
        _child(command)
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        seconds = time.monotonic() - began
        if done:
            if status:
                sys.exit(f"{' '.join(command)} ended with {status}")
            return seconds, False
        if kill_after is not None and seconds >= kill_after:
            with suppress(ProcessLookupError):  # it has no group of its own yet
                os.killpg(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return seconds, True
        time.sleep(0.002)


def _child(command: list[str]) -> None:
    os.setsid()
    errors = os.open(os.environ.get("KILL_STUDY_LOG", os.devnull), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(errors, 1)
    os.dup2(errors, 2)
    code = 1
    try:
        sys.argv = command
        importlib.import_module(f"wavu.{command[0]}").main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


def results(out: Path) -> dict[str, bytes]:
    """All files but those that tell of times and folders, those of TensorBoard, and what a killed command had begun to write."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in PASSING and not path.name.endswith(PARTIAL) and path.parent.name != "curves"
    }


def main() -> None:
    """Kill until there were enough, and tell what differed."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out_dir", type=Path)
    arguments.add_argument("--kills", type=int, default=1_000)
    arguments.add_argument("--seed", type=int, default=0)
    given, console = arguments.parse_args(), Console(soft_wrap=True)
    work, chance = given.out_dir, np.random.default_rng(given.seed)
    shutil.rmtree(work, ignore_errors=True)
    make_corpus(work / "corpus", seed=3, utterances=24, held_out=2, sentences=150, lexicon=30, voices=1, words_per_minute=160)
    took = {command[0]: run(command)[0] for command in commands(work / "corpus", work / "once")}
    expected, kills, rounds = results(work / "once"), Counter(), 0
    console.print("undisturbed: " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in took.items()))
    while kills.total() < given.kills:
        rounds += 1
        for command in commands(work / "corpus", work / "again"):
            for moment in chance.uniform(0, took[command[0]], KILLS_OF_A_COMMAND):
                kills[command[0]] += run(command, kill_after=moment)[1]
            run(command)
        found = results(work / "again")
        different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        if different:
            sys.exit(f"after {kills.total():,} kills, round {rounds}: {', '.join(different)}")
        shutil.rmtree(work / "again")
        console.print(f"{kills.total():,} of {given.kills:,} kills, {rounds} rounds, {len(found)} files the same")
    each = ", ".join(f"{name} {number:,}" for name, number in kills.items())
    console.print(f"{kills.total():,} SIGKILLs ({each}) in {rounds} rounds: every file is that of an undisturbed run")


if __name__ == "__main__":
    main()
