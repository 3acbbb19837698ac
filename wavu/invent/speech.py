"""A voice: espeak-ng from the ``espeakng-loader`` wheel, with the time of every phone it speaks.

espeak-ng is driven through its C interface (``speak_lib.h``), because its phone events are the only true alignment there is.
"""

import ctypes
from dataclasses import dataclass
from functools import cache

import espeakng_loader
import numpy as np
import soxr

from wavu import units

# Names and values from espeak-ng's speak_lib.h.
_SYNCHRONOUS, _PHONEME_EVENTS, _PHONEME_IPA = 2, 1, 2
_CHARS_UTF8, _POSITION_CHARACTER = 1, 1
_PARAMETER_RATE, _PARAMETER_PITCH = 1, 3
_EVENT_END, _EVENT_PHONEME = 0, 7
_SEED = 1


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    )


# Speakers that differ in pitch and in the length of their vocal tract (espeak-ng's variants).
VOICES = (
    {"name": "es", "pitch": 50},
    {"name": "es+f2", "pitch": 60},
    {"name": "es+m3", "pitch": 35},
    {"name": "es+f4", "pitch": 75},
)

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Spoken:
    """waveform (T,) float32 at 16 kHz; phones: (start, end, IPA symbol) in seconds, pauses left out."""

    waveform: np.ndarray
    phones: list[tuple[float, float, str]]


@cache
def _initialised() -> tuple[ctypes.CDLL, int]:
    """The library and its sample rate. Initialised a second time it may crash when it speaks."""
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    data_path = espeakng_loader.get_data_path().encode()
    return library, library.espeak_Initialize(_SYNCHRONOUS, 0, data_path, _PHONEME_EVENTS | _PHONEME_IPA)


class Voice:
    """One espeak-ng voice. The library holds one state per process: make one Voice at a time."""

    def __init__(self, name: str, *, pitch: int, words_per_minute: int) -> None:
        """Set the voice, its pitch (0-99) and rate."""
        self._library, self.rate_hz = _initialised()
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(_SEED))  # of breath and hiss, else drawn from the clock
        self._library.espeak_SetVoiceByName(name.encode())
        self._library.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
        self._library.espeak_SetParameter(_PARAMETER_PITCH, pitch, 0)
        self._callback = _CALLBACK(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def speak(self, sentence: str) -> Spoken:
        """Speak one sentence."""
        self._chunks: list[np.ndarray] = []
        self._events: list[tuple[int, str]] = []
        text = sentence.encode()
        self._library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, _POSITION_CHARACTER, 0, _CHARS_UTF8, None, None)
        wave = np.concatenate(self._chunks).astype(np.float32) / 32768
        waveform = soxr.resample(wave, self.rate_hz, units.RATE_HZ).astype(np.float32)
        starts = [sample / self.rate_hz for sample, _ in self._events] + [len(wave) / self.rate_hz]
        spans = zip(starts[:-1], starts[1:], (symbol for _, symbol in self._events), strict=True)
        return Spoken(waveform, [span for span in spans if span[2] and span[1] > span[0]])

    def _collect(self, wave: "ctypes._Pointer", n_samples: int, events: "ctypes._Pointer") -> int:
        if wave and n_samples:
            self._chunks.append(np.ctypeslib.as_array(wave, (n_samples,)).copy())
        index = 0
        while events[index].type != _EVENT_END:
            if events[index].type == _EVENT_PHONEME:
                symbol = events[index].string.decode("utf-8", "ignore").strip("ˈˌ _:ː|")
                self._events.append((events[index].sample, symbol))
            index += 1
        return 0
