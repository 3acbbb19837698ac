"""A front end that hears four frames, and an HMM that knows a phone for each."""

from pathlib import Path

import numpy as np

from wavu.audio.frontend import FrontEnd
from wavu.ragged import Ragged
from wavu.store import write_tensors

PHONES = ["t", "a", "k", "<SIL>"]
FRAME = np.eye(4)  # the encoder's frame of each phone, and the centroid of its unit
SETTINGS = {
    "vad": {"kind": "none", "min_pause": 0.0, "padding": 0.0},
    "encoder": {"kind": "mfcc"},
    "min_seconds": 0.1,
    "max_seconds": 9,
}


def front_end() -> FrontEnd:
    return FrontEnd(SETTINGS, FRAME, np.zeros(4), np.eye(4))


def write_hmm(folder: Path) -> None:
    """An HMM of two sub-states that hears each phone in its own unit; a phone may follow itself."""
    emission = np.full((4, 2, 4), 0.01) + 0.96 * FRAME[:, None]
    tensors = {"emission": emission, "stay": np.full((4, 2), 0.5)}
    tensors |= {"first": np.full(4, 0.25), "next": np.full((1, 4, 4), 0.2).transpose(1, 0, 2), "last": np.full((1, 4), 0.2)}
    about = {"phones": PHONES, "grammar_weight": 1.0}
    write_tensors(folder / "hmm.safetensors", {name: value.astype(np.float32) for name, value in tensors.items()}, about)


def encoded(*lines: str) -> Ragged:
    """``"taak."`` as frames."""
    return Ragged.of([FRAME[["tak.".index(letter) for letter in line]] for line in lines], np.float32)
