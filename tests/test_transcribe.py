"""New files through a model whose truth is planted: a "language" of three tones."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import wavu
from wavu import recogniser, transcribe
from wavu.audio.frontend import FrontEnd
from wavu.command import composed
from wavu.decode.greedy import runs
from wavu.engines.engine import FramesEngine
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.settings.use import Transcribe
from wavu.store import read_table, read_tensors, write_json, write_table, write_tensors
from wavu.transcription import FORMATS
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
        np.concatenate(encoded),
        settings=SETTINGS,
        kmeans={"clusters": 6, "iterations": 10, "restarts": 1},
        dim=8,
        bits=16,
        seed=0,
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
    emission = np.full((3, 2, len(front_end.centroids)), 1e-2, np.float32)
    np.add.at(emission, (truth(line, len(units)), slice(None), units), 1)
    uniform = {"first": np.full(3, 1 / 3), "next": np.full((4, 3, 3), 0.3), "last": np.full((4, 3), 0.1)}
    tensors = {"emission": emission / emission.sum(-1, keepdims=True), "stay": np.full((3, 2), 0.8), **uniform}
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
    assert out == "a i a i a i a i\n" and "1 of 1 files, 8 phones: 2 s of audio in " in err and " x real time" in err
    times = read_table(tmp_path / "times.tsv", ["id", "start", "end", "phone"])
    expected = runs(truth(said, 100), silence=2) * [1, HOP_SECONDS * 1, HOP_SECONDS * 1]
    assert [row["phone"] for row in times] == [PHONES[int(phone)] for phone in expected[:, 0]]
    found = np.array([[float(row["start"]), float(row["end"])] for row in times])
    assert np.abs(found - expected[:, 1:]).max() < 0.045


@pytest.mark.parametrize("model", ["gan", "hmm", "warm"])
def test_python_programs_hear_the_same(model: str, tmp_path: Path, request) -> None:
    said = "a.iai.aiai"
    loaded = wavu.load(str(request.getfixturevalue(model)))
    assert loaded.phones == ["a", "i"] and loaded.max_seconds == SETTINGS["max_seconds"]
    heard = loaded.transcribe(str(save(tmp_path / "new one.wav", said)))
    assert heard.id == "new one" and str(heard) == "a i a i a i a i" and heard.words is None and heard.seconds == pytest.approx(2)
    assert all(0.4 < phone.confidence <= 1 and phone.start < phone.end for phone in heard.phones)
    assert loaded.transcribe([tmp_path / "new one.wav"]) == [heard]


def test_importing_wavu_takes_no_time() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, wavu; print('torch' in sys.modules, wavu.load)"], capture_output=True
    )
    assert told.stdout.startswith(b"False <function load")


def test_a_folder_is_named_by_path_and_bad_files_are_left_out(gan: Path, tmp_path: Path, run) -> None:
    save(tmp_path / "in" / "x" / "1.flac", "ai.a")
    save(tmp_path / "in" / "y" / "1.wav", "i.ai")
    (tmp_path / "in" / "broken.wav").write_bytes(b"RIFF")
    (tmp_path / "in" / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "in" / "short.wav", np.zeros(100), RATE_HZ)
    code, out, err = run(tmp_path / "in", f"model={gan}", f"out={tmp_path / 'hyp.tsv'}")
    assert code == 0 and out == ""
    assert {row["id"]: row["phones"] for row in read_table(tmp_path / "hyp.tsv", ["id"])} == {"x/1": "a i a", "y/1": "i a i"}
    assert (
        "broken.wav is left out" in err
        and "short.wav is left out: too short" in err
        and "empty.wav is left out: unreadable" in err
    )
    assert "2 of 5 files (3 left out), 6 phones" in err and f"-> {tmp_path / 'hyp.tsv'}" in err


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
        monkeypatch.setattr(recogniser, "TOGETHER_SECONDS", seconds)
        monkeypatch.setattr(recogniser, "FIRST_SECONDS", seconds)
        code, out, err = run(tmp_path / "in", f"model={request.getfixturevalue(model)}", f"times={tmp_path / 'times.tsv'}")
        assert code == 0 and "2.wav is left out" in err and "6 of 8 files" in err
        told[seconds] = out, (tmp_path / "times.tsv").read_bytes()
    assert told[0.1] == told[3.0] == told[600.0]
    assert [line.split("\t")[0] for line in out.splitlines()] == list("013457")


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
        assert code == 0 and out.splitlines() == expected, err
        save(tmp_path / "in" / "1.wav", "ai.a")
        save(tmp_path / "in" / "3.wav", "i.ai")


@pytest.mark.parametrize("model", ["hmm", "warm"])
def test_no_segments_are_cut_where_the_model_hears_none(model: str, tmp_path: Path, run, request, monkeypatch) -> None:
    monkeypatch.delattr(FrontEnd, "segment")
    code, out, err = run(save(tmp_path / "1.wav", "ai.a"), f"model={request.getfixturevalue(model)}")
    assert code == 0 and out == "a i a\n", err


def test_a_long_file_is_heard_in_pieces_and_told_as_one(gan: Path, tmp_path: Path, run) -> None:
    said = ".ai.a." * 40
    path = save(tmp_path / "long.wav", said)
    for settings in ((), ("max_seconds=5",)):
        _, out, _ = run(path, f"model={gan}", f"times={tmp_path / 'times.tsv'}", *settings)
        assert out == "a i a " * 39 + "a i a\n"
        times = read_table(tmp_path / "times.tsv", ["start", "end"])
        starts = [float(row["start"]) for row in times]
        expected = runs(truth(said, 2400), silence=2)[:, 1] * HOP_SECONDS
        assert np.abs(starts - expected).max() < 0.045


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


def test_a_folder_that_is_not_finished(tmp_path: Path, run) -> None:
    write_json(tmp_path / "model" / "plan.json", {"command": "self_train"})
    path = save(tmp_path / "a.wav", "ai")
    code, _, err = run(path, f"model={tmp_path / 'model'}", f"out={tmp_path / 'out.srt'}")
    assert (
        code == 1
        and "is not finished (no stage.json); run the command that makes it again" in err
        and not (tmp_path / "out.srt").exists()
    )
    code, _, err = run(path, f"model={path}")
    assert code == 1 and "is not a folder" in err


def test_two_files_of_one_name_are_named_by_their_folders(gan: Path, tmp_path: Path, run) -> None:
    files = [save(tmp_path / "in" / folder / "1.wav", "ai") for folder in "xy"]
    code, out, _ = run(*files, files[0], f"model={gan}")  # what is named twice is heard once
    assert code == 0 and out == "x/1\ta i\ny/1\ta i\n"


# Formats and places


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_way_out(name: str, gan: Path, tmp_path: Path, capsys) -> None:
    """Printed, into one file, into a folder; what is printed is what is written."""
    plain = composed("transcribe", Transcribe, ["files=[]", f"model={gan}"])

    def told(file: Path, out: Path | None, chosen: str | None) -> str:
        transcribe.main_work(plain.model_copy(update={"files": [str(file)], "out": out, "format": chosen}))
        return capsys.readouterr().out

    kind, one = FORMATS[name], save(tmp_path / "in" / "1.wav", "ai.a")
    save(tmp_path / "in" / "x" / "2.wav", "ia.i")
    printed, out = told(one, None, name), tmp_path / f"out{kind.ending}"
    assert told(one, out, None) == "" and out.read_text(encoding="utf-8") == printed and "a" in printed
    out = tmp_path / "many" / name
    assert told(tmp_path / "in", out, name) == ""
    if kind.one_each:
        files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
        assert files == {f"1{kind.ending}", f"x/2{kind.ending}"}
        assert (out / f"1{kind.ending}").read_text(encoding="utf-8") == printed
    else:
        rows = out.read_text(encoding="utf-8").splitlines()
        expected = ["1"] * 3 + ["x/2"] * 3 if name == "ctm" else ["1", "x/2"]
        assert [row.replace(" ", "\t").split("\t")[0] for row in rows if not row.startswith("id\t")] == expected


def test_json_of_many_is_printed_line_by_line(gan: Path, tmp_path: Path, run) -> None:
    files = [save(tmp_path / f"{number}.wav", "ai") for number in range(3)]
    _, out, _ = run(*files, f"model={gan}", "format=json")
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["a i"] * 3


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (("format=sbv",), "format=sbv is unknown; give 'txt', 'tsv', 'ctm', 'json', 'srt', 'vtt' or 'textgrid'"),
        (("format=srt",), "format=srt holds one recording, and there are 2; give a folder for them: out=FOLDER"),
        (("out=all.srt",), "all.srt is one file, and format=srt makes 2"),
        (("format=vtt", "out=file"), "file is one file, and format=vtt makes 2"),
        (("format=vtt", "out=all.srt"), "all.srt ends like srt, but format=vtt"),
        (("out=folder",), "folder is a folder, and format=txt makes one file; give out=folder/transcriptions.txt"),
        (("format=ctm", "out=folder"), "give out=folder/transcriptions.ctm"),
        (("max_seconds=0.5",), "max_seconds=0.5 must be at least 1"),
        (("max_seconds=long",), "max_seconds=long must be a number"),
        (("nbest=0",), "nbest=0 must be at least 1"),
    ],
)
def test_mistakes_are_told_before_anything_is_heard(
    settings: tuple, told: str, gan: Path, tmp_path: Path, run, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    files = [save(tmp_path / f"{number}.wav", "ai") for number in range(2)]
    before = sorted(tmp_path.iterdir())
    code, out, err = run(*files, f"model={gan}", *settings)
    assert code == 1 and told in err and out == "" and sorted(tmp_path.iterdir()) == before


def test_one_file_may_go_into_a_folder_too(gan: Path, tmp_path: Path, run) -> None:
    path = save(tmp_path / "1.wav", "ai")
    run(path, f"model={gan}", "format=srt", f"out={tmp_path / 'new'}")
    assert (tmp_path / "new" / "1.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:00,380\na i\n")


def test_paths_come_from_standard_input(gan: Path, tmp_path: Path, run, monkeypatch) -> None:
    one, two = save(tmp_path / "1.wav", "ai"), save(tmp_path / "in" / "2.wav", "ia")
    (tmp_path / "empty.wav").touch()
    listed = f"{one}\n\n{tmp_path / 'empty.wav'}\nmissing.wav\n{two.parent}\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO(listed))
    code, out, err = run("-", f"model={gan}")
    assert code == 0 and out == "1\ta i\n2\ti a\n"
    assert err.count("is left out") == 2 and "missing.wav is left out: unreadable: the file does not exist" in err
    assert "2 of 4 files (2 left out)" in err
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{one}\n"))
    assert run("-", f"model={gan}")[1] == "1\ta i\n"  # a list of one is still a list
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    code, _, err = run("-", f"model={gan}")
    assert code == 1 and "no path came on standard input" in err


def test_results_are_printed_as_they_come(gan: Path, tmp_path: Path, run, monkeypatch) -> None:
    """A file that breaks the program comes too late to take away what was printed."""
    monkeypatch.setattr(recogniser, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(recogniser, "TOGETHER_SECONDS", 0.1)
    files = [save(tmp_path / f"{number}.wav", "ai") for number in range(6)]
    listen = FramesEngine.listen
    heard = []

    def fails(self, waveform: np.ndarray) -> tuple:
        heard.append(waveform)
        if len(heard) == 6:
            raise WavuError("the detector is gone")
        return listen(self, waveform)

    monkeypatch.setattr(FramesEngine, "listen", fails)
    code, out, err = run(*files, f"model={gan}")
    assert code == 1 and "the detector is gone" in err and out.count("\n") >= 4


def test_who_reads_may_stop_early(gan: Path, tmp_path: Path) -> None:
    save(tmp_path / "1.wav", "ai")
    command = [sys.executable, "-m", "wavu.transcribe", str(tmp_path / "1.wav"), f"model={gan}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read() and process.wait() == 1


def test_mp3_is_heard(gan: Path, tmp_path: Path, run) -> None:
    said = "a.iai.aiai"
    soundfile.write(tmp_path / "a.mp3", np.repeat(speak(said), 2).reshape(-1, 2), RATE_HZ)
    assert run(tmp_path / "a.mp3", f"model={gan}")[1] == "a i a i a i a i\n"


def test_a_generator_of_other_dims_is_told(gan: Path, tmp_path: Path, run) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "frontend").symlink_to(gan / "frontend")
    about = {"phones": PHONES, "hears": "segments", "stride": 1, "cut": None}
    write_tensors(model / "generator.safetensors", {"kernel": np.zeros((1, 3, 5, 4), np.float32)}, about)
    code, _, err = run(save(tmp_path / "a.wav", "ai."), f"model={model}")
    assert code == 1 and "(S, 5)" in err and "(S, 8)" in err


# Words


@pytest.fixture(scope="module")
def knows_words(hmm: Path, tmp_path_factory) -> Path:
    """What self_train leaves where words can be found: a lexicon of three."""
    folder = tmp_path_factory.mktemp("words")
    for path in hmm.iterdir():
        (folder / path.name).symlink_to(path)
    rows = [{"word": word, "phones": " ".join(word)} for word in ("ai", "ia", "a")]
    write_table(folder / "words" / "lexicon.tsv", rows, ("word", "phones"))
    unigrams = "".join(f"-0.7\t{word}\t0\n" for word in ("<s>", "</s>", "<unk>", "ai", "ia", "a"))
    (folder / "words" / "words.arpa").write_text(f"\\data\\\nngram 1=6\n\n\\1-grams:\n{unigrams}\n\\end\\\n")
    weights = {"acoustic_scale": 1.0, "lm_weight": 1.0, "word_score": 0.0, "silence_score": 0.0, "beam": 20.0, "max_active": 1000}
    write_json(folder / "words" / "words.json", weights)
    return folder


def test_words_come_out_where_the_model_knows_any(knows_words: Path, tmp_path: Path, run) -> None:
    path = save(tmp_path / "1.wav", ".ai..ia.a.")
    code, out, err = run(path, f"model={knows_words}")
    assert code == 0 and out == "ai ia a\n" and "5 phones, 3 words" in err
    assert run(path, f"model={knows_words}", "format=tsv")[1] == "id\tphones\twords\n1\ta i i a a\tai ia a\n"
    assert run(path, f"model={knows_words}", "format=tsv", "words=false")[1] == "id\tphones\n1\ta i i a a\n"
    heard = wavu.load(knows_words).transcribe(path)
    assert [(word.text, round(word.start, 1), round(word.end, 1)) for word in heard.words] == [
        ("ai", 0.2, 0.6), ("ia", 1.0, 1.4), ("a", 1.6, 1.8),
    ]  # fmt: skip
    assert all(0 < word.confidence <= 1 for word in heard.words)


def test_what_chooses_among_sentences_must_be_there(knows_words: Path, hmm: Path, tmp_path: Path, run) -> None:
    path = save(tmp_path / "1.wav", "ai")
    code, _, err = run(path, f"model={hmm}", f"rescore={tmp_path}")
    assert code == 1 and "needs a model that knows words" in err
    code, _, err = run(path, f"model={knows_words}", f"rescore={tmp_path}")
    assert code == 1 and "no config.json" in err


def test_another_model_chooses_among_sentences(knows_words: Path, tmp_path: Path, monkeypatch) -> None:
    """One that loves long sentences splits words; nothing said stays nothing."""
    from wavu.decode import rescore

    class Long:
        def score(self, sentences: list[str], *, batch_size: int) -> np.ndarray:
            return np.array([500.0 * sentence.split().count("a") for sentence in sentences])

    monkeypatch.setattr(rescore.SentenceModel, "read", lambda folder, device: Long())
    path = save(tmp_path / "1.wav", ".ai..a.")
    loaded = wavu.load(knows_words)
    assert str(loaded.transcribe(path)) == "ai a"
    heard = loaded.rescored(tmp_path, nbest=20).transcribe(path)
    assert loaded.rescored(tmp_path, nbest=20).words.decode(np.zeros((0, 6), np.float32)) == []
    assert str(heard).split().count("a") > 1 and heard.phones == loaded.transcribe(path).phones


@pytest.mark.parametrize("name", ["txt", "json", "srt", "vtt", "textgrid", "ctm"])
def test_a_model_that_failed_is_warned_of_wherever_its_words_go(name: str, gan: Path, tmp_path: Path, run, capsys) -> None:
    shutil.copytree(gan, tmp_path / "model")
    counts = {"suspected_failed": "3 of 40\nphones used"}
    write_json(tmp_path / "model" / "stage.json", {"command": "gan_train", "counts": counts})
    path, out = save(tmp_path / "a.wav", "ai"), tmp_path / f"out{FORMATS[name].ending}"
    code, _, err = run(path, f"model={tmp_path / 'model'}", f"out={out}")
    warning = "suspected failed (3 of 40 phones used); do not trust what it says"
    assert code == 0 and f"model {warning}" in err and warning in out.read_text()
    code, said, err = run(path, f"model={tmp_path / 'model'}")
    assert said == "a i\n" and warning in err, "what is piped on is the text alone"
    loaded = wavu.load(tmp_path / "model")
    assert loaded.transcribe(path).warning == loaded.warning == warning and warning in capsys.readouterr().err


def test_a_path_that_leads_nowhere_is_named_and_the_others_are_heard(gan: Path, tmp_path: Path, run) -> None:
    code, out, err = run(save(tmp_path / "a.wav", "ai"), tmp_path / "b.wav", f"model={gan}")
    assert code == 0 and out == "a\ta i\n" and "b.wav is left out: unreadable: the file does not exist" in err
    assert "1 of 2 files (1 left out)" in err
