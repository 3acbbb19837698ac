"""Folders of the toy language for gan_train and its parts."""

from pathlib import Path

import numpy as np
import pytest

from tests.gan.toy import FRAMES, spoil, toy_speech, write_audio_folder, write_text_folder
from tests.stages.toy_gan import UTTERANCES
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.stages import gan
from wavu.store import write_tensors


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``audio`` and ``text`` of the toy language, as the commands before leave them; nobody writes there."""
    folder = tmp_path_factory.mktemp("toy")
    write_text_folder(folder / "text")
    write_audio_folder(folder / "audio", UTTERANCES, 0)
    return folder


@pytest.fixture
def folders(made: Path, tmp_path: Path) -> Path:
    """The same beside a place to write."""
    for name in ("audio", "text"):
        (tmp_path / name).symlink_to(made / name)
    return tmp_path


@pytest.fixture
def deciphered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a phone HMM with 15 % wrong segments would say, and the match before it with 30 %."""

    def decipher(speech: Speech, text: Text, folder: Path, **settings: object) -> None:
        for name, share in (("labels", 0.15), ("matched", 0.3)):
            labels = spoil(toy_speech(UTTERANCES, 0)[1], share, 3)
            Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES).write(folder, name)
        write_tensors(folder / "hmm.safetensors", {}, {"silence": {"probability": 0.25, "before": 1.0, "after": 1.0}})

    monkeypatch.setattr(gan, "write_decipherment", decipher)
