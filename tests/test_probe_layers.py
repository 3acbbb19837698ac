"""The oracle itself: a planted layer that carries phones, one that is noise; ranks of scores; what it refuses."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from tests.gan.toy import PHONES, toy_speech
from wavu.audio.shards import Encoded
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.stages.layers import COLUMNS
from wavu.store import write_json, write_table

SCRIPT = Path(__file__).parents[1] / "scripts" / "probe_layers.py"
spec = importlib.util.spec_from_file_location("probe_layers", SCRIPT)
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)

UTTERANCES = 60


def planted() -> tuple[Ragged, list[list[str]]]:
    """Frames (N, 78 + 8 + 8) of MFCC, of a layer that knows the phones and of one that knows nothing; the phones."""
    segments, labels = toy_speech(UTTERANCES, 0, noise=0.5, twice=0.0)
    rng = np.random.default_rng(0)
    frames = np.repeat(segments.flat.astype(np.float32), 3, axis=0)
    noise = rng.normal(size=(len(frames), 86))
    sides = np.concatenate([noise[:, :78], frames, noise[:, 78:]], axis=1).astype(np.float16)
    phones = [[PHONES[phone] for phone in row if phone < len(PHONES) - 1] for row in labels]
    return Ragged(sides, segments.offsets * 3), phones


def part_of(frames: Ragged, columns: slice) -> Ragged:
    return Ragged(frames.flat[:, columns], frames.offsets)


def test_a_layer_that_carries_phones_is_told_from_noise_and_one_seed_is_one_answer() -> None:
    frames, phones = planted()
    losses: list[float] = []
    settings = {"phones": PHONES[:-1], "seed": 0}
    knows = script.probe(part_of(frames, slice(78, 86)), phones, **settings, report=losses.append)
    noise = script.probe(part_of(frames, slice(86, 94)), phones, **settings)
    assert knows < 0.15 and noise > 0.5
    assert losses[-1] < 0.3 * losses[0]
    assert script.probe(part_of(frames, slice(78, 86)), phones, **settings) == knows


def test_what_is_scored_was_not_learned() -> None:
    frames, phones = planted()
    shuffled = [phones[row] for row in np.random.default_rng(3).permutation(UTTERANCES)]
    assert script.probe(part_of(frames, slice(78, 86)), shuffled, phones=PHONES[:-1], seed=0) > 0.5


def write_layers(folder: Path) -> dict[str, list[str]]:
    """What choose_layer leaves with keep_frames; the true phones."""
    frames, phones = planted()
    for shard in range(2):
        rows = np.arange(shard, UTTERANCES, 2)
        kept = [{"id": f"u{row}"} for row in rows]
        Encoded(kept, [], frames.take(rows), Ragged.of([np.zeros((1, 2))] * len(rows), np.float32)).write(
            folder / "encoded" / f"{shard:05d}"
        )
    scores = {"mfcc": 0.1, "1": 0.9, "2": 0.05}
    table = [dict.fromkeys(COLUMNS, 1.0) | {"layer": name, "score": score, "known": -score} for name, score in scores.items()]
    write_table(folder / "scores.tsv", table, COLUMNS)
    write_json(folder / "stage.json", {"command": "choose_layer", "config": {"seed": 0}, "inputs": {}, "counts": {}})
    return {f"u{row}": phones[row] for row in range(UTTERANCES)}


def test_every_layer_is_probed_and_its_scores_are_ranked(tmp_path: Path) -> None:
    true = write_layers(tmp_path)
    rows = script.probed(tmp_path, {name: row for name, row in true.items() if name != "u5"})
    rates = {row["layer"]: row["per"] for row in rows}
    assert rates["1"] < 0.15 and min(rates["mfcc"], rates["2"]) > 0.5
    ranks = script.correlations(rows)
    assert ranks["score"] <= -0.5 and ranks["known"] == -ranks["score"] and np.isnan(ranks["order"])
    console = Console(file=io.StringIO(), width=100)
    console.print(script.summary(rows))
    title, *lines = console.file.getvalue().splitlines()
    assert "…" not in title and [line.split()[0] for line in lines] == ["mfcc", "1", "2", "rank"]


def test_mistakes_are_told(tmp_path: Path) -> None:
    true = write_layers(tmp_path)
    with pytest.raises(WavuError, match="9 of the 60 utterances of .* are transcribed, too few"):
        script.probed(tmp_path, dict(list(true.items())[:9]))
    for file in (tmp_path / "encoded").rglob("*"):
        if file.is_file():
            file.unlink()
    for folder in (tmp_path / "encoded").iterdir():
        folder.rmdir()
    with pytest.raises(WavuError, match="holds no frames; run wavu.choose_layer again with keep_frames=true"):
        script.probed(tmp_path, true)
