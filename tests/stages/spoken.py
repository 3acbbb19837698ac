"""Recordings of tones for prepare_audio, the command as it is typed, and what it leaves."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from wavu import prepare_audio

PLAIN = ("encoder=mfcc", "segment=ward")
SMALL = ("kmeans.clusters=8", "vad=none")


def speak(path: Path, seconds: float, seed: int, rate: int = 16_000) -> None:
    """Tones that change like phones do, with a little noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch = np.repeat(rng.uniform(200, 3_000, 99), round(0.1 * rate))[: len(time)]
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.01, len(time)), rate)


def prepared(typed: Callable[..., tuple[int, str]], *arguments: object) -> tuple[int, str]:
    """The command as typed, MFCC in segments of Ward's unless something else is given: they need no model."""
    groups = {str(argument).partition("=")[0] for argument in arguments}
    return typed(prepare_audio, *[setting for setting in PLAIN if setting.partition("=")[0] not in groups], *arguments)


def files(out_dir: Path) -> dict[str, bytes]:
    """Every file but those that hold times of the run."""
    return {
        str(path.relative_to(out_dir)): path.read_bytes()
        for path in sorted(out_dir.rglob("*"))
        if path.is_file() and path.name != "stage.json"
    }
