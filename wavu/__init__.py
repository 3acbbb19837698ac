"""wavu: a folder of speech and a file of sentences in, a phone recogniser out, with no transcript on the way."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wavu.recogniser import Recogniser

__version__ = "0.1.0"

# Threads of torch that wait for each other spin, by default so long that a busy machine makes small steps twenty times
# slower. This many turns cost nothing on an idle one. Read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
# transformers tells much that is meant for its own users, and draws bars of its own.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def load(folder: str | Path) -> "Recogniser":
    """Open a recogniser: the folder that ``wavu.self_train`` or ``wavu.gan_train`` has left.

    An example:

        recogniser = wavu.load("runs/model")
        heard = recogniser.transcribe("interview.mp3")
        print(heard)
        for phone in heard.phones:
            print(phone.text, phone.start, phone.end, phone.confidence)

    Raises:
        WavuError: the folder holds no finished recogniser.
    """
    from wavu.recogniser import Recogniser  # here, because it needs seconds: torch is behind it

    return Recogniser.read(Path(folder))
