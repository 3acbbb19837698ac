"""What can be learned from labels of other languages, and who is held out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu.audio.files import Recording, recordings_in
from wavu.errors import WavuError
from wavu.stages.labelled import Limits, Taught, gathered, held_out, read_corpus
from wavu.store import write_table


def test_what_cannot_teach_is_left_out_with_its_reason(tmp_path: Path) -> None:
    lengths = {
        "good": 2.0,
        "fine": 2.0,
        "strange": 2.0,
        "rare": 2.0,
        "hurried": 0.4,
        "short": 0.1,
        "long": 9.0,
        "mute": 2.0,
        "empty": 2.0,
    }
    for name, seconds in lengths.items():
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(int(seconds * 16_000)), 16_000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    texts = {name: "ein haus" for name in lengths} | {
        "broken": "ein haus",
        "strange": "das дом",
        "empty": "…",
        "rare": "dschungel",
    }
    texts |= {"hurried": "ein haus " * 6, "fine": "ein haus " * 4, "good": "ein haus " * 4}
    del texts["mute"]
    write_table(tmp_path / "labels.tsv", [{"id": name, "text": text} for name, text in texts.items()], ("id", "text"))
    limits = Limits(min_seconds=0.3, max_seconds=8.0, min_phone_share=0.015)
    recordings = recordings_in(tmp_path)
    found = read_corpus("de", recordings, {"labels": tmp_path / "labels.tsv"}, limits)
    assert [recording.id for recording in found.recordings] == ["fine", "good"]
    assert found.phones[0][:6] == ["aɪ", "n", "h", "aʊ", "s", "aɪ"]
    assert {row["id"]: row["reason"] for row in found.left_out} == {
        "broken": "unreadable", "strange": "word that cannot be said", "rare": "rare phone", "hurried": "more phones than frames",
        "short": "too short", "long": "too long", "mute": "no label", "empty": "label without words",
    }  # fmt: skip
    with pytest.raises(WavuError, match="ids of .*labels.tsv"):
        read_corpus("de", [Recording("x", tmp_path / "good.wav")], {"labels": tmp_path / "labels.tsv"}, limits)


def taught(speakers: list[str], languages: list[int]) -> Taught:
    recordings = [Recording(str(n), Path("x"), 0.0, 1.0 + n % 3, speaker) for n, speaker in enumerate(speakers)]
    names = [f"l{language}" for language in range(max(languages) + 1)]
    return Taught(recordings, [["a"]] * len(recordings), np.array(languages), names, [])


def test_speakers_are_held_out_whole() -> None:
    both = taught(list("aabbccddee" * 5) + [""] * 30, [0] * 50 + [1] * 30)
    for seed in range(5):
        held = held_out(both, 8, np.random.default_rng(seed))
        out = {both.recordings[row].speaker for row in np.flatnonzero(held[:50])}
        learned = {both.recordings[row].speaker for row in np.flatnonzero(~held[:50])}
        assert len(out) == 1 and not out & learned and held[50:].sum() == 3  # a tenth of thirty
    alone = held_out(taught(["a"] * 20, [0] * 20), 100, np.random.default_rng(0))
    assert alone.sum() == 2
    few = held_out(taught(list("ab"), [0, 0]), 100, np.random.default_rng(0))
    assert few.sum() == 1


def test_languages_are_gathered_under_their_numbers() -> None:
    both = gathered({"de": taught(["", ""], [0, 0]), "ky": taught([""], [0])})
    assert both.names == ["de", "ky"] and both.languages.tolist() == [0, 0, 1] and both.seconds.tolist() == [1.0, 2.0, 1.0]
    assert both.labels(both.inventory()).flat.tolist() == [0, 0, 0]
