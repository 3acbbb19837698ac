"""The voice: what it says, and when it says it."""

import numpy as np

from wavu import units
from wavu.invent.speech import VOICES, Voice


def test_every_phone_has_its_time() -> None:
    said = Voice(**VOICES[0], words_per_minute=130).speak("pata mika")
    assert [phone for _, _, phone in said.phones] == list("patamika")
    starts, ends = np.array([span[:2] for span in said.phones]).T
    assert (starts[1:] >= ends[:-1] - 1e-9).all() and (ends > starts).all()
    assert ends[-1] <= units.seconds(len(said.waveform)) + 1e-6
    assert said.waveform.dtype == np.float32 and 0.05 < np.abs(said.waveform).max() <= 1


def test_a_vowel_is_louder_than_the_closure_before_it() -> None:
    said = Voice(**VOICES[0], words_per_minute=130).speak("pata")
    middle = [said.waveform[units.samples((start + end) / 2) :][:160] for start, end, _ in said.phones]
    p, a, t, b = (float(np.square(part).mean()) for part in middle)
    assert min(a, b) > 5 * t


def test_voices_differ_and_slow_speech_is_longer() -> None:
    one, other = (Voice(**voice, words_per_minute=130).speak("mola").waveform for voice in VOICES[:2])
    slow = Voice(**VOICES[0], words_per_minute=90).speak("mola").waveform
    assert len(slow) > 1.2 * len(one)
    assert len(one) != len(other) or not np.allclose(one, other)
