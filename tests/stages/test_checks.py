"""What is wrong with a folder of recordings or a text is found before anything long starts."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu import check
from wavu.errors import WavuError
from wavu.stages.checks import of_audio, of_machine, of_text

RATE = 16_000
WEBRTC = {"kind": "webrtc", "mode": 3, "min_pause": 0.1, "padding": 0.02}
LIMITS = {"vad": {"kind": "none", "min_pause": 0.0, "padding": 0.0}, "min_seconds": 0.3, "max_clipped": 0.05}


def tone(seconds: float, loud: float = 0.3, hertz: float = 300.0) -> np.ndarray:
    return loud * np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE)


def changes(folder: Path) -> str:
    return "\n".join(finding.text for finding in of_audio(folder, limits=LIMITS, sample=60, seed=0).findings if not finding.fine)


def test_a_good_folder_needs_no_change(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile(tone(60.0), 31), RATE, subtype="PCM_16")
    audio = of_audio(tmp_path, limits=LIMITS, sample=60, seed=0)
    assert audio.hours == pytest.approx(31 / 60) and changes(tmp_path) == ""


def test_each_fault_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "good.wav", tone(2.0), RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF and nothing else")
    soundfile.write(tmp_path / "clipped.wav", np.sign(tone(2.0, hertz=200.0)), RATE)
    soundfile.write(tmp_path / "one.wav", tone(1.0), RATE)
    (tmp_path / "two.wav").write_bytes((tmp_path / "one.wav").read_bytes())
    told = changes(tmp_path)
    assert "half an hour" in told and "broken.wav" in told and "1 clipped" in told
    assert "two.wav" in told and "one.wav" in told and "good.wav" not in told


def test_files_that_begin_and_end_alike_are_not_yet_doubles(tmp_path: Path) -> None:
    for name, hertz in (("one", 300.0), ("two", 310.0)):
        silence = np.zeros(RATE)
        soundfile.write(tmp_path / f"{name}.wav", np.concatenate([silence, tone(1.0, hertz=hertz), silence]), RATE)
    assert "twice" not in changes(tmp_path)


def test_whispers_and_silence_are_heard(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "quiet.wav", tone(2.0, loud=0.001), RATE, subtype="FLOAT")
    assert "record nearer" in changes(tmp_path)
    told = of_audio(tmp_path, limits=LIMITS | {"vad": WEBRTC}, sample=60, seed=0)
    assert any("is speech: cut pauses" in finding.text for finding in told.findings if not finding.fine)


def write(path: Path, sentences: list[str]) -> Path:
    path.write_text("\n".join(sentences), encoding="utf-8")
    return path


def test_texts_are_looked_at(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(list("abdeiklmnost"), 5)) for _ in range(300)]
    good = write(tmp_path / "good.txt", [" ".join(draw.choice(words, 12)) for _ in range(1_200)])
    assert all(finding.fine for finding in of_text(good, "es", units="phone", voice="auto"))
    poor = write(tmp_path / "poor.txt", ["la casa es grande"] * 60 + ["дом большой и синий"] * 60)
    told = "\n".join(finding.text for finding in of_text(poor, "es", units="phone", voice="auto") if not finding.fine)
    assert "more find more words" in told and "are repeated" in told and "Latin letters" in told
    (voiceless,) = [f for f in of_text(good, "rw", units="char", voice="auto") if not f.fine]
    assert "no voice for rw" in voiceless.text
    assert all(finding.fine for finding in of_text(good, "rw", units="char", voice="sw"))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="is no file of sentences"):
        of_text(tmp_path / "none.txt", "es", units="phone", voice="auto")
    with pytest.raises(WavuError, match="did you mean"):
        of_text(write(tmp_path / "a.txt", ["a"]), "germn", units="phone", voice="auto")


def test_more_audio_takes_more_of_the_machine(tmp_path: Path) -> None:
    assert all(finding.fine for finding in of_machine(1.0, tmp_path))
    assert any("GB of disk" in finding.text for finding in of_machine(10**9, tmp_path) if not finding.fine)


def test_the_command_sums_up(tmp_path: Path, typed) -> None:
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "a.wav", tone(2.0), RATE)
    text = write(tmp_path / "a.txt", ["la casa es grande"])
    code, told = typed(check, f"audio_dir={tmp_path}/audio", f"text={text}", "language=es")
    assert code == 0 and "change  1 recordings" in told and "to change" in told.splitlines()[-1]
