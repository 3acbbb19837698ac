"""A finished run with one damaged file: every later command ends well, or in one line that names the file and the remedy."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from wavu import decipher_segments, evaluate, export, gan_train, prepare_audio, prepare_text, report, self_train, transcribe
from wavu.demo import make_corpus

CORPUS = {"seed": 3, "utterances": 16, "held_out": 2, "sentences": 200, "lexicon": 20, "voices": 1, "words_per_minute": 140}
TINY = {
    prepare_audio: ("encoder=mfcc", "segment=change", "kmeans.clusters=8", "pca.dim=16", "shard_minutes=0.3"),
    prepare_text: ("language=es",),
    decipher_segments: (
        "voice=none", "search.clusters=8", "search.clusterings=1", "search.restarts=2", "search.steps=20", "search.tried=1",
        "search.trial_rounds=1", "rounds.counts=1", "classifier.dims=8",
    ),
    gan_train: (
        "members=2", "updates=2", "validation.every=2", "batch_size=4", "decipher=quick", "decipher.search.rounds=1",
        "decipher.search.iterations=1",
    ),
    self_train: ("gaussians.turns=1", "hmm.iterations=1", "tuning.utterances=4", "tuning.words.acoustic_scale=[0.1]"),
    report: ("examples=1", "seconds=1"),
}  # fmt: skip
STUDENT = ("student=small", "student.training.updates=2", "student.validation.every=1")
NONE = ("student=none",)
HOW = ("cut", "emptied", "deleted", "flipped", "flipped", "flipped")


def typed(command: ModuleType, *given: object) -> int:
    """A command as somebody types it, with tiny settings; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRA_FULL_ERROR", "1")  # or Hydra would tell of a traceback and exit
        patch.setattr(sys, "argv", [command.__name__, *TINY.get(command, ()), *map(str, given)])
        try:
            command.main()
        except SystemExit as stop:
            return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``audio``, ``text``, ``found``, ``gan``, ``model`` (with a student) and ``hmm`` (without) of an invented language, in seconds."""
    run = tmp_path_factory.mktemp("finished") / "run"
    make_corpus(run / "corpus", **CORPUS)
    both = (f"audio={run}/audio", f"text={run}/text")
    for command, *given in (
        (prepare_audio, f"audio_dir={run}/corpus/audio", f"out_dir={run}/audio"),
        (prepare_text, f"text={run}/corpus/sentences.txt", f"out_dir={run}/text"),
        (decipher_segments, *both, f"out_dir={run}/found"),
        (gan_train, *both, f"out_dir={run}/gan"),
        (self_train, *both, f"gan={run}/found", f"out_dir={run}/model", *STUDENT),
        (self_train, *both, f"gan={run}/gan", *NONE, f"out_dir={run}/hmm"),
        (transcribe, f"{run}/corpus/audio", f"model={run}/hmm", f"out={run}/corpus/hypotheses.tsv"),
        (transcribe, next((run / "corpus" / "audio").iterdir()), f"model={run}/model"),  # leaves the graph of words
    ):
        assert typed(command, *given) == 0
    return run


def readers(run: Path, part: str, out: Path) -> list[tuple]:
    """The commands that read a folder of a run, each with what it is given."""
    wave, corpus = next((run / "corpus" / "audio").iterdir()), run / "corpus"
    both = (f"audio={run}/audio", f"text={run}/text", f"out_dir={out}")
    learn = {
        "decipher": (decipher_segments, *both),
        "gan": (gan_train, *both),
        "again": (gan_train, *both, f"self_trained={run}/hmm"),
        "of gan": (self_train, *both, f"gan={run}/gan", "voters=2", *NONE),
        "of found": (self_train, *both, f"gan={run}/found", *STUDENT),
        "report": (report, f"run={run}", f"out={out}", f"references={corpus}/references.tsv"),
        "evaluate": (
            evaluate, f"hypotheses={corpus}/hypotheses.tsv", f"references={corpus}/references.tsv", f"text={run}/text", "bootstrap.resamples=10",
        ),
        "export": (export, f"model={run}/{part}", f"out={out}"),
        "transcribe": (transcribe, wave, f"model={run}/{part}", f"out={out}"),
    }  # fmt: skip
    names = {
        "audio": ["decipher", "gan", "of found", "report"],
        "text": ["decipher", "gan", "of gan", "report", "evaluate"],
        "found": ["of found", "report"],
        "gan": ["of gan", "transcribe"],
        "model": ["transcribe", "export", "report"],
        "hmm": ["again", "transcribe"],
    }
    return [learn[name] for name in names[part]]


def damaged(path: Path, how: str, chance: np.random.Generator) -> None:
    """Do to a file what a full disk, a careless hand or a bad sector does."""
    content = bytearray(path.read_bytes())
    if how == "deleted" or not content:
        path.unlink()
        return
    if how == "flipped":
        content[chance.integers(len(content))] ^= 1 << int(chance.integers(8))
    path.write_bytes({"cut": content[: len(content) // 2], "emptied": b"", "flipped": content}[how])


def content(run: Path) -> dict[Path, bytes]:
    """Every file, but the graphs of words, which are made again where one cannot be read."""
    return {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.suffix != ".fst"}


def drawn(finished: Path, run: Path, *, draws: int, seed: int, each: bool) -> Iterator[tuple[Path, str, list[tuple]]]:
    """A copy of the run with one damaged file, again and again: the file, what was done to it, and commands that read it.

    each: whether all of them, or one drawn by chance.
    """
    chance = np.random.default_rng(seed)
    parts = ("audio", "text", "found", "gan", "model", "hmm")
    files = sorted(path.relative_to(finished) for part in parts for path in (finished / part).rglob("*") if path.is_file())
    shutil.copytree(finished, run)
    for _ in range(draws):
        name, how = files[chance.integers(len(files))], HOW[chance.integers(len(HOW))]
        damaged(run / name, how, chance)
        commands = readers(run, name.parts[0], run.parent / "out")
        yield run / name, how, commands if each else [commands[chance.integers(len(commands))]]
        shutil.copyfile(finished / name, run / name)


@pytest.mark.parametrize(
    ("draws", "seed", "each"), [(25, 0, False), pytest.param(100, 1, True, marks=pytest.mark.slow)], ids=["some", "many"]
)
def test_one_damaged_file_is_told_of_in_one_line(
    draws: int, seed: int, each: bool, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out, wrong = tmp_path / "run", tmp_path / "out", []
    for path, how, commands in drawn(finished, run, draws=draws, seed=seed, each=each):
        before = content(run)
        for command, *given in commands:
            what = complaint(command, given, path, run, capsys) or ("" if content(run) == before else "changed what it read")
            wrong += [f"{how} {path.relative_to(run)}: {command.__name__} {what}"] if what else []
            shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    assert not wrong, "\n".join(wrong)


def complaint(command: ModuleType, given: list, path: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is wrong with how a command ends; nothing where it ends well, or in one line with a path and a remedy."""
    capsys.readouterr()
    try:
        code = typed(command, *given)
    except Exception as error:
        return f"ends in {type(error).__name__}: {error}"
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    if code and not (len(said) == 1 and (str(run) in said[0] or path.name in said[0]) and re.search("; |: run ", said[0])):
        return f"says {said}"
    return ""
