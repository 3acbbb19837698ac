"""The path for recordings of people, killed again and again: what it ends with is what it would have ended with."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from wavu.demo import make_corpus
from wavu.store import PARTIAL

SHARED = Path(__file__).parents[2] / "shared"
FEW = {
    "decipher_segments": ["reading.sentences=60", "reading.speakers=['','+f2']", "reading.turns=5"],
    "self_train": ["gaussians.turns=2", "student=head", "student.training.updates=200", "student.validation.every=40"],
}


def invented(folder: Path) -> dict[str, list[str]]:
    """What prepare_audio and prepare_text are given: recordings of an invented language."""
    make_corpus(folder, seed=3, utterances=60, held_out=2, sentences=400, lexicon=40, voices=2, words_per_minute=140)
    return {
        "prepare_audio": [f"audio_dir={folder}/audio", "encoder=mfcc", "kmeans.clusters=32"],
        "prepare_text": [f"text={folder}/sentences.txt", "language=es"],
    }


def of_people(folder: Path) -> dict[str, list[str]]:
    """The same of 100 recordings of a person, and a real encoder."""
    encoder, recordings = SHARED / "encoders" / "whisper-base", SHARED / "data" / "ljspeech-mini" / "audio"
    if not (encoder.is_dir() and recordings.is_dir()):
        pytest.skip("no recordings of people and no encoder beside this folder")
    (folder / "audio").mkdir(parents=True)
    for path in sorted(recordings.iterdir())[:100]:
        (folder / "audio" / path.name).symlink_to(path)
    return {
        "prepare_audio": [f"audio_dir={folder}/audio", f"encoder={encoder}"],
        "prepare_text": [f"text={SHARED}/data/text/en-ljspeech-unpaired.txt", "language=en-us"],
    }


def commands(given: dict[str, list[str]], corpus: Path, out: Path) -> list[list[str]]:
    """The whole path, its results in folders of ``out``."""
    both = [f"audio={out}/audio", f"text={out}/text"]
    return [
        ["prepare_audio", *given["prepare_audio"], "segment=change", f"out_dir={out}/audio"],
        ["prepare_text", *given["prepare_text"], f"out_dir={out}/text"],
        ["decipher_segments", *both, *FEW["decipher_segments"], f"out_dir={out}/found"],
        ["self_train", *both, *FEW["self_train"], f"gan={out}/found", f"out_dir={out}/model"],
        ["transcribe", f"{corpus}/audio", f"model={out}/model", f"out={out}/hypotheses.tsv"],
    ]


def run(command: list[str], kill_after: float | None = None) -> float:
    """Run a command to its end, or kill it; the seconds it took."""
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-m", f"wavu.{command[0]}", *command[1:]], stderr=subprocess.DEVNULL) as process:
        try:
            assert process.wait(timeout=kill_after) == 0, command
        except subprocess.TimeoutExpired:
            process.kill()
    return time.monotonic() - began


def results(out: Path) -> dict[str, bytes]:
    """All files but those that name folders or times, and what a killed command had begun to write."""
    passing = {"stage.json", "frontend.json"}
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name not in passing and not path.name.endswith(PARTIAL)
    }


@pytest.mark.slow
@pytest.mark.timeout(5400)
@pytest.mark.parametrize(("make", "kills"), [(invented, 5), (of_people, 2)])
def test_the_whole_path_killed_at_random_moments_ends_alike(make, kills: int, tmp_path: Path) -> None:
    """Each command is killed up to ``kills`` times."""
    given, chance, killed = make(tmp_path / "corpus"), np.random.default_rng(), 0
    once, again = tmp_path / "once", tmp_path / "again"
    for one, other in zip(*(commands(given, tmp_path / "corpus", out) for out in (once, again)), strict=True):
        seconds = run(one)
        for moment in chance.uniform(0, seconds, kills):
            killed += run(other, kill_after=moment) >= moment
        run(other)
    assert killed > kills
    expected, found = results(once), results(again)
    assert expected.keys() == found.keys()
    assert not [name for name in expected if expected[name] != found[name]]
