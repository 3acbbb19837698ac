"""Models by the name of a folder or of a model on the Hugging Face hub: one door, one message.

A model that somebody else made is data: its weights are read as safetensors, and code that it brings is never run.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wavu.errors import WavuError
from wavu.progress import say

ANSWER_SECONDS = 10.0
INDEX = "model.safetensors.index.json"
SAFE = ("model.safetensors", INDEX)
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
Loaded = TypeVar("Loaded")

_trusted = False


@contextmanager
def trusting(pickles: bool) -> Iterator[None]:
    """Within the block, weights that are pickled are read too, where ``pickles`` says so."""
    global _trusted
    before, _trusted = _trusted, pickles
    try:
        yield
    finally:
        _trusted = before


@dataclass(frozen=True)
class Source:
    """A folder or a name on the hub, as classes of transformers open it. offline: from the folder or the hub's cache alone."""

    name: str
    offline: bool = True

    def config(self) -> Any:
        """The configuration, an instance of the class that transformers has for it.

        Raises:
            OSError: there is none. WavuError: it is of a kind that only code beside it knows.
        """
        from transformers import AutoConfig

        return self.open(AutoConfig)

    def extractor(self) -> Any:
        """The feature extractor; raises as :meth:`config` does."""
        from transformers import AutoFeatureExtractor

        return self.open(AutoFeatureExtractor)

    def network(self, kind: Any, **how: object) -> Any:
        """Weights in a network of a ``kind`` of transformers. how: to open it.

        Raises:
            OSError: there is none. WavuError: the weights are pickled, or the kind is one that only code beside them knows.
        """
        named = getattr(self.config(), "transformers_weights", None)  # a file that transformers takes before all others
        if named and not named.endswith((".safetensors", INDEX)) and not _trusted:
            raise WavuError(_refusal(self.name, named))
        refuse_pickles(Path(self.name))
        return self.open(kind, use_safetensors=None if _trusted else True, **how)

    def open(self, kind: Any, **how: object) -> Any:
        """What ``kind`` reads, such as a tokenizer; raises as :meth:`config` does."""
        try:
            return kind.from_pretrained(self.name, local_files_only=self.offline, trust_remote_code=False, **how)
        except ValueError as error:
            if "trust_remote_code" not in str(error):
                raise
            raise WavuError(
                f"{self.name} brings code of its own (auto_map), which wavu never runs; give a model of a kind that transformers knows"
            ) from error


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder whose weights are pickled; one that is none passes, and so do pickles beside safetensors, which nobody opens.

    Raises:
        WavuError: they are, and nobody trusts them.
    """
    if not _trusted and (pickle := _pickled(folder)):
        raise WavuError(_refusal(str(folder), pickle))


def _pickled(folder: Path) -> str | None:
    """The pickle that a folder has in place of safetensors."""
    if (folder / INDEX).is_file() and not (folder / SAFE[0]).is_file():
        parts = json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()
        return next((part for part in parts if not part.endswith(".safetensors")), None)
    if any((folder / name).is_file() for name in SAFE):
        return None
    return next((path.name for pattern in PICKLES for path in sorted(folder.glob(pattern))), None)


def _refusal(name: str, pickle: str) -> str:
    return (
        f"{name} has pickled weights ({pickle}), and a pickle can run any code when it is read; convert it to safetensors "
        "(save_pretrained of transformers does), or add trust_pickle=true if you trust whoever made it"
    )


def load(name: str, read: Callable[[Source], Loaded], *, what: str, instead: str = "") -> Loaded:
    """What ``read`` makes of a folder, of the hub's cache, or else of the hub.

    what: is loaded, instead: what else would do, in words for the message.

    Raises:
        WavuError: there is no such folder or model, it is damaged, or of another kind; or ``read`` says what is wrong.
    """
    try:
        return _from_disk_or_hub(name, read)
    except WavuError:
        raise
    except Exception as error:  # the loaders raise all kinds, and the remedy is the same
        if "use_safetensors" in str(error):  # what transformers says of a model on the hub that has none
            raise WavuError(_refusal(name, "pytorch_model.bin")) from error
        cause = (
            " ".join(str(error).split())[:200]
            if Path(name).is_dir()
            else "no such folder, and no such model on the Hugging Face hub, or no way to reach it"
        )
        remedy = "give a folder with config.json, preprocessor_config.json and weights"
        raise WavuError(f"cannot load {what}: {cause}; {remedy}{instead and f', or {instead}'}") from error


def _from_disk_or_hub(name: str, read: Callable[[Source], Loaded]) -> Loaded:
    from huggingface_hub import HfApi

    try:
        return read(Source(name))
    except OSError:
        if Path(name).is_dir():
            raise
    HfApi().model_info(name, timeout=ANSWER_SECONDS)  # asked once: where there is no way to it, downloads retry for a minute
    say(f"{name} comes from the Hugging Face hub, once")
    return read(Source(name, offline=False))
