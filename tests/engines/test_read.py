"""The best engine of a folder is opened, and words are found where it knows any."""

from pathlib import Path

import numpy as np
import pytest

from tests.engines.toy import PHONES, SETTINGS, encoded, front_end, write_hmm
from wavu.engines.engine import FramesEngine
from wavu.engines.read import read_engine, read_words
from wavu.engines.student import StudentEngine
from wavu.errors import WavuError
from wavu.store import write_json, write_table
from wavu.student.model import Student
from wavu.units import HOP_SECONDS, RATE_HZ


def test_a_student_folder_comes_before_the_hmm_beside_it(tmp_path: Path) -> None:
    write_hmm(tmp_path)
    front_end().write(tmp_path / "frontend")
    regularisation = {name: 0.0 for name in ("hidden_dropout", "attention_dropout", "layerdrop")}
    student = Student.small(PHONES[:3], stride=3, width=8, layers=1, heads=2, kernel=3, regularisation=regularisation)
    student.write(tmp_path / "student")
    engine, beside = read_engine(tmp_path)
    assert isinstance(engine, StudentEngine) and engine.phones == ["t", "a", "k"] and beside.settings == SETTINGS
    waveform = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    listened, spans = engine.listen(waveform)
    assert listened is waveform and spans.tolist() == [[0.0, 1.0]]
    (heard,) = engine.hear([listened])
    assert heard.scores.shape[1] == 4 and len(heard.phones) == len(heard.times) == len(heard.confidence)
    (tmp_path / "student" / "model.safetensors").rename(tmp_path / "student" / "pytorch_model.bin")
    with pytest.raises(WavuError, match="student has pickled weights"):
        read_engine(tmp_path)
    (tmp_path / "student" / "pytorch_model.bin").unlink()  # not finished: what is whole is taken
    write_json(tmp_path / "student" / "config.json", {})
    with pytest.raises(WavuError, match="the encoder gives 78 dims"):
        read_engine(tmp_path)


def write_words(folder: Path) -> None:
    rows = [{"word": word, "phones": " ".join(word)} for word in ("tak", "ka", "at")]
    write_table(folder / "words" / "lexicon.tsv", rows, ("word", "phones"))
    unigrams = "".join(f"-0.7\t{word}\t0\n" for word in ("<s>", "</s>", "<unk>", "tak", "ka", "at"))
    (folder / "words" / "words.arpa").write_text(f"\\data\\\nngram 1=6\n\n\\1-grams:\n{unigrams}\n\\end\\\n")
    weights = {"acoustic_scale": 1.0, "lm_weight": 1.0, "word_score": 0.0, "silence_score": 0.0, "beam": 20.0, "max_active": 1000}
    write_json(folder / "words" / "words.json", weights)


def test_words_are_found_where_the_folder_knows_any(hmm: FramesEngine, tmp_path: Path) -> None:
    assert read_words(tmp_path, hmm) is None
    write_words(tmp_path)
    words = read_words(tmp_path, hmm)
    (heard,) = hmm.hear_frames(encoded("..tttaaakk...kkkaa.."))
    said = words.decode(heard.scores)
    assert [words.words[word.word] for word in said] == ["tak", "ka"]
    assert hmm.times(said, heard) == pytest.approx(np.array([[2, 10], [13, 18]]) * HOP_SECONDS)
    assert all(0.9 < word.confidence <= 1 for word in said) and list((tmp_path / "words").glob("*.fst"))


def test_a_generator_has_no_way_to_words(tmp_path: Path) -> None:
    write_words(tmp_path)
    assert read_words(tmp_path, FramesEngine(front_end(), PHONES[:3], lambda frames: iter(()))) is None


def test_a_student_finds_words_too(tmp_path: Path) -> None:
    write_words(tmp_path)
    student = StudentEngine(type("Marks", (), {"phones": ["t", "a", "k"], "hop_seconds": 0.02})())
    words = read_words(tmp_path, student)
    scores = np.log(np.where(np.eye(4)[[0, 1, 0, 2, 3, 0, 0, 3, 2]], 0.91, 0.03))
    assert [words.words[word.word] for word in words.decode(scores)] == ["tak", "ka"]


def test_a_lexicon_of_other_phones_is_told(hmm: FramesEngine, tmp_path: Path) -> None:
    write_words(tmp_path)
    write_table(tmp_path / "words" / "lexicon.tsv", [{"word": "o", "phones": "o"}], ("word", "phones"))
    with pytest.raises(WavuError, match="'o'"):
        read_words(tmp_path, hmm)
