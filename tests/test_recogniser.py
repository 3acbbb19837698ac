"""Recordings of any length through engines that are never wrong: tones are phones."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu import recogniser as module
from wavu.audio import vad
from wavu.audio.files import Recording
from wavu.decode.greedy import confidence, runs
from wavu.engines.engine import Heard
from wavu.errors import WavuError
from wavu.recogniser import Recogniser
from wavu.transcription import Span, Transcription
from wavu.units import HOP_SAMPLES, HOP_SECONDS, RATE_HZ, samples

TONES_HZ = {"a": 300.0, "i": 1100.0, "u": 2000.0}
PHONES = list(TONES_HZ)
LOUD = {"kind": "loud", "min_pause": 0.1, "padding": 0.0}


@pytest.fixture(autouse=True)
def loud(monkeypatch) -> None:
    """A detector that takes everything that is not quiet for speech."""
    monkeypatch.setitem(
        vad.DETECTORS, "loud", lambda waveform: np.abs(waveform[: len(waveform) // 160 * 160]).reshape(-1, 160).max(1) > 0.05
    )


def tone_scores(waveform: np.ndarray) -> np.ndarray:
    """Log posterior (N, 4) of silence and the three tones in each frame of 20 ms."""
    frames = waveform[: len(waveform) // HOP_SAMPLES * HOP_SAMPLES].reshape(-1, HOP_SAMPLES)
    turns = np.exp(2j * np.pi * np.outer(np.arange(HOP_SAMPLES), list(TONES_HZ.values())) / RATE_HZ)
    loudness = np.concatenate([np.full((len(frames), 1), 10.0), np.abs(frames @ turns) + 1e-3], axis=1)
    return np.log(loudness / loudness.sum(axis=1, keepdims=True)).astype(np.float32)


class Whole:
    """An engine that hears whole waveforms, as a student does. It remembers what it was given."""

    phones = PHONES

    def __init__(self) -> None:
        self.given: list[np.ndarray] = []

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return waveform, np.array([[0.0, len(waveform) / RATE_HZ]])

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        self.given += speech
        for waveform in speech:
            scores = tone_scores(waveform)
            found = runs(scores.argmax(1), silence=0)
            phones = [PHONES[number - 1] for number in found[:, 0]]
            yield Heard(phones, found[:, 1:] * HOP_SECONDS, confidence(scores, found), scores)

    def times(self, words: list, heard: Heard) -> np.ndarray:
        return np.array([[word.start, word.end] for word in words]).reshape(-1, 2) * HOP_SECONDS


class Cutting(Whole):
    """An engine behind voice activity detection."""

    def listen(self, waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        spans = vad.speech_spans(waveform, **LOUD)
        return vad.keep(waveform, spans), spans * HOP_SECONDS


class Words:
    """As wavu.decode.words describes a decoder; a run of one tone is a word."""

    words = ["eh", "ah", "ih", "uh"]

    def decode(self, scores: np.ndarray) -> list:
        class Word:
            def __init__(self, word: int, start: int, end: int) -> None:
                self.word, self.start, self.end, self.confidence = word, start, end, 0.25

        return [Word(*map(int, run)) for run in runs(scores.argmax(1), silence=0)]


def speak(said: str, seconds: float = 0.2) -> np.ndarray:
    """``"ai."`` as tones of equal length, the dot is silence."""
    time = np.arange(samples(seconds)) / RATE_HZ
    tones = [0.3 * np.sin(2 * np.pi * TONES_HZ[letter] * time) if letter != "." else 0 * time for letter in said]
    return np.concatenate([*tones, np.zeros(0)]).astype(np.float32)


def planted(said: str, seconds: float = 0.2) -> list[tuple[str, float, float]]:
    """Phones and their times; equal neighbours are one."""
    numbers = np.array([".aiu".index(letter) for letter in said], np.int64)
    return [(".aiu"[phone], start * seconds, end * seconds) for phone, start, end in runs(numbers, silence=0).tolist()]


def recogniser(engine: str = "whole", **settings: object) -> Recogniser:
    chosen = {"whole": Whole(), "cutting": Cutting()}[engine]
    return Recogniser(chosen, **({"vad": LOUD, "min_seconds": 0.1, "max_seconds": 10.0} | settings))


def save(path: Path, said: str, seconds: float = 0.2) -> Path:
    soundfile.write(path, speak(said, seconds), RATE_HZ, subtype="FLOAT")
    return path


def told(heard: Transcription) -> list[str]:
    return [phone.text for phone in heard.phones]


def assert_planted(spans: list[Span], said: str, seconds: float = 0.2) -> None:
    expected = planted(said, seconds)
    assert [span.text for span in spans] == [text for text, _, _ in expected]
    for side, at in (("start", 1), ("end", 2)):
        assert [getattr(span, side) for span in spans] == pytest.approx([row[at] for row in expected], abs=1e-6)


@pytest.mark.parametrize("engine", ["whole", "cutting"])
def test_what_was_said_when(engine: str, tmp_path: Path) -> None:
    said = "..ai..uua.i."
    heard = recogniser(engine).transcribe(save(tmp_path / "new one.wav", said))
    assert heard.id == "new one" and heard.seconds == pytest.approx(2.4) and str(heard) == "a i u a i" and heard.words is None
    assert_planted(heard.phones, said)
    assert all(0.5 < phone.confidence <= 1 for phone in heard.phones)


def test_confidence_is_that_of_the_frames(tmp_path: Path) -> None:
    waveform = speak("a") + 0.7 * speak("u")
    soundfile.write(tmp_path / "a.wav", waveform, RATE_HZ, subtype="FLOAT")
    heard = recogniser().transcribe(tmp_path / "a.wav")
    assert [phone.text for phone in heard.phones] == ["a"]
    expected = confidence(tone_scores(waveform), np.array([[1, 0, 10]]))
    assert heard.phones[0].confidence == pytest.approx(expected[0], abs=1e-5) and expected[0] < 0.6


@pytest.mark.parametrize("engine", ["whole", "cutting"])
@pytest.mark.parametrize("gaps", ["pauses", "silences too short for pauses", "none"])
@pytest.mark.parametrize("seconds", [10.02, 33.0, 127.3])
def test_long_recordings_lose_and_double_nothing(engine: str, gaps: str, seconds: float, tmp_path: Path) -> None:
    letters = {"pauses": list("aiu."), "silences too short for pauses": list("aiu."), "none": PHONES}[gaps]
    length = 0.06 if gaps == "silences too short for pauses" else 0.18
    noise, said = np.random.default_rng(int(seconds)), ""
    while len(said) * length < seconds:  # equal sounds around a pause that is cut out are one
        said += noise.choice([letter for letter in letters if letter not in said[-1:] + said[-2:-1] * (said[-1:] == ".")])
    heard = recogniser(engine).transcribe(save(tmp_path / "long.wav", said, length))
    assert_planted(heard.phones, said, length)
    assert heard.seconds == pytest.approx(len(said) * length)


def test_short_files_are_heard_unchanged_and_long_ones_between_pauses(tmp_path: Path) -> None:
    short, long = "..ai.", "aiu" * 5 + ".." + "uia" * 20 + "..." + "a"
    engine, files = Whole(), [save(tmp_path / f"{len(said)}.wav", said) for said in (short, long)]
    Recogniser(engine, LOUD, 0.1, 5.0).transcribe(files)
    assert np.array_equal(engine.given[0], speak(short))
    rest = engine.given[1:]
    assert np.array_equal(np.concatenate(rest), speak(long)) and all(len(piece) <= 5 * RATE_HZ for piece in rest)
    assert len(rest[0]) == samples(15 * 0.2 + 0.2) and not rest[0][-1000:].any() and not rest[1][:1000].any()


def test_a_part_in_which_nobody_speaks_is_passed_over(tmp_path: Path) -> None:
    said = "ai" + "." * 200 + "ua"
    for engine in ("whole", "cutting"):
        assert_planted(recogniser(engine).transcribe(save(tmp_path / "a.wav", said)).phones, said)


def test_words_have_times_of_the_file(tmp_path: Path) -> None:
    said = ".ai." * 30
    for engine in ("whole", "cutting"):
        heard = recogniser(engine, words=Words()).transcribe(save(tmp_path / "a.wav", said))
        assert str(heard) == " ".join(["ah ih"] * 30)
        assert [(word.start, word.end, word.confidence) for word in heard.words[-2:]] == [
            (pytest.approx(23.4), pytest.approx(23.6), 0.25),
            (pytest.approx(23.6), pytest.approx(23.8), 0.25),
        ]


def test_where_nobody_speaks_there_are_no_words(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(RATE_HZ, 0.01), RATE_HZ)
    for engine in ("whole", "cutting"):
        heard = recogniser(engine, words=Words()).transcribe(tmp_path / "a.wav")
        assert heard.words == heard.phones == [] and str(heard) == ""


def test_many_at_once_are_as_one_by_one(tmp_path: Path, monkeypatch) -> None:
    lines = ["ai", "a" * 70 + "." * 60, "u.a", "...a.", "iu" * 100]
    files = [save(tmp_path / f"{number}.wav", said) for number, said in enumerate(lines)]
    for engine in ("whole", "cutting"):
        expected = [recogniser(engine).transcribe(file) for file in files]
        for together in (0.1, 7, 1000):
            monkeypatch.setattr(module, "FIRST_SECONDS", together)
            monkeypatch.setattr(module, "TOGETHER_SECONDS", together)
            assert recogniser(engine).transcribe(files) == expected
    assert recogniser().transcribe([]) == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.wav", b"", "no bytes"),
        ("text.wav", b"no audio" * 20, "Format not recognised"),
        ("missing.wav", None, "does not exist"),
        ("zero.wav", np.zeros(RATE_HZ), "digital silence"),
        ("short.wav", np.ones(100), "too short: 0.01 s"),
        ("nan.wav", np.full(RATE_HZ * 30, np.nan), "NaN"),
    ],
)
def test_a_file_of_no_use_is_told_and_the_others_are_heard(name: str, content: object, reason: str, tmp_path: Path) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        soundfile.write(tmp_path / name, content, RATE_HZ, subtype="FLOAT")
    good = save(tmp_path / "good.wav", "ai")
    with pytest.raises(WavuError, match=f"cannot transcribe .*{name}: .*{reason}"):
        recogniser().transcribe([good, tmp_path / name])
    files = [Recording("1", good), Recording("2", tmp_path / name), Recording("3", good)]
    (_, first), (bad, why), (_, last) = recogniser().stream(files)
    assert told(first) == told(last) == ["a", "i"] and bad.id == "2" and reason in why


def test_a_recording_broken_in_the_middle_is_left_out_whole(tmp_path: Path, monkeypatch) -> None:
    read_blocks = module.read_blocks

    def read(path: Path, **span: float) -> Iterator[np.ndarray]:
        yield from read_blocks(path, **span)
        if path.name == "bad.wav":
            raise WavuError("unreadable: the disk is gone")

    monkeypatch.setattr(module, "read_blocks", read)
    files = [save(tmp_path / name, "ai" * 100) for name in ("bad.wav", "good.wav")]
    results = [result for _, result in recogniser().stream([Recording(path.stem, path) for path in files])]
    assert results[0] == "unreadable: the disk is gone" and len(results[1].phones) == 200


def test_hours_are_never_in_memory(monkeypatch) -> None:
    """Three hours come minute by minute; few of them wait at any time, and results come before all is read."""
    read = heard = most = 0.0

    def minutes(path: Path, **span: float) -> Iterator[np.ndarray]:
        nonlocal read
        for _ in range(180):
            read += 60
            yield np.full(60 * RATE_HZ, 0.01, np.float32)

    def advance(seconds: float) -> None:
        nonlocal heard, most
        most, heard = max(most, read - heard), heard + seconds

    monkeypatch.setattr(module, "read_blocks", minutes)
    monkeypatch.setattr(Cutting, "listen", lambda self, waveform: (waveform[:0], np.zeros((0, 2))))
    ((_, result),) = recogniser("cutting", max_seconds=40.0).stream([Recording("a", Path("a"))], advance)
    assert heard == result.seconds == 180 * 60 and most < 2 * module.TOGETHER_SECONDS + 200


def test_first_results_come_before_the_rest_is_read(tmp_path: Path, monkeypatch) -> None:
    opened = []
    read_blocks = module.read_blocks
    monkeypatch.setattr(module, "read_blocks", lambda path, **span: opened.append(path) or read_blocks(path, **span))
    monkeypatch.setattr(module, "FIRST_SECONDS", 1.0)
    path = save(tmp_path / "a.wav", "aiaiai")
    stream = recogniser().stream([Recording(str(number), path) for number in range(3000)])
    next(stream)
    assert len(opened) < 600


def test_times_of_a_part_of_a_file_are_those_of_the_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.wav", "aiuaiu")
    ((_, heard),) = recogniser().stream([Recording("a", path, start=0.4, end=0.8)])
    assert [(phone.text, phone.start, phone.end) for phone in heard.phones] == [
        ("u", pytest.approx(0.4), pytest.approx(0.6)),
        ("a", pytest.approx(0.6), pytest.approx(0.8)),
    ]
