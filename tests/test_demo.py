"""The whole chain through the public commands, on a language small enough for a minute."""

import csv
import importlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from wavu import demo
from wavu.command import composed
from wavu.errors import WavuError
from wavu.invent.speech import VOICES
from wavu.settings.path import Demo
from wavu.store import read_json

SIZES = ["demo.utterances=400", "demo.sentences=1500", "demo.lexicon=80"]
TINY_GAN = '"batch_size=16","discriminator.channels=16"'
SHORT = [
    f'stages.cold_gan=["recipe=wav2vec_u","updates=20","validation.every=20",{TINY_GAN}]',
    f'stages.gan_train=["updates=40","validation.every=20",{TINY_GAN},"decipher.search.rounds=2"]',
    'stages.self_train=["gaussians.turns=2","student.training.updates=300","student.training.batch_seconds=15"]',
]


def test_a_language_is_learned_from_speech_and_text_that_do_not_belong_together(tmp_path: Path) -> None:
    out_dir = tmp_path / "demo"
    command = [sys.executable, "-m", "wavu.demo", f"out_dir={out_dir}", "seed=0", *SIZES, *SHORT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr
    report = read_json(out_dir / "report.json")
    assert report["per"] < 0.15 and report["per_by_stage"]["cold_gan"] > 0.5
    stages = ["cold_gan", "matching", "hmm", "gan", "self_trained", "lessons", "student"]
    assert list(report["per_by_stage"]) == stages and report["per"] == report["per_by_stage"]["student"]
    assert report["held_out"]["per"] < 0.2 and report["held_out"]["wer"] < 0.5
    assert report["suspected_failed"] is None and report["seed"] == 0
    assert sum(report["seconds_by_stage"].values()) == pytest.approx(report["seconds"], abs=1)
    assert "self_train" in done.stdout and "PER" in done.stdout
    # What is heard, what is read and what the end is scored on have no sentence in common.
    spoken, new = (sentences(out_dir / "corpus" / name) for name in (".", "held_out"))
    written = (out_dir / "corpus" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    assert len(spoken) == 400 and len(written) == 1500 and len(new) == 100
    assert not spoken & set(written) and not new & (spoken | set(written))


def sentences(folder: Path) -> set[str]:
    with open(folder / "references.tsv", encoding="utf-8") as file:
        return {row["text"] for row in csv.DictReader(file, delimiter="\t")}


TINY = {
    "prepare_audio": ["encoder=mfcc", "segment=ward", "kmeans.clusters=32", "shard_minutes=1"],
    "prepare_text": [],
    "cold_gan": [],
    "gan_train": ["sweep=rates", "members=3", "updates=8", "validation.every=4", "batch_size=8", "discriminator.channels=8", "decipher.search.rounds=1",
                  "decipher.search.iterations=2", "decipher.matching.restarts=1"],
    "self_train": ["hmm.iterations=1", "gaussians.turns=1", "student.training.updates=12", "student.validation.every=4",
                   "student.network.width=32", "student.network.layers=1"],
}  # fmt: skip


def test_no_number_that_chooses_tunes_or_stops_has_seen_what_was_really_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole chain twice, the second time with garbage for truth: everything is the same to the last bit but the scores."""
    runs = [tmp_path / "true", tmp_path / "garbage"]
    demo.make_corpus(
        runs[0] / "corpus", seed=3, utterances=60, held_out=5, sentences=300, lexicon=40, voices=1, words_per_minute=130
    )
    shutil.copytree(runs[0] / "corpus", runs[1] / "corpus")
    for folder in (runs[1] / "corpus", runs[1] / "corpus" / "held_out"):
        for name in ("references.tsv", "alignments.tsv"):
            lines = (folder / name).read_text(encoding="utf-8").splitlines()
            spoilt = [line.rsplit("\t", 1)[0] + "\tla" * (number > 0) for number, line in enumerate(lines)]
            (folder / name).write_text("\n".join([lines[0], *spoilt[1:]]) + "\n", encoding="utf-8")
    found = []
    for run in runs:
        for stage, (name, *arguments) in demo.commands(run, 0, TINY).items():
            if stage == "cold_gan":
                continue
            monkeypatch.setattr(sys, "argv", [name, *arguments])
            importlib.import_module(f"wavu.{name}").main()
        chosen = {path.relative_to(run): path.read_bytes() for kind in KINDS for path in run.glob(kind)}
        counts = {path.parent.name: read_json(path)["counts"] for path in run.glob("*/stage.json")}
        counts["gan"].pop("member_updates_per_second")
        found.append((chosen, counts, read_json(run / "evaluation.json")["rates"]["PER"]["rate"]))
    (chosen, counts, rate), (same, again, other) = found
    assert len(chosen) > 12 and chosen.keys() == same.keys()
    assert not [path for path in chosen if chosen[path] != same[path]]
    assert counts == again and counts["model"]["student"]["updates"] == 12
    assert rate != other


KINDS = [
    "*/*.safetensors",
    "*/*/*.safetensors",
    "*/*.npy",
    "*/scores.tsv",
    "model/words/words.json",
    "hypotheses.tsv",
    "times.tsv",
]


def test_two_voices_take_turns(tmp_path: Path) -> None:
    total = demo.make_corpus(
        tmp_path / "corpus", seed=1, utterances=6, held_out=2, sentences=10, lexicon=40, voices=2, words_per_minute=130
    )
    files = sorted((tmp_path / "corpus" / "audio").glob("*.wav"))
    assert [path.stem for path in files] == [f"{index:05d}" for index in range(6)]
    assert len(list((tmp_path / "corpus" / "held_out" / "audio").glob("*.wav"))) == 2
    assert sum(soundfile.info(path).duration for path in files) == pytest.approx(total, abs=0.01)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "corpus" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("five years")
    with pytest.raises(WavuError, match="no demo"):
        demo.main_work(composed("demo", Demo, [f"out_dir={tmp_path}"]))
    assert thesis.read_text() == "five years"


@pytest.mark.parametrize("voices", [0, len(VOICES) + 1])
def test_a_refused_setting_costs_no_earlier_demo(tmp_path: Path, typed: Callable[..., tuple[int, str]], voices: int) -> None:
    (tmp_path / demo.MARK).write_text("{}")
    (tmp_path / "report.json").write_text("{}")
    code, told = typed(demo, f"out_dir={tmp_path}", f"demo.voices={voices}")
    assert code == 1 and f"demo.voices={voices} must be at" in told
    assert (tmp_path / "report.json").exists()
