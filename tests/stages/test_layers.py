"""The command on a planted encoder whose layers know the toy language more or less: what it leaves, says and refuses."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from tests.gan.toy import PHONES, toy_speech, write_text_folder
from wavu import choose_layer
from wavu.audio.shards import Encoded
from wavu.command import composed
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.settings.choose_layer import ChooseLayer
from wavu.stages import layers
from wavu.store import read_json, read_table

UTTERANCES, FRAMES, DIM = 150, 4, 8  # frames per segment of the toy
NOISE = {1: 0.9, 2: 0.4, 3: 6.0}  # of each layer: the second knows the phones best, the third knows nothing


def write_speech(folder: Path) -> None:
    """Recordings of which every frame of 20 ms has the loudness of its phone."""
    folder.mkdir()
    for name, phones in enumerate(toy_speech(UTTERANCES, 0)[1]):
        loudness = np.repeat((phones + 1) / 10, FRAMES * 320)
        sign = 1 - 2 * (np.arange(len(loudness)) % 2)
        soundfile.write(folder / f"{name:03d}.wav", loudness * sign, 16_000, subtype="FLOAT")


class Planted:
    """An encoder of three layers that hears the loudness."""

    layers, dim = list(NOISE), DIM * len(NOISE)

    def __init__(self) -> None:
        self.calls = 0
        self.means = np.random.default_rng(0).normal(size=(len(PHONES), DIM))

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        self.calls += 1
        return [self.frames(waveform) for waveform in waveforms]

    def frames(self, waveform: np.ndarray) -> np.ndarray:
        rng, n = np.random.default_rng(len(waveform)), (len(waveform) - 80) // 320
        phones = np.rint(np.abs(waveform[: n * 320]).reshape(n, 320).mean(1) * 10).astype(int) - 1
        layers = [self.means[phones] + noise * rng.normal(size=(n, DIM)) for noise in NOISE.values()]
        return np.concatenate(layers, axis=1).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_speech(folder / "audio")
    write_text_folder(folder / "text")
    return folder


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Planted:
    planted = Planted()
    monkeypatch.setattr(layers, "load_encoder", lambda **settings: planted)
    return planted


def settings(corpus: Path, out_dir: Path, *changes: str) -> ChooseLayer:
    given = [
        f"audio_dir={corpus / 'audio'}", f"text={corpus / 'text'}", f"out_dir={out_dir}", "encoder.model=planted", "vad=none",
        "shard_minutes=2", "max_clipped=1.0", "kmeans.clusters=18", "decipher.matching.restarts=2", "decipher.matching.steps=80",
        "decipher.matching.longest_silence=5", "decipher.search.frames_per_phone=[5.0]", "decipher.search.rounds=1",
        "decipher.silence_probability=[0.25]", "repeats=1",
    ]  # fmt: skip
    names = [change.split("=")[0] for change in changes]
    given = [setting for setting in given if setting.split("=")[0] not in names]
    return composed("choose_layer", ChooseLayer, [*given, *changes])


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(layers, "say", said.append)
    return said


def test_the_layer_that_knows_most_is_recommended(corpus: Path, tmp_path: Path, encoder: Planted, say: list[str]) -> None:
    out_dir = tmp_path / "layers"
    choose_layer.work(settings(corpus, out_dir))
    rows = {row["layer"]: float(row["score"]) for row in read_table(out_dir / "scores.tsv", layers.COLUMNS)}
    assert list(rows) == ["mfcc", "1", "2", "3"] and rows["2"] > rows["1"] > rows["3"]
    counts = read_json(out_dir / "stage.json")["counts"]
    assert counts["layers"] == 3 and counts["utterances"] == UTTERANCES and counts["skipped"] == 0
    best = max(rows, key=rows.__getitem__)
    assert counts["chosen"] == best
    assert any(line.endswith("give wavu.prepare_audio encoder=planted encoder.layer=2") for line in say)
    assert any("encoder=mfcc" in line for line in say) == (best == "mfcc")
    assert imread(out_dir / "layers.png").shape[2] >= 3
    assert sorted(path.name for path in out_dir.iterdir()) == ["layers.png", "scores.tsv", "stage.json"]
    choose_layer.work(settings(corpus, out_dir))
    assert say[-1] == f"{out_dir} is complete"


def test_a_score_is_the_mean_of_its_repeats(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([(1.0, ""), (4.0, "collapsed"), (1.0, "")])
    monkeypatch.setattr(layers, "_deciphered", lambda *_: dict(zip(("score", "suspected_failed"), next(told), strict=True)))
    row = layers._scores(None, [], None, settings(corpus, tmp_path, "repeats=3"), lambda note: None)
    assert row == {"score": 2.0, "spread": pytest.approx(2**0.5), "suspected_failed": "collapsed"}


def row(layer: str, score: float, spread: float = 0.01, why: str = "") -> dict:
    return {"layer": layer, "score": score, "spread": spread, "suspected_failed": why}


def recommended(say: list[str], *rows: dict) -> str:
    layers.recommend(list(rows), "m")
    return "\n".join(say)


def test_a_layer_that_is_better_is_named_alone(say: list[str]) -> None:
    assert recommended(say, row("mfcc", 0.2), row("1", 0.5), row("2", 0.9)) == (
        "layer 2 scores 0.900, the best of the layers: give wavu.prepare_audio encoder=m encoder.layer=2"
    )


def test_layers_that_are_alike_are_not_ordered(say: list[str]) -> None:
    told = recommended(say, row("mfcc", 0.2), row("1", 0.5), row("2", 0.89, 0.03), row("3", 0.9))
    assert told.startswith("as good as layer 3, as far as this can tell: 2\n")


def test_where_nothing_is_deciphered_the_order_is_said_to_mean_little(say: list[str]) -> None:
    told = recommended(say, row("mfcc", 1.0), row("1", 0.5), row("2", 0.9, why="phone order unlike the text's"))
    assert "warning: even layer 2 was not deciphered (phone order unlike the text's)" in told
    assert told.endswith("but MFCC, which need no model, score 1.000: encoder=mfcc")


def test_mfcc_that_are_hardly_better_are_said_to_be(say: list[str]) -> None:
    assert "no better" in recommended(say, row("mfcc", 0.91, 0.05), row("1", 0.9))


def test_a_kill_costs_one_layer(corpus: Path, tmp_path: Path, encoder: Planted, say: list[str], monkeypatch) -> None:
    seen: list[np.ndarray] = []

    def killed(frames: Ragged, *rest: object) -> dict:
        seen.append(frames)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return {name: float(len(seen)) for name in layers.COLUMNS if name != "layer"}

    monkeypatch.setattr(layers, "_scores", killed)
    config = settings(corpus, tmp_path / "layers", "minutes=1.5", "keep_frames=true", "shard_minutes=0.5")
    with pytest.raises(KeyboardInterrupt):
        choose_layer.work(config)
    calls = encoder.calls
    assert calls > 2 and len(seen) == 3
    choose_layer.work(config)
    assert (
        encoder.calls == calls and len(seen) == 5 and np.array_equal(seen[2].flat, seen[3].flat)
    )  # the third layer again, then the last
    shards = [Encoded.read(folder) for folder in sorted((tmp_path / "layers" / "encoded").iterdir())]
    assert 80 < sum(row["end"] - row["start"] for shard in shards for row in shard.kept) < 95


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("audio_dir=nowhere", "nowhere is not a folder"),
        ("text=nowhere", "nowhere does not exist; run python -m wavu.prepare_text"),
        ("min_seconds=30", "none of the recordings is of use"),
        ("kmeans.clusters=32767", "frames of speech cannot make 32767 clusters"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    change: str, told: str, corpus: Path, tmp_path: Path, encoder: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WavuError, match=told):
        choose_layer.work(settings(corpus, tmp_path / "layers", "minutes=0.2", change))
    assert not (tmp_path / "layers").exists()


def test_a_model_that_cannot_be_had_is_told_before_anything_is_written(corpus: Path, tmp_path: Path) -> None:
    config = settings(corpus, tmp_path / "layers")
    with pytest.raises(WavuError, match="cannot load the encoder planted"):
        choose_layer.work(config)
    assert not (tmp_path / "layers").exists()
