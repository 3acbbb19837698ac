"""Whatever the file, the same tone comes out; whatever is wrong with it, a reason does."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavu.audio import read
from wavu.audio.read import breaks_off, defect, duration, pieces, read_audio, read_blocks
from wavu.errors import WavuError
from wavu.units import RATE_HZ


def tone(seconds: float, rate: int) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "opus"])
def test_any_file_is_mono_at_16_khz(suffix: str, rate: int, tmp_path: Path) -> None:
    if suffix == "opus" and rate == 44_100:
        pytest.skip("Opus has no such rate")
    kind = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
    left = tone(1.5, rate)
    soundfile.write(tmp_path / f"a.{suffix}", np.stack([left, np.zeros_like(left)], axis=1), rate, **kind)
    waveform = read_audio(tmp_path / f"a.{suffix}")
    assert waveform.dtype == np.float32 and abs(len(waveform) - 1.5 * RATE_HZ) <= 1
    middle = slice(2_000, -2_000)  # codecs and resampling need their time at the edges
    assert np.abs(waveform - tone(1.5, RATE_HZ)[: len(waveform)] / 2)[middle].max() < 0.05
    assert duration(tmp_path / f"a.{suffix}") == pytest.approx(1.5, abs=1e-3)


@pytest.mark.parametrize("rate", [16_000, 22_050])
def test_a_part_is_that_part_of_the_whole(rate: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 3 * rate), rate)
    whole, part = read_audio(tmp_path / "a.wav"), read_audio(tmp_path / "a.wav", start=1.0, end=2.0)
    assert len(part) == RATE_HZ
    assert np.abs(part - whole[RATE_HZ : 2 * RATE_HZ])[200:-200].max() < (1e-6 if rate == RATE_HZ else 1e-3)
    assert len(read_audio(tmp_path / "a.wav", start=4.0)) == 0


@pytest.mark.parametrize(("limit", "value"), [("BLOCK_SECONDS", 1), ("BLOCK_VALUES", 10_000)])
def test_blocks_join_without_a_seam(limit: str, value: int, tmp_path: Path, monkeypatch) -> None:
    soundfile.write(tmp_path / "a.wav", tone(3.5, 44_100), 44_100)
    whole = read_audio(tmp_path / "a.wav")
    monkeypatch.setattr(read, limit, value)
    assert np.abs(read_audio(tmp_path / "a.wav") - whole).max() < 1e-6


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "does not exist"), (b"", "has no bytes"), (b"not audio at all" * 9, "unreadable: Format not recognised")],
)
def test_what_cannot_be_read_gives_a_reason(content: bytes | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(WavuError, match=told) as caught:
        read_audio(tmp_path / "a.wav")
    assert str(tmp_path) not in str(caught.value)
    assert duration(tmp_path / "a.wav") == 0


HISS = np.random.default_rng(0).uniform(-0.1, 0.1, RATE_HZ).astype(np.float32)


@pytest.mark.parametrize(
    ("waveform", "told"),
    [
        (HISS, None),
        (HISS[:0], "empty"),
        (HISS[:4_000], "too short: 0.25 s"),
        (np.where(np.arange(RATE_HZ) == 7, np.nan, HISS), "NaN"),
        (np.where(np.arange(RATE_HZ) == 7, np.inf, HISS), "infinite"),
        (0 * HISS, "digital silence"),
        (np.sign(HISS), "clipped: 100% of samples"),
        ((HISS * 10.2).clip(-1, 1), None),
    ],
)
def test_defects(waveform: np.ndarray, told: str | None) -> None:
    reason = defect(waveform, min_seconds=0.3, max_clipped=0.1)
    assert reason is None if told is None else told in reason


def test_a_long_file_is_cut_in_its_pauses(tmp_path: Path) -> None:
    waveform = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * RATE_HZ)
    waveform[int(3.1 * RATE_HZ) : int(3.2 * RATE_HZ)] = 0
    waveform[int(7.0 * RATE_HZ) : int(7.1 * RATE_HZ)] = 0
    soundfile.write(tmp_path / "a.wav", waveform, RATE_HZ)
    parts = pieces(tmp_path / "a.wav", 0.0, 10.0, max_seconds=4.0)
    assert [start for start, _ in parts[1:]] == [end for _, end in parts[:-1]]
    (first, _), (second, third), (_, last) = parts
    assert first == 0 and 3.1 <= second <= 3.2 and 7.0 <= third <= 7.1 and last == 10
    assert pieces(tmp_path / "a.wav", 2.0, 5.0, max_seconds=4.0) == [(2.0, 5.0)]


def speech_like(path: Path, seconds: float = 3.0, rate: int = 16_000) -> bytes:
    kind = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * rate)), rate, **kind)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["wav", "ogg", "opus"])
def test_a_file_that_breaks_off_is_known_by_its_container(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    content = speech_like(path)
    assert not breaks_off(path)
    path.write_bytes(content[: len(content) // 2])
    assert breaks_off(path)


@pytest.mark.parametrize(("suffix", "content"), [("flac", None), ("mp3", None), ("wav", b""), ("wav", b"RIFF"), ("ogg", b"OggS")])
def test_of_other_files_nothing_is_said(suffix: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    speech_like(path) if content is None else path.write_bytes(content)
    assert breaks_off(path) == (content == b"OggS") and not breaks_off(tmp_path / "nowhere.wav")


@pytest.mark.parametrize("rate", [1, 3_999, 192_001, 700_000])
def test_a_rate_that_no_speech_has_is_refused(rate: int, tmp_path: Path) -> None:
    """128 kB that claim 1 Hz would be 18 hours."""
    soundfile.write(tmp_path / "a.wav", tone(1, 16_000), rate)
    with pytest.raises(WavuError, match=f"claims {rate:,} samples per second"):
        read_audio(tmp_path / "a.wav")
    assert duration(tmp_path / "a.wav") == 0


def test_a_header_that_promises_more_than_there_is_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    content = bytearray(speech_like(path, 70.0))
    assert duration(path) == pytest.approx(70.0)
    content[21] = (content[21] & 0xF0) | 0x0F  # the highest of 36 bits of the number of samples: a thousand hours
    content[22] = 0xFF
    path.write_bytes(content)
    assert duration(path) in (0.0, pytest.approx(70.0, abs=0.5))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "opus", "aiff", "au"])
@settings(max_examples=45, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_gives_audio_or_a_reason(suffix: str, data: st.DataObject, tmp_path: Path) -> None:
    """Bytes changed, most of them in the header, or cut out: some 300 files; no other error, and no more audio than could be there."""
    content = bytearray(DAMAGED.setdefault(suffix, speech_like(tmp_path / f"whole.{suffix}", 1.0)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, 80) | st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(content)
    breaks_off(path)
    assert 0 <= duration(path) < 3_600
    try:
        total = 0
        for block in read_blocks(path):
            assert block.dtype == np.float32 and block.ndim == 1 and len(block) <= 61 * RATE_HZ
            total += len(block)
        assert total < 60 * RATE_HZ
    except WavuError as error:
        assert str(error).count("\n") == 0 and len(str(error)) > len("unreadable: ")


DAMAGED: dict[str, bytes] = {}
