"""The whole command: what it leaves, what it refuses, and that a kill leaves no trace."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin
from transformers import AutoModel, HubertConfig, Wav2Vec2Config, Wav2Vec2FeatureExtractor, WavLMConfig

from tests.stages.spoken import PLAIN, SMALL, files, prepared, speak
from wavu.audio.dealt import Piece
from wavu.audio.features import cepstra
from wavu.audio.files import Recording
from wavu.audio.frontend import FrontEnd
from wavu.audio.read import read_audio
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.stages.audio import MANIFEST, _sample
from wavu.store import read_json, read_table, read_tensors, write_json, write_table

ARRAYS = ("frames", "units", "segments", "starts", "spans")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for index in range(12):
        speak(folder / "ab"[index % 2] / f"{index}.wav", 1.0 + 0.1 * index, seed=index, rate=(16_000, 22_050)[index % 2])
    return folder


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(prepared, typed)


def test_the_folder_is_what_the_next_stage_opens(corpus: Path, tmp_path: Path, run) -> None:
    out_dir = tmp_path / "out"
    code, told = run(f"audio_dir={corpus}", f"out_dir={out_dir}", "shard_minutes=0.1", *SMALL)
    assert code == 0 and "12 utterances" in told
    speech, rows = Speech.read(out_dir), read_table(out_dir / "manifest.tsv", MANIFEST)
    assert speech.ids == [row["id"] for row in rows] and sorted(speech.ids)[:2] == ["a/0", "a/10"]
    assert len(list((out_dir / "shards").iterdir())) == 4 and not (out_dir / "encoded").exists()
    counts = read_json(out_dir / "stage.json")["counts"]
    assert counts["files"] == 12 and counts["skipped"] == 0 and counts["clusters"] == 8 and counts["dim"] == 78
    assert counts["audio_seconds"] == pytest.approx(18.6, abs=0.01) and counts["speech_seconds"] == pytest.approx(18.6, abs=0.3)
    assert counts["frames"] == len(speech.frames.flat) == sum(int(row["frames"]) for row in rows)
    assert counts["segments"] == len(speech.segments.flat) == sum(int(row["segments"]) for row in rows)
    assert counts["segments_per_second"] == pytest.approx(12, abs=0.5)
    assert {int(unit) for unit in speech.units.flat} <= set(range(8))
    assert run(f"audio_dir={corpus}", f"out_dir={out_dir}", "shard_minutes=0.1", *SMALL) == (0, f"{out_dir} is complete\n")


@pytest.mark.parametrize("settings", [(), ("segment=cluster_runs",), ("segment=stride", "pca.dim=10")])
def test_a_training_file_heard_again_gives_the_same_units(settings: tuple[str, ...], corpus: Path, tmp_path: Path, run) -> None:
    out_dir = tmp_path / "out"
    code, told = run(f"audio_dir={corpus}", f"out_dir={out_dir}", "kmeans.clusters=8", "vad.mode=0", *settings)
    assert code == 0, told
    speech, front = Speech.read(out_dir), FrontEnd.read(out_dir / "frontend")
    for row, name in enumerate(speech.ids):
        kept, spans = front.listen(read_audio(corpus / f"{name}.wav"))
        again = front.segment(front.encode([kept]))
        assert np.array_equal(again.units.flat, speech.units[row])
        assert np.array_equal(again.starts.flat, speech.starts[row])
        assert np.array_equal(spans, Ragged.read(out_dir / "shards" / "00000", "spans")[row])
        assert np.abs(again.segments.flat.astype(np.float32) - speech.segments[row]).max() < 0.01


def test_shards_and_sample_sizes_do_not_lose_or_change_anyone(corpus: Path, tmp_path: Path, run) -> None:
    """Shards beyond the sample are encoded after the fit, never before it."""
    both = []
    for name, settings in (("all", ()), ("few", ("sample.hours=0.001",))):
        code, told = run(f"audio_dir={corpus}", f"out_dir={tmp_path / name}", "shard_minutes=0.05", *SMALL, *settings)
        assert code == 0, told
        both.append(Speech.read(tmp_path / name))
    whole, few = both
    assert whole.ids == few.ids and np.array_equal(whole.frames.offsets, few.frames.offsets)


@pytest.mark.parametrize("vad", ["none", "webrtc"])
def test_targets_are_clusters_of_the_mfcc_beside_each_frame(vad: str, corpus: Path, tmp_path: Path, run) -> None:
    """Against scikit-learn, from the recordings alone; only some of the shards lie in the sample."""
    out_dir = tmp_path / "out"
    settings = (f"vad={vad}", "kmeans.clusters=8", "targets.clusters=16", "shard_minutes=0.05", "sample.hours=0.002")
    code, told = run(f"audio_dir={corpus}", f"out_dir={out_dir}", *settings)
    assert code == 0 and "8 units, 16 targets" in told
    speech, front = Speech.read(out_dir), FrontEnd.read(out_dir / "frontend")
    assert speech.n_targets == 16 and speech.targets.flat.dtype == np.int16
    assert np.array_equal(speech.targets.offsets, speech.frames.offsets)
    kept = [front.listen(read_audio(corpus / f"{name}.wav"))[0] for name in speech.ids]
    rows = [cepstra(waveform).numpy()[::2][:n] for waveform, n in zip(kept, speech.frames.lengths, strict=True)]
    assert np.array_equal(pairwise_distances_argmin(np.concatenate(rows), front.target_centroids), speech.targets.flat)
    frames = np.concatenate(rows)
    distortion = np.square(frames - front.target_centroids[speech.targets.flat]).sum()
    assert distortion < 1.2 * KMeans(16, n_init=3, random_state=0).fit(frames).inertia_


def test_folders_without_targets_are_as_they_were_before_there_were_any(corpus: Path, tmp_path: Path, run) -> None:
    arguments = (f"audio_dir={corpus}", f"out_dir={tmp_path / 'out'}", *SMALL)
    assert run(*arguments)[0] == 0
    shard, record = tmp_path / "out" / "shards" / "00000", read_json(tmp_path / "out" / "stage.json")
    arrays_there = {f"{name}{ending}" for name in ARRAYS for ending in (".npy", ".offsets.npy")}
    assert {path.name for path in shard.iterdir()} == arrays_there | {"rows.json"} and "targets" not in record["counts"]
    assert set(read_tensors(tmp_path / "out" / "frontend" / "frontend.safetensors")[0]) == {"centroids", "mean", "directions"}
    del record["config"]["targets"]
    write_json(tmp_path / "out" / "stage.json", record)
    assert "is complete" in run(*arguments)[1]
    assert "targets.clusters: None -> 8" in run(*arguments, "targets.clusters=8")[1]


FAMILIES = {
    "wav2vec2": Wav2Vec2Config(feat_extract_norm="layer", do_stable_layer_norm=True),
    "hubert": HubertConfig(feat_extract_norm="group"),
    "wavlm": WavLMConfig(feat_extract_norm="layer", do_stable_layer_norm=True),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_folder_gives_its_hidden_states(family: str, corpus: Path, tmp_path: Path, run) -> None:
    config = FAMILIES[family]
    config.update(
        {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32, "conv_dim": [8] * 7}
    )
    config.update({"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2})
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(tmp_path / "model")
    extractor = Wav2Vec2FeatureExtractor(do_normalize=family != "hubert")
    extractor.save_pretrained(tmp_path / "model")
    out_dir = tmp_path / "out"
    arguments = (f"encoder={tmp_path / 'model'}", "encoder.layer=2", "encoder.batch_seconds=4", "keep_frames=true", "pca.dim=8")
    code, told = run(f"audio_dir={corpus}", f"out_dir={out_dir}", *SMALL, *arguments)
    assert code == 0, told
    encoded = Ragged.read(out_dir / "shards" / "00000", "encoded")
    for row, name in enumerate(Speech.read(out_dir).ids):
        waveform = read_audio(corpus / f"{name}.wav")
        values = extractor(waveform[: len(waveform) // 320 * 320], sampling_rate=16_000, return_tensors="pt").input_values
        with torch.no_grad():
            truth = model(values, output_hidden_states=True).hidden_states[2][0].numpy()
        assert np.abs(encoded[row] - truth).max() < 1e-4


@pytest.mark.parametrize("shard_minutes", [0.05, 10])
def test_frames_of_eight_bits_are_nearly_those_of_sixteen(shard_minutes: float, corpus: Path, tmp_path: Path, run) -> None:
    for bits in (16, 8):
        out = (f"out_dir={tmp_path / str(bits)}", f"pca.bits={bits}", f"shard_minutes={shard_minutes}")
        assert run(f"audio_dir={corpus}", *out, *SMALL)[0] == 0
    plain, small = Speech.read(tmp_path / "16"), Speech.read(tmp_path / "8")
    steps = FrontEnd.read(tmp_path / "8" / "frontend").steps
    assert steps is not None and FrontEnd.read(tmp_path / "16" / "frontend").steps is None
    assert small.frames.flat.dtype == np.float16 and (np.abs(plain.frames.flat - small.frames.flat) < 0.52 * steps + 1e-2).all()
    assert not np.array_equal(plain.frames.flat, small.frames.flat)
    for name in ("units", "segments", "starts"):
        assert np.array_equal(getattr(plain, name).flat, getattr(small, name).flat)
    sizes = [sum(path.stat().st_size for path in tmp_path.glob(f"{bits}/shards/*/frames.npy")) for bits in (16, 8)]
    assert sizes[1] < 0.52 * sizes[0] + 128 * len(list(tmp_path.glob("8/shards/*")))


def test_precomputed_frames_need_no_audio(tmp_path: Path, run) -> None:
    rng = np.random.default_rng(0)
    source = tmp_path / "theirs"
    source.mkdir()
    np.save(source / "train.npy", rng.normal(size=(90, 6)).astype(np.float32))
    (source / "train.lengths").write_text("30\n0\n60\n")
    code, told = run(
        "encoder=precomputed", f"encoder.folder={source}", f"out_dir={tmp_path / 'out'}", *SMALL, "segment=cluster_runs"
    )
    assert code == 0 and "no frames" in told
    speech = Speech.read(tmp_path / "out")
    assert speech.ids == ["train-000000", "train-000002"] and speech.frames.lengths.tolist() == [30, 60]


def test_files_of_no_use_are_skipped_with_their_reasons(corpus: Path, tmp_path: Path, run) -> None:
    folder = tmp_path / "in"
    for index in range(4):
        speak(folder / f"good{index}.wav", 1.0, seed=index)
    (folder / "broken.wav").write_bytes(b"RIFF, so they say")
    (folder / "none.mp3").touch()
    hiss = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    for name, waveform in {
        "empty": hiss[:0],
        "short": hiss[:999],
        "nan": np.where(np.arange(16_000) == 5, np.nan, hiss),
        "clipped": np.sign(hiss),
        "still": 0 * hiss,
    }.items():
        soundfile.write(folder / f"{name}.wav", waveform, 16_000, subtype="FLOAT")
    code, told = run(f"audio_dir={folder}", f"out_dir={tmp_path / 'out'}", *SMALL)
    assert code == 0 and "7 skipped" in told
    reasons = {Path(row["path"]).stem: row["reason"] for row in read_table(tmp_path / "out" / "skipped.tsv", ["path", "reason"])}
    assert set(reasons) == {"broken", "none", "empty", "short", "nan", "clipped", "still"}
    assert "Format not recognised" in reasons["broken"] and "no bytes" in reasons["none"] and "too short" in reasons["short"]
    assert (
        reasons["empty"] == "empty"
        and "NaN" in reasons["nan"]
        and "full scale" in reasons["clipped"]
        and "silence" in reasons["still"]
    )
    assert all(f"{name}" in told for name in reasons)
    assert len(Speech.read(tmp_path / "out").ids) == 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("audio_dir=nowhere",), "nowhere is not a folder"),
        (("audio_dir={empty}",), "holds no audio"),
        (("manifest=nowhere.tsv",), "manifest=nowhere.tsv"),
        ((), "give either audio_dir=FOLDER or manifest=FILE.tsv"),
        (("audio_dir={corpus}", "manifest=x.tsv"), "give either"),
        (("audio_dir={corpus}", "pca.dim=79"), "pca.dim=79, but the encoder has 78 dims"),
        (("audio_dir={corpus}", "encoder=mfc"), "did you mean 'mfcc'"),
        (("audio_dir={corpus}", "encoder=no/model"), "cannot load the encoder no/model"),
        (("audio_dir={corpus}", "encoder=wav2vec2_large_lv60"), "cannot load the encoder facebook/wav2vec2-large-lv60"),
        (("audio_dir={corpus}", "kmeans.clusters=10_000"), "cannot make 10000 clusters"),
        (("audio_dir={corpus}", "encoder=precomputed", "encoder.folder=x"), "leave out audio_dir="),
        (("audio_dir={corpus}", "targets.clusters=1"), "targets.clusters=1 must be at least 2"),
        (("audio_dir={corpus}", "targets.clusters=many"), "targets.clusters=many must be a whole number"),
        (("audio_dir={corpus}", "targets.clusters=10_000"), "cannot make 10000 clusters"),
        (("encoder=precomputed", "encoder.folder=x", "targets.clusters=64"), "encoder=precomputed brings no audio"),
        (("audio_dir={bad}",), "none of the recordings is of use: unreadable"),
    ],
)
def test_wrong_inputs_are_one_line_and_leave_nothing(
    arguments: tuple[str, ...], told: str, corpus: Path, tmp_path: Path, run, monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    places = {"corpus": corpus, "empty": tmp_path / "empty", "bad": tmp_path / "bad"}
    for name in ("empty", "bad"):
        places[name].mkdir()
    (tmp_path / "bad" / "a.wav").write_bytes(b"not audio")
    code, error = run(*(argument.format(**places) for argument in arguments), f"out_dir={tmp_path / 'out'}")
    assert code == 1 and told in error and error.count("error:") == 1 and "Traceback" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("room", [0, 3, 9, 14, 30])
def test_a_full_disk_is_told_and_the_next_run_goes_on(room: int, corpus: Path, tmp_path: Path, run, monkeypatch) -> None:
    """The disk is full after ``room`` files."""
    out_dir = tmp_path / "out"
    arguments = (f"audio_dir={corpus}", f"out_dir={out_dir}", "shard_minutes=0.1", *SMALL)
    written, replace = [], os.replace

    def full(source: Path, target: Path) -> None:
        written.append(target)
        if len(written) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        code, told = run(*arguments)
    assert code == 1 and "No space left" in told and "Traceback" not in told
    assert not list(out_dir.rglob(".*")) and not (out_dir / "stage.json").exists()
    assert run(*arguments)[0] == 0
    run(f"audio_dir={corpus}", f"out_dir={tmp_path / 'other'}", "shard_minutes=0.1", *SMALL)
    assert files(out_dir) == files(tmp_path / "other")


@pytest.mark.parametrize(
    ("hours", "which"), [(0.01, [0]), (1, [0, 3, 6]), (1.5, [0, 2, 3, 4, 6]), (2.9, list(range(7))), (99, list(range(7)))]
)
def test_the_sample_comes_from_all_over_the_corpus(hours: float, which: list[int]) -> None:
    """Recordings are in the order of their paths, so that the first hours may be of one speaker."""
    third = Recording("a", Path("a.wav"), end=1_200.0)
    shards = {shard: [Piece(third, shard, "a", "")] for shard in range(7)}
    assert _sample(shards, hours) == which


KILLED = """
import os, signal
from wavu import prepare_audio
left, replace = {files}, os.replace
def killed(source, target):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = killed
prepare_audio.main()
"""


def test_a_kill_in_the_middle_leaves_no_trace(corpus: Path, tmp_path: Path, run) -> None:
    """Killed before a file of the sample is there, killed again before one of the rest is: every byte as if nothing had happened."""
    settings = (f"audio_dir={corpus}", "shard_minutes=0.05", "sample.hours=0.003", "targets.clusters=16", *SMALL)
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for written, kind in ((11, "encoded"), (99, "shards")):
        command = [
            f"out_dir={killed}",
            "executor.workers=1",
            *PLAIN,
            *settings,
        ]  # one shard at a time: where it is killed is certain
        program = [sys.executable, "-c", KILLED.format(files=written), *command]
        assert subprocess.run(program, stderr=subprocess.DEVNULL).returncode == -signal.SIGKILL
        assert [(folder / "rows.json").exists() for folder in (killed / kind).iterdir()].count(False) == 1
    assert run(f"out_dir={killed}", *settings)[0] == run(f"out_dir={whole}", *settings)[0] == 0
    assert files(killed) == files(whole)
    assert read_json(killed / "stage.json")["counts"] == read_json(whole / "stage.json")["counts"]


@pytest.mark.slow
def test_real_recordings(data: Path, tmp_path: Path, run) -> None:
    code, told = run(f"audio_dir={data / 'kerstin-de' / 'audio'}", f"out_dir={tmp_path / 'out'}")
    assert code == 0 and "900 utterances" in told and "0 skipped" in told


def test_ids_of_a_manifest_make_no_file(tmp_path: Path, run) -> None:
    speak(tmp_path / "a.wav", 2.0, seed=0)
    out_dir, names = tmp_path / "in" / "run", ("../../x", "/etc/x", "<script>")
    write_table(tmp_path / "m.tsv", [{"id": name, "path": "a.wav"} for name in names], ("id", "path"))
    before = set(tmp_path.rglob("*"))
    code, said = run(f"manifest={tmp_path / 'm.tsv'}", f"out_dir={out_dir}", *SMALL)
    assert code == 0, said
    assert all(path.is_relative_to(tmp_path / "in") for path in set(tmp_path.rglob("*")) - before)
    assert {row["id"] for row in read_table(out_dir / "manifest.tsv", ["id"])} == set(names)
