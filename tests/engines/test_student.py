"""A student's phones touch, and its words reach from phone to phone."""

import numpy as np
import pytest

from wavu.engines.engine import Heard
from wavu.engines.student import StudentEngine
from wavu.units import RATE_HZ


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
    heard = Heard(["t", "a", "t"], times, np.ones(3))
    words = [Word(0, 6, 13, 1.0), Word(1, 27, 28, 1.0), Word(1, 40, 42, 1.0)]  # the last is where no phone was heard
    assert StudentEngine(student).times(words, heard) == pytest.approx(np.array([[0.1, 0.3], [0.5, 0.6], [0.8, 0.84]]))
    assert StudentEngine(student).times([], heard).shape == (0, 2)
    nothing = Heard([], np.zeros((0, 2)), np.zeros(0))
    assert StudentEngine(student).times(words[:1], nothing) == pytest.approx(np.array([[0.12, 0.26]]))
