"""Recordings in, codes and pictures out: what is left, what is refused, what is not done twice."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.image import imread
from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForPreTraining

from wavu import codebook
from wavu.audio.read import read_audio
from wavu.hub import Source
from wavu.prepared import Codes
from wavu.pretraining.codes import Quantiser, read
from wavu.store import read_json, read_table, write_table

SIZES = {
    "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": (8,) * 7,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip
BOOKS = {"codevector_dim": 8, "proj_codevector_dim": 8, "num_codevectors_per_group": 20, "num_codevector_groups": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    Wav2Vec2ForPreTraining(Wav2Vec2Config(**SIZES, **BOOKS, feat_extract_norm="layer")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def speak(path: Path, seconds: float, seed: int, pitches: tuple[float, float]) -> None:
    """Tones between two pitches that change like phones do."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * 16_000)) / 16_000
    pitch = np.repeat(rng.uniform(*pitches, 99), 1_600)[: len(time)]
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * pitch * time) + rng.normal(0, 0.01, len(time)), 16_000)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Three languages, two of which sound alike; one has a long recording and one that is broken."""
    folder = tmp_path_factory.mktemp("world")
    for language, pitches in (("north", (200, 900)), ("south", (220, 1_000)), ("far", (4_000, 7_000))):
        for index in range(4):
            speak(folder / language / "ab"[index % 2] / f"{index}.wav", 1.0 + 0.1 * index, index, pitches)
    speak(folder / "far" / "long.wav", 5.0, 9, (4_000, 7_000))
    (folder / "far" / "broken.wav").write_bytes(b"RIFFxxxx")
    return folder


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(typed, codebook)


def test_codes_lie_beside_ids_and_times(model: Path, world: Path, tmp_path: Path, run) -> None:
    out_dir = tmp_path / "codes"
    arguments = (f"model={model}", f"audio={world / 'far'}", f"out_dir={out_dir}", "max_seconds=2", "shard_minutes=0.05")
    code, told = run(*arguments)
    assert code == 0 and "7 utterances" in told and "1 skipped" in told and "broken.wav" in told
    codes, rows = Codes.read(out_dir), read_table(out_dir / "manifest.tsv", codebook.MANIFEST)
    assert sorted(codes.ids) == ["a/0", "a/2", "b/1", "b/3", "long-000", "long-001", "long-002"]
    assert len(list((out_dir / "shards").iterdir())) == 4
    quantiser = Quantiser(*read(Source(str(model))), batch_seconds=120)
    for row, ours in zip(rows, codes.codes, strict=True):
        waveform = read_audio(row["path"], start=float(row["start"]), end=float(row["end"]))
        theirs = quantiser.encode([waveform])[0]
        assert 0 <= len(theirs) - len(ours) <= 1  # what is left of the last 20 ms is cut off
        assert (ours == theirs[: len(ours)]).mean() > 0.98  # normalised with the rest of them
    counts = read_json(out_dir / "stage.json")["counts"]
    assert counts["frames"] == len(codes.codes.flat) and counts["codebooks"] == 2 and counts["codes"] == 20
    assert 1 < counts["perplexity"][0] <= 20 and counts["joint_perplexity"] <= counts["joint_greatest"] == 400
    usage = read_table(out_dir / "usage.tsv", ["codebook", "code", "a", "b", "."])  # the folders below, and what lies above them
    assert len(usage) == 40 and sum(int(row["a"]) + int(row["b"]) + int(row["."]) for row in usage) == 2 * counts["frames"]
    before = (out_dir / "stage.json").read_bytes()
    code, told = run(*arguments)
    assert code == 0 and "complete" in told and (out_dir / "stage.json").read_bytes() == before


def test_a_run_that_was_stopped_goes_on(model: Path, world: Path, tmp_path: Path, run, monkeypatch) -> None:
    settings = (f"model={model}", f"audio={world / 'far'}", "max_seconds=2", "shard_minutes=0.05")
    heard, encode = [], Quantiser.encode

    def stopped(self: Quantiser, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        heard.append(len(waveforms))
        if len(heard) == 3:
            raise KeyboardInterrupt
        return encode(self, waveforms)

    monkeypatch.setattr(Quantiser, "encode", stopped)
    code, told = run(*settings, f"out_dir={tmp_path / 'stopped'}")
    assert code == 130 and not (tmp_path / "stopped" / "stage.json").exists()
    assert run(*settings, f"out_dir={tmp_path / 'stopped'}")[0] == 0 and len(heard) == 3 + 2  # of four shards, two were there
    assert run(*settings, f"out_dir={tmp_path / 'whole'}")[0] == 0
    for path in (tmp_path / "whole").rglob("*"):
        if path.is_file() and path.name != "stage.json":
            assert (tmp_path / "stopped" / path.relative_to(tmp_path / "whole")).read_bytes() == path.read_bytes()


def test_languages_that_sound_alike_are_neighbours_and_a_new_one_can_join(model: Path, world: Path, tmp_path: Path, run) -> None:
    out_dir = tmp_path / "codes"
    two, three = (",".join(f"{name}:{world / name}" for name in names) for names in (("north", "far"), ("north", "far", "south")))
    assert run(f"model={model}", f"audio={{{two}}}", f"out_dir={out_dir}")[0] == 0
    first = (out_dir / "north" / "stage.json").read_bytes()
    code, told = run(f"model={model}", f"audio={{{three}}}", f"out_dir={out_dir}")
    assert code == 0 and f"{out_dir / 'north'} and {out_dir / 'far'}: complete" in told
    assert (out_dir / "north" / "stage.json").read_bytes() == first
    rows = read_table(out_dir / "languages.tsv", ["language", "frames", "first", "second"])
    place = {row["language"]: np.array([float(row["first"]), float(row["second"])]) for row in rows}
    apart = {name: np.linalg.norm(place["north"] - place[name]) for name in ("south", "far")}
    assert apart["south"] < 0.5 * apart["far"]
    assert imread(out_dir / "languages.png").ndim == 3
    assert list(read_table(out_dir / "usage.tsv", [])[0]) == ["codebook", "code", "north", "far", "south"]
    code, told = run(f"model={model}", f"audio={{{three}}}", f"out_dir={out_dir}", "points=folder")
    assert code == 0 and "7 folders" in told and (out_dir / "folders.png").exists()


def test_a_table_tells_the_speakers(model: Path, world: Path, tmp_path: Path, run) -> None:
    rows = [{"id": str(n), "path": world / "north" / "ab"[n % 2] / f"{n}.wav", "speaker": "xyzx"[n]} for n in range(4)]
    write_table(tmp_path / "list.tsv", rows, ("id", "path", "speaker"))
    code, told = run(f"model={model}", f"audio={tmp_path / 'list.tsv'}", f"out_dir={tmp_path / 'codes'}")
    assert code == 0 and "3 speakers" in told
    assert list(read_table(tmp_path / "codes" / "usage.tsv", [])[0])[2:] == ["x", "y", "z"]


def test_one_language_without_parts_has_no_picture(model: Path, world: Path, tmp_path: Path, run) -> None:
    assert run(f"model={model}", f"audio={world / 'north' / 'a'}", f"out_dir={tmp_path}")[0] == 0
    assert not list(tmp_path.glob("*.png")) and list(read_table(tmp_path / "usage.tsv", [])[0])[2:] == ["frames"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("audio=nowhere",), "nowhere is not a folder"),
        (("audio={}",), "must be a folder or a manifest, or several"),
        (("audio=3",), "3 is not a folder"),
        (("audio=[north]",), "audio=["),
        (("audio={../x:north}",), "cannot name a language"),
        (("audio=north", "points=speaker"), "needs two of them or more"),
        (("audio=north", "points=country"), "points=country is unknown"),
        (("audio=north", "model=nowhere"), "cannot load the model nowhere"),
        (("audio=north", "model=hubert"), "hubert has no codebook"),
        (("audio=broken",), "none of the recordings is of use: unreadable"),
    ],
)
def test_what_cannot_work_is_told_in_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], told: str, model: Path, world: Path, tmp_path: Path, run, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "north").symlink_to(world / "north")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.wav").write_bytes(b"RIFFxxxx")
    HubertModel(HubertConfig(**SIZES)).save_pretrained(tmp_path / "hubert")
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "hubert")
    code, err = run(*(arguments if "model=" in str(arguments) else (f"model={model}", *arguments)), "out_dir=codes")
    assert code == 1 and told in err and "Traceback" not in err and not (tmp_path / "codes").exists()


def test_other_settings_are_not_mixed(model: Path, world: Path, tmp_path: Path, run) -> None:
    both = (f"model={model}", f"audio={world / 'north'}", f"out_dir={tmp_path}")
    assert run(*both)[0] == 0
    code, told = run(*both, "max_seconds=1")
    assert code == 1 and "max_seconds: 40.0 -> 1.0" in told
    assert run(*both, "max_seconds=1", "overwrite=true")[0] == 0
