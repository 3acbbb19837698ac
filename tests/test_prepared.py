import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from wavu.eight_bits import packed
from wavu.errors import WavuError
from wavu.prepared import SILENCE, Speech, Text
from wavu.ragged import Ragged
from wavu.stage import finished
from wavu.store import write_json, write_table, write_tensors


def test_speech_joins_its_shards_in_order(speech_folder: Path) -> None:
    speech = Speech.read(speech_folder)
    assert speech.ids == ["a", "b"] and speech.n_units == 3
    assert speech.frames.lengths.tolist() == [4, 6] and speech.segments[1].tolist() == [[1, 1], [1, 1]]
    assert speech.units[1].tolist() == [0, 1, 2, 0, 1, 2] and speech.starts[1].tolist() == [0, 2]


def test_values_are_read_when_somebody_looks_at_them(speech_folder: Path) -> None:
    """Generators hear segments: what has eight times their size need not lie in memory."""
    speech, damaged = Speech.read(speech_folder), Speech.read(speech_folder)
    assert len(speech.segments.flat) and "flat" not in vars(speech.frames) and speech.frames.lengths.tolist() == [4, 6]
    assert len(speech.frames.flat) == 10 and speech.frames.flat is speech.frames.flat
    path = speech_folder / "shards" / "00001" / "frames.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(WavuError, match="frames.npy"):
        damaged.frames[0]
    with pytest.raises(WavuError, match="frames.npy"):
        Speech.read(speech_folder)


def test_frames_that_are_no_vectors_are_refused(speech_folder: Path) -> None:
    for shard, n_frames in enumerate((4, 6)):
        Ragged.of([np.zeros(n_frames)], np.float16).write(speech_folder / "shards" / f"{shard:05d}", "frames")
    with pytest.raises(WavuError, match="shards is damaged"):
        Speech.read(speech_folder)


def test_frames_of_eight_bits_need_the_steps_of_their_front_end(speech_folder: Path) -> None:
    truth = np.concatenate(list(Speech.read(speech_folder).frames)).astype(np.float32)
    steps, start = np.array([0.25, 0.5], np.float32), 0
    for shard, n_frames in enumerate((4, 6)):
        rows = packed(truth[start : start + n_frames], steps)
        Ragged.of([rows], np.int8).write(speech_folder / "shards" / f"{shard:05d}", "frames")
        start += n_frames
    frames = Speech.read(speech_folder).frames
    assert frames.lengths.tolist() == [4, 6]
    with pytest.raises(WavuError, match="frontend.safetensors"):
        len(frames.flat)
    for tensors in ({"mean": steps}, {"steps": steps[:1].repeat(3)}):
        write_tensors(speech_folder / "frontend" / "frontend.safetensors", tensors, {})
        with pytest.raises(WavuError, match="frontend.safetensors is damaged"):
            len(frames.flat)
    write_tensors(speech_folder / "frontend" / "frontend.safetensors", {"steps": steps}, {})
    assert frames.flat.dtype == np.float16 and np.array_equal(frames.flat, np.rint(truth / steps) * steps)


def test_speech_has_targets_where_prepare_audio_was_asked_for_them(speech_folder: Path) -> None:
    assert Speech.read(speech_folder).targets is None and Speech.read(speech_folder).n_targets == 0
    for shard, n_frames in enumerate((4, 6)):
        Ragged.of([np.arange(n_frames)], np.int16).write(speech_folder / "shards" / f"{shard:05d}", "targets")
    write_json(speech_folder / "stage.json", {"command": "prepare_audio", "counts": {"clusters": 3, "targets": 7}})
    speech = Speech.read(speech_folder)
    assert speech.n_targets == 7 and [row.tolist() for row in speech.targets] == [[0, 1, 2, 3], [0, 1, 2, 3, 4, 5]]


def test_there_may_be_more_shards_than_files_open_at_once(speech_folder: Path) -> None:
    resource = pytest.importorskip("resource")
    for shard in range(2, 60):
        shutil.copytree(speech_folder / "shards" / "00001", speech_folder / "shards" / f"{shard:05d}")
    rows = [{"id": name} for name in range(60)]
    write_table(speech_folder / "manifest.tsv", rows, ["id"])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open(os.devnull) as file:
        lowest_free = file.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + 30, limits[1]))
    try:
        speech = Speech.read(speech_folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert speech.units.lengths.tolist() == [4] + 59 * [6]
    assert all(row.tolist() == [0, 1, 2, 0, 1, 2] for row in list(speech.units)[1:])
    assert speech.frames.flat.dtype == np.float16 and speech.segments.flat.shape == (120, 2)


def test_text_spells_its_words(text_folder: Path) -> None:
    text = Text.read(text_folder)
    assert text.phones[-1] == SILENCE and text.words == ["tak", "ki", "o"]
    assert [row.tolist() for row in text.pronunciations] == [[0, 1, 2], [2, 3], [4]]
    assert [row.tolist() for row in text.lines] == [[0, 1], [0, 2], [1, 0]]


def test_nothing_that_trains_can_hold_a_transcript() -> None:
    assert set(Speech.__dataclass_fields__) == {"ids", "frames", "units", "segments", "starts", "n_units", "targets", "n_targets"}


def test_swapped_unfinished_and_missing_folders_are_told_apart(text_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="made by wavu.prepare_text, expected the output of wavu.prepare_audio"):
        Speech.read(text_folder)
    with pytest.raises(WavuError, match="does not exist; run python -m wavu.prepare_text"):
        finished(tmp_path / "none", "prepare_text")
    (text_folder / "stage.json").unlink()
    with pytest.raises(WavuError, match="not finished"):
        Text.read(text_folder)
