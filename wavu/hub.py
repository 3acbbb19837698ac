"""Models by the name of a folder or of a model on the Hugging Face hub: one door, one message."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from wavu.errors import WavuError
from wavu.progress import say

ANSWER_SECONDS = 10.0
Loaded = TypeVar("Loaded")


def load(name: str, read: Callable[[bool], Loaded], *, what: str, instead: str = "") -> Loaded:
    """What ``read`` makes of a folder, of the hub's cache, or else of the hub; told whether to keep off the network.

    what: is loaded, instead: what else would do, in words for the message.

    Raises:
        WavuError: there is no such folder or model, it is damaged, or of another kind; or ``read`` says what is wrong.
    """
    try:
        return _from_disk_or_hub(name, read)
    except WavuError:
        raise
    except Exception as error:  # the loaders raise all kinds, and the remedy is the same
        cause = (
            " ".join(str(error).split())[:200]
            if Path(name).is_dir()
            else "no such folder, and no such model on the Hugging Face hub, or no way to reach it"
        )
        remedy = "give a folder with config.json, preprocessor_config.json and weights"
        raise WavuError(f"cannot load {what}: {cause}; {remedy}{instead and f', or {instead}'}") from error


def _from_disk_or_hub(name: str, read: Callable[[bool], Loaded]) -> Loaded:
    from huggingface_hub import HfApi

    try:
        return read(True)
    except OSError:
        if Path(name).is_dir():
            raise
    HfApi().model_info(name, timeout=ANSWER_SECONDS)  # asked once: where there is no way to it, downloads retry for a minute
    say(f"{name} comes from the Hugging Face hub, once")
    return read(False)
