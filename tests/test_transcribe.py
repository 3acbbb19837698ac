"""New files through a model whose truth is planted: a "language" of three tones."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu import transcribe
from wavu.audio.frontend import FrontEnd
from wavu.audio.read import read_audio
from wavu.decode.greedy import runs
from wavu.errors import WavuError
from wavu.store import Ragged, read_table, read_tensors, write_json, write_tensors
from wavu.units import HOP_SECONDS, RATE_HZ

TONES_HZ = {"a": 300.0, "i": 1100.0, "<SIL>": 3000.0}
PHONES = list(TONES_HZ)
SETTINGS = {
    "vad": {"kind": "none", "min_pause": 0.3, "padding": 0.0},
    "encoder": {"kind": "mfcc"},
    "segment": {"kind": "cluster_runs", "pair_pool": False},
    "min_seconds": 0.2,
    "max_seconds": 30.0,
}


def speak(said: str, seconds: float = 0.2) -> np.ndarray:
    """``"ai."`` as tones of equal length, with a little noise; the dot is silence."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    tones = [0.3 * np.sin(2 * np.pi * TONES_HZ["<SIL>" if letter == "." else letter] * time) for letter in said]
    noise = np.random.default_rng(len(said)).normal(0, 0.003, len(said) * len(time))
    return (np.concatenate(tones) + noise).astype(np.float32)


def truth(said: str, n_frames: int) -> np.ndarray:
    letters = [PHONES.index("<SIL>" if letter == "." else letter) for letter in said]
    return np.repeat(letters, 10)[:n_frames]


@pytest.fixture(scope="module")
def gan(tmp_path_factory) -> Path:
    """What gan_train leaves, with a generator that knows the tones."""
    folder = tmp_path_factory.mktemp("gan")
    said = ["".join(np.random.default_rng(seed).choice(list("ai."), 30)) for seed in range(8)]
    waveforms = [speak(line) for line in said]
    encoded = FrontEnd(SETTINGS, *[np.zeros((1, 78))] * 3).encoder.encode(waveforms)
    front_end = FrontEnd.fit(
        np.concatenate(encoded), settings=SETTINGS, kmeans={"clusters": 6, "iterations": 10, "restarts": 1}, dim=8, seed=0
    )
    front_end.write(folder / "frontend")
    heard = front_end.segment(Ragged.of(encoded, np.float32))
    rows = zip(said, heard.frames.lengths, heard.starts, strict=True)
    labels = np.concatenate([truth(line, n_frames)[starts] for line, n_frames, starts in rows])
    one_hot = np.eye(3)[labels] - 1 / 3
    kernel = np.linalg.lstsq(heard.segments.flat.astype(float), one_hot, rcond=None)[0].T[..., None]  # (V, d, 1)
    about = {"phones": PHONES, "hears": "segments", "stride": 1, "cut": None}
    write_tensors(folder / "generator.safetensors", {"kernel": kernel.astype(np.float32)[None]}, about)
    write_json(folder / "stage.json", {"command": "gan_train"})
    return folder


@pytest.fixture(scope="module")
def hmm(gan: Path, tmp_path_factory) -> Path:
    """What self_train leaves, with emissions counted on the truth."""
    folder = tmp_path_factory.mktemp("hmm")
    (folder / "frontend").symlink_to(gan / "frontend")
    front_end = FrontEnd.read(gan / "frontend")
    line = "ai.a.iai.ia.i"
    units = front_end.units(front_end.encode([speak(line)])).flat
    emission = np.full((1, 3, 2, len(front_end.centroids)), 1e-2, np.float32)
    np.add.at(emission, (0, truth(line, len(units)), slice(None), units), 1)
    uniform = {"first": np.full(3, 1 / 3), "next": np.full((4, 3, 3), 0.3), "last": np.full((4, 3), 0.1)}
    tensors = {"emission": emission / emission.sum(-1, keepdims=True), "stay": np.full((1, 3, 2), 0.8), **uniform}
    about = {"phones": PHONES, "grammar_weight": 1.0}
    write_tensors(folder / "hmm.safetensors", {name: array.astype(np.float32) for name, array in tensors.items()}, about)
    return folder


@pytest.fixture(scope="module")
def warm(gan: Path, hmm: Path, tmp_path_factory) -> Path:
    """What gan_train leaves after a warm start: the generator, and the HMM that cut its segments."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "frontend").symlink_to(gan / "frontend")
    tensors, about = read_tensors(gan / "generator.safetensors")
    write_tensors(folder / "generator.safetensors", tensors, about | {"cut": "hmm"})
    (folder / "warm_start").mkdir()
    (folder / "warm_start" / "hmm.safetensors").symlink_to(hmm / "hmm.safetensors")
    return folder


@pytest.fixture
def run(monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["transcribe", *map(str, arguments)])
        code = 0
        try:
            transcribe.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return code, *capsys.readouterr()

    return run


def save(path: Path, said: str, rate: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, speak(said), rate)
    return path


@pytest.mark.parametrize("model", ["gan", "hmm", "warm"])
def test_what_was_said_comes_out_with_its_times(model: str, tmp_path: Path, run, request) -> None:
    said = "a.iai.aiai"
    path = save(tmp_path / "new one.wav", said)
    code, out, err = run(path, f"model={request.getfixturevalue(model)}", f"times={tmp_path / 'times.tsv'}")
    assert code == 0, err
    assert out == "id\tphones\nnew one\ta i a i a i a i\n"
    times = read_table(tmp_path / "times.tsv", ["id", "start", "end", "phone"])
    expected = runs(truth(said, 100), silence=2) * [1, HOP_SECONDS * 1, HOP_SECONDS * 1]
    assert [row["phone"] for row in times] == [PHONES[int(phone)] for phone in expected[:, 0]]
    found = np.array([[float(row["start"]), float(row["end"])] for row in times])
    assert np.abs(found - expected[:, 1:]).max() < 0.045


def test_a_folder_is_named_by_path_and_bad_files_are_left_out(gan: Path, tmp_path: Path, run) -> None:
    save(tmp_path / "in" / "x" / "1.flac", "ai.a")
    save(tmp_path / "in" / "y" / "1.wav", "i.ai")
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "in" / "short.wav", np.zeros(100), RATE_HZ)
    code, out, err = run(tmp_path / "in", f"model={gan}", f"out={tmp_path / 'hyp.tsv'}")
    assert code == 0 and out == ""
    assert {row["id"]: row["phones"] for row in read_table(tmp_path / "hyp.tsv", ["id"])} == {"x/1": "a i a", "y/1": "i a i"}
    assert "broken.wav is left out" in err and "short.wav is left out: too short" in err and "2 of 4 files" in err


@pytest.mark.parametrize("model", ["gan", "hmm", "warm"])
def test_files_heard_together_are_files_heard_one_by_one(model: str, tmp_path: Path, run, request, monkeypatch) -> None:
    """Broken files, and one in pieces, stand between good ones; the order is that of the names."""
    lines = ["ai.a", "i.a", "bad", "...", "a" * 12 + ".i" * 80, "ia.i", "bad", "aiai"]
    for index, line in enumerate(lines):
        if line == "bad":
            (tmp_path / "in" / f"{index}.wav").write_bytes(b"RIFF")
        else:
            save(tmp_path / "in" / f"{index}.wav", line)
    told = {}
    for seconds in (0.1, 3.0, 600.0):
        monkeypatch.setattr(transcribe, "TOGETHER_SECONDS", seconds)
        code, out, err = run(tmp_path / "in", f"model={request.getfixturevalue(model)}", f"times={tmp_path / 'times.tsv'}")
        assert code == 0 and "2.wav is left out" in err and "6 of 8 files" in err
        told[seconds] = out, (tmp_path / "times.tsv").read_bytes()
    assert told[0.1] == told[3.0] == told[600.0]
    assert [line.split("\t")[0] for line in out.splitlines()[1:]] == list("013457")


@pytest.mark.parametrize("model", ["gan", "hmm", "warm"])
def test_a_file_without_speech_has_no_phones(model: str, tmp_path: Path, run, request, monkeypatch) -> None:
    """Alone, and between others."""
    listen = FrontEnd.listen
    monkeypatch.setattr(
        FrontEnd, "listen", lambda self, waveform: listen(self, waveform[: len(waveform) * (waveform.std() > 0.1)])
    )
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "2.wav", 0.01 * speak("ai.a"), RATE_HZ)
    for expected in (["2\t"], ["1\ta i a", "2\t", "3\ti a i"]):
        code, out, err = run(tmp_path / "in", f"model={request.getfixturevalue(model)}", f"times={tmp_path / 'times.tsv'}")
        assert code == 0 and out.splitlines()[1:] == expected, err
        save(tmp_path / "in" / "1.wav", "ai.a")
        save(tmp_path / "in" / "3.wav", "i.ai")


@pytest.mark.parametrize("model", ["hmm", "warm"])
def test_no_segments_are_cut_where_the_model_hears_none(model: str, tmp_path: Path, run, request, monkeypatch) -> None:
    monkeypatch.delattr(FrontEnd, "segment")
    code, out, err = run(save(tmp_path / "1.wav", "ai.a"), f"model={request.getfixturevalue(model)}")
    assert code == 0 and out == "id\tphones\n1\ta i a\n", err


def test_a_file_with_a_broken_piece_is_left_out_whole(gan: Path, tmp_path: Path, run, monkeypatch) -> None:
    save(tmp_path / "in" / "1.wav", "ai." * 60)
    save(tmp_path / "in" / "2.wav", "ai.")

    def read(path: Path, start: float, end: float) -> np.ndarray:
        if start > 10:
            raise WavuError("unreadable: the disk is gone")
        return read_audio(path, start=start, end=end)

    monkeypatch.setattr(transcribe, "read_audio", read)
    code, out, err = run(tmp_path / "in", f"model={gan}")
    assert code == 0 and out == "id\tphones\n2\ta i\n" and err.count("1.wav is left out: unreadable: the disk is gone") == 1


def test_a_long_file_is_heard_in_pieces_and_told_as_one(gan: Path, tmp_path: Path, run) -> None:
    said = ".ai.a." * 40
    path = save(tmp_path / "long.wav", said)
    _, out, _ = run(path, f"model={gan}", f"times={tmp_path / 'times.tsv'}")
    assert out.count("\n") == 2
    times = read_table(tmp_path / "times.tsv", ["start", "end"])
    starts = [float(row["start"]) for row in times]
    assert starts == sorted(starts) and float(times[-1]["end"]) == pytest.approx(47.8, abs=0.1)
    assert len(times) == pytest.approx(3 * 40, abs=2)  # a piece may be cut inside a phone


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "files must be given"),
        (("files=[]",), "no audio was given"),
        (("missing.wav",), "missing.wav does not exist"),
    ],
)
def test_files_that_are_not_there(arguments: tuple[str, ...], told: str, gan: Path, run) -> None:
    code, out, err = run(f"model={gan}", *arguments)
    assert code == 1 and told in err and out == ""


def test_nothing_usable_is_an_error_and_writes_nothing(gan: Path, tmp_path: Path, run) -> None:
    (tmp_path / "bad.wav").write_bytes(b"")
    code, _, err = run(tmp_path / "bad.wav", f"model={gan}", f"out={tmp_path / 'hyp.tsv'}")
    assert code == 1 and "none of the 1 files could be used" in err and not (tmp_path / "hyp.tsv").exists()


def test_a_folder_that_is_no_model(tmp_path: Path, run) -> None:
    path = save(tmp_path / "a.wav", "ai")
    code, _, err = run(path, f"model={tmp_path}")
    assert code == 1 and "holds no model" in err


def test_two_files_of_one_name(tmp_path: Path) -> None:
    files = [save(tmp_path / folder / "1.wav", "a") for folder in "xy"]
    with pytest.raises(WavuError, match="would both have the id 1"):
        transcribe.recordings_of([str(path) for path in files])


def test_a_generator_of_other_dims_is_told(gan: Path, tmp_path: Path, run) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "frontend").symlink_to(gan / "frontend")
    about = {"phones": PHONES, "hears": "segments", "stride": 1, "cut": None}
    write_tensors(model / "generator.safetensors", {"kernel": np.zeros((1, 3, 5, 4), np.float32)}, about)
    code, _, err = run(save(tmp_path / "a.wav", "ai."), f"model={model}")
    assert code == 1 and "(S, 5)" in err and "(S, 8)" in err
