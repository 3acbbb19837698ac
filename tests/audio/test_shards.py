"""A shard through reader, detector and encoder: what is of use is encoded, what is not has a reason."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from wavu.audio.encoder import Mfcc
from wavu.audio.features import cepstra
from wavu.audio.files import Recording, measured
from wavu.audio.frontend import speech_of
from wavu.audio.read import read_audio
from wavu.audio.shards import Encoded, encode_audio, slice_frames, write_skipped
from wavu.ragged import Ragged
from wavu.store import read_table

LIMITS = {
    "vad": {"kind": "none", "min_pause": 0.0, "padding": 0.0},
    "min_seconds": 0.3,
    "max_clipped": 0.05,
    "with_cepstra": False,
}


def noise(path: Path, seconds: float) -> Path:
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, round(16_000 * seconds)), 16_000)
    return path


def test_what_is_of_use_is_encoded_and_the_rest_named(tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxx")
    shard = [
        Recording("bad", tmp_path / "bad.wav"),
        Recording("part", noise(tmp_path / "a.wav", 3.0), 1.0, 2.0, "x"),
        Recording("short", noise(tmp_path / "b.wav", 0.1), 0.0, 0.1),
    ]
    first, second = encode_audio([shard, shard[:1]], encoder=Mfcc(), **LIMITS)
    assert [row["id"] for row in first.kept] == ["part"] and first.kept[0]["speaker"] == "x"
    assert [(Path(row["path"]).name, row["reason"].split(":")[0]) for row in first.skipped] == [
        ("bad.wav", "unreadable"),
        ("b.wav", "too short"),
    ]
    assert first.frames.lengths.tolist() == [49] and first.spans[0].tolist() == [[1.0, 2.0]]
    assert second.frames.flat.shape == (0, 78) and not second.kept and len(second.skipped) == 1


def test_a_name_that_no_table_can_hold_is_skipped_with_a_reason(tmp_path: Path) -> None:
    path = noise(tmp_path / "tab\there.wav", 1.0)
    (encoded,) = encode_audio([[Recording("tab", path, 0.0, 1.0)]], encoder=Mfcc(), **LIMITS)
    assert (
        not encoded.kept
        and encoded.skipped[0]["path"].endswith("/tab\\there.wav")
        and "rename it" in encoded.skipped[0]["reason"]
    )


@pytest.mark.parametrize("suffix", ["wav", "mp3", "opus"])
def test_of_a_file_that_breaks_off_the_beginning_is_used_and_the_rest_told(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    kind = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, 8 * 16_000), 16_000, **kind)
    whole = path.read_bytes()
    for content, told in ((whole, []), (whole[: len(whole) // 2], ["its end is missing"])):
        path.write_bytes(content)
        (encoded,) = encode_audio([measured(Recording("a", path), max_seconds=40)], encoder=Mfcc(), **LIMITS)
        assert [row["reason"].split(":")[0] for row in encoded.skipped] == told
        assert encoded.kept[0]["end"] == pytest.approx(4.0 if told else 8.0, abs=1.1)


def test_a_shard_comes_back_from_disk(tmp_path: Path) -> None:
    recording = Recording("a", noise(tmp_path / "a.wav", 1.0), 0.0, 1.0)
    (encoded,) = encode_audio([[recording]], encoder=Mfcc(), **LIMITS)
    encoded.write(tmp_path / "shard")
    back = Encoded.read(tmp_path / "shard")
    assert back.kept == encoded.kept and np.array_equal(back.frames.flat, encoded.frames.flat)


class Eager(Mfcc):
    """An encoder with three frames too many."""

    def encode(self, waveforms: list[np.ndarray]) -> list[np.ndarray]:
        return [np.pad(frames, ((0, 3), (0, 0))) for frames in super().encode(waveforms)]


@pytest.mark.parametrize("seconds", [1.0, 1.01, 0.995, 0.3])
@pytest.mark.parametrize("encoder", [Mfcc(), Eager()])
def test_beside_each_frame_lies_the_cepstrum_of_its_time(encoder: Mfcc, seconds: float, tmp_path: Path) -> None:
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxx")
    shards = [[Recording("a", noise(tmp_path / "a.wav", seconds), 0.0, seconds)], [Recording("bad", tmp_path / "bad.wav")]]
    one, none = encode_audio(shards, encoder=encoder, **LIMITS | {"with_cepstra": True})
    speech, _ = speech_of(read_audio(tmp_path / "a.wav"), vad=LIMITS["vad"], min_seconds=0.3)
    rows = cepstra(speech).numpy()
    assert one.cepstra.offsets.tolist() == one.frames.offsets.tolist()
    truth = [rows[min(2 * frame, len(rows) - 1)].tolist() for frame in range(len(one.frames.flat))]
    assert one.cepstra.flat.tolist() == truth
    assert none.cepstra.flat.shape == (0, 39)
    for name, encoded in {"one": one, "none": none}.items():
        encoded.write(tmp_path / name)
        back = Encoded.read(tmp_path / name).cepstra
        assert np.array_equal(back.flat, encoded.cepstra.flat) and np.array_equal(back.offsets, encoded.cepstra.offsets)


def test_cepstra_that_nobody_wants_are_not_there(tmp_path: Path) -> None:
    (encoded,) = encode_audio([[Recording("a", noise(tmp_path / "a.wav", 1.0), 0.0, 1.0)]], encoder=Mfcc(), **LIMITS)
    encoded.write(tmp_path / "shard")
    assert encoded.cepstra is None and Encoded.read(tmp_path / "shard").cepstra is None


def test_finished_frames_are_sliced_and_bad_ones_named() -> None:
    recordings = [Recording(name, Path("x.npy"), 0.0, 0.04) for name in "abc"]
    frames = Ragged.of([np.ones((2, 3)), np.zeros((0, 3)), np.full((2, 3), np.nan)], np.float32)
    (encoded,) = slice_frames([recordings[::-1]], recordings=recordings, frames=frames)
    assert [row["id"] for row in encoded.kept] == ["a"] and encoded.frames.flat.tolist() == [[1.0] * 3] * 2
    assert [row["reason"] for row in encoded.skipped] == ["holds NaN or infinite frames", "no frames"]


def test_what_is_of_no_use_is_written_whole_and_told_in_part(tmp_path: Path, capsys) -> None:
    rows = [{"path": f"{number}.wav", "reason": "empty"} for number in range(12)]
    write_skipped(tmp_path / "skipped.tsv", rows)
    assert read_table(tmp_path / "skipped.tsv", ["path", "reason"]) == rows
    told = capsys.readouterr().err
    assert "skipped 9.wav: empty" in told and "10.wav" not in told and "skipped 2 more" in told
