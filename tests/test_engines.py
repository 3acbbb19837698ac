"""Each engine hears what is planted in its scores, and words are found where a folder knows any."""

from pathlib import Path

import numpy as np
import pytest

from wavu import engines
from wavu.audio.frontend import FrontEnd
from wavu.engines import FramesEngine, StudentEngine, read_engine, read_hmm, read_words
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import read_tensors, write_json, write_table, write_tensors
from wavu.student.model import Student
from wavu.units import HOP_SECONDS, RATE_HZ

PHONES = ["t", "a", "k", "<SIL>"]
FRAME = np.eye(4)  # the encoder's frame of each phone, and the centroid of its unit
SETTINGS = {
    "vad": {"kind": "none", "min_pause": 0.0, "padding": 0.0},
    "encoder": {"kind": "mfcc"},
    "min_seconds": 0.1,
    "max_seconds": 9,
}


def front_end() -> FrontEnd:
    return FrontEnd(SETTINGS, FRAME, np.zeros(4), np.eye(4))


def write_hmm(folder: Path) -> None:
    """An HMM of two sub-states that hears each phone in its own unit; a phone may follow itself."""
    emission = np.full((4, 2, 4), 0.01) + 0.96 * FRAME[:, None]
    tensors = {"emission": emission, "stay": np.full((4, 2), 0.5)}
    tensors |= {"first": np.full(4, 0.25), "next": np.full((1, 4, 4), 0.2).transpose(1, 0, 2), "last": np.full((1, 4), 0.2)}
    about = {"phones": PHONES, "grammar_weight": 1.0}
    write_tensors(folder / "hmm.safetensors", {name: value.astype(np.float32) for name, value in tensors.items()}, about)


def encoded(*lines: str) -> Ragged:
    """``"taak."`` as frames."""
    return Ragged.of([FRAME[["tak.".index(letter) for letter in line]] for line in lines], np.float32)


@pytest.fixture
def hmm(tmp_path: Path) -> FramesEngine:
    write_hmm(tmp_path)
    return read_hmm(tmp_path, front_end())


def test_an_hmm_hears_its_units(hmm: FramesEngine) -> None:
    one, two = hmm.hear_frames(encoded("..tttaaaakkk..", "kkk"))
    assert one.phones == ["t", "a", "k"] and one.times == pytest.approx(np.array([[2, 5], [5, 9], [9, 12]]) * HOP_SECONDS)
    assert two.phones == ["k"] and one.scores.shape == (14, 8)
    # Each of two sub-states likes its unit 97 times as much as another phone's do.
    assert one.confidence == pytest.approx(0.97, abs=1e-3)


def test_confidence_falls_where_other_phones_sound(hmm: FramesEngine) -> None:
    (clear,), (torn,) = ([*hmm.hear_frames(encoded(line))] for line in ("aaaaaa", "aakaaa"))
    assert torn.phones == ["a"] and torn.confidence[0] < clear.confidence[0] - 0.01


def test_sounds_count_less_where_the_search_believes_them_less(hmm: FramesEngine, tmp_path: Path) -> None:
    tensors, about = read_tensors(tmp_path / "hmm.safetensors")
    write_tensors(tmp_path / "hmm.safetensors", tensors, about | {"grammar_weight": 3.0})
    (heard,) = read_hmm(tmp_path, front_end()).hear_frames(encoded("aaaa"))
    assert heard.confidence == pytest.approx(97 ** (1 / 3) / (97 ** (1 / 3) + 3), abs=1e-3)


def test_a_student_marks_phones_that_touch() -> None:
    class Marks:
        phones, hop_seconds = ["t", "a", "k"], 0.03

        def score(self, waveforms: list[np.ndarray], *, batch_seconds: float) -> list[np.ndarray]:
            return [np.log(np.where(np.eye(4)[[0, 0, 1, 0, 2, 2, 0, 3, 0, 0]], 0.7, 0.1))]

    (heard,) = StudentEngine(Marks()).hear([np.zeros(int(0.3 * RATE_HZ), np.float32)])
    assert heard.phones == ["t", "a", "k"] and heard.confidence == pytest.approx(0.7)
    assert heard.times[0, 1] == heard.times[1, 0] and heard.times[1, 1] == heard.times[2, 0]
    assert heard.times[0, 0] < 0.075 < heard.times[0, 1] < 0.15 < heard.times[1, 1] < 0.225 < heard.times[2, 1]


def test_a_students_words_reach_from_phone_to_phone() -> None:
    from wavu.decode.words import Word

    student = type("Marks", (), {"phones": ["t", "a"], "hop_seconds": 0.02})()
    times = np.array([[0.1, 0.18], [0.18, 0.3], [0.5, 0.6]])
    heard = engines.Heard(["t", "a", "t"], times, np.ones(3))
    words = [Word(0, 6, 13, 1.0), Word(1, 27, 28, 1.0), Word(1, 40, 42, 1.0)]  # the last is where no phone was heard
    assert StudentEngine(student).times(words, heard) == pytest.approx(np.array([[0.1, 0.3], [0.5, 0.6], [0.8, 0.84]]))
    assert StudentEngine(student).times([], heard).shape == (0, 2)
    nothing = engines.Heard([], np.zeros((0, 2)), np.zeros(0))
    assert StudentEngine(student).times(words[:1], nothing) == pytest.approx(np.array([[0.12, 0.26]]))


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
    (tmp_path / "student" / "model.safetensors").unlink()  # not finished: what is whole is taken
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


@pytest.mark.parametrize(("about", "expected"), [({"hears": "frames", "stride": 2}, ["t", "a", "k"])])
def test_a_generator_that_strides_hears_frames(about: dict, expected: list[str], tmp_path: Path) -> None:
    kernel = np.zeros((1, 4, 4, 1), np.float32)
    kernel[0, :, :, 0] = 9 * FRAME
    ones = np.ones((1, 4), np.float32)
    tensors = {"gain": ones, "shift": 0 * ones, "linear": np.zeros((1, 4, 4), np.float32), "linear_bias": 0 * ones}
    tensors |= {"kernel": kernel, "head": np.zeros((1, 2, 4), np.float32), "head_bias": np.zeros((1, 2), np.float32)}
    tensors |= {"mean": 0 * ones, "variance": ones}
    write_tensors(tmp_path / "generator.safetensors", tensors, about | {"phones": PHONES, "cut": None})
    (heard,) = engines.read_generator(tmp_path, front_end()).hear_frames(encoded("ttttaaaakk...."))
    assert heard.phones == expected and heard.scores is None
    assert heard.times == pytest.approx(np.array([[0, 4], [4, 8], [8, 10]]) * HOP_SECONDS) and heard.confidence.min() > 0.95
