"""What models learn from: the labels of the best members, and phones as paths say them."""

from pathlib import Path

import numpy as np
import pytest

from tests.gan.toy import FRAMES, PHONES, toy_speech, write_audio_folder
from tests.stages.toy_hmm import frame_labels, toy_task
from wavu.decipher.hmm import cut
from wavu.errors import WavuError
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.stages.hmm_task import deciphered, first_labels
from wavu.store import read_tensors, write_json, write_table, write_tensors

SILENCE = {"probability": 0.25, "before": 1.0, "after": 1.0}


@pytest.fixture
def gan(tmp_path: Path) -> Path:
    """Three members, numbered 5, 6 and 7, each with an early row that means nothing; 6 was chosen."""
    write_audio_folder(tmp_path / "audio", 40, 0)
    folder, kernel = tmp_path / "gan", np.random.default_rng(0).normal(size=(3, len(PHONES), 8, 1)).astype(np.float32)
    toy_speech(40, 0)[1].write(folder, "labels")
    Speech.read(tmp_path / "audio").starts.write(folder, "starts")
    about = {"phones": PHONES, "hears": "segments", "stride": 1, "cut": None, "member": 6, "silence": SILENCE}
    write_tensors(folder / "generator.safetensors", {"kernel": kernel[1:2]}, about)
    members = [{"number": 5 + place} for place in range(3)]
    write_tensors(folder / "members.safetensors", {"kernel": kernel}, about | {"members": members})
    rows = [{"member": 5 + place, "score": score} for scores in ([0, 9, 9], [3, 1, 2]) for place, score in enumerate(scores)]
    write_table(folder / "scores.tsv", rows, ("member", "score"))
    return folder


def test_members_vote_and_the_chosen_one_breaks_ties(gan: Path) -> None:
    speech = Speech.read(gan.parent / "audio")
    kernel = np.random.default_rng(0).normal(size=(3, len(PHONES), 8, 1)).astype(np.float32)
    chosen = Ragged.read(gan, "labels")
    said = [(speech.segments.flat.astype(np.float32) @ kernel[place, :, :, 0].T).argmax(1) for place in (2, 0)]  # best first
    for voters in (1, 2, 3):
        votes = np.stack([chosen.flat, *said[: voters - 1]], 1)
        counts = (votes[:, :, None] == votes[:, None]).sum(2)
        plain = votes[np.arange(len(votes)), counts.argmax(1)]  # of equals the first, which is the chosen one's
        found, silence = first_labels(gan, speech, voters)
        assert np.array_equal(found.flat, np.repeat(plain, FRAMES)) and silence == SILENCE


def test_more_voters_than_members_are_refused(gan: Path) -> None:
    with pytest.raises(WavuError, match="has 3 members, too few for voters=4"):
        first_labels(gan, Speech.read(gan.parent / "audio"), 4)


def test_members_that_cut_other_segments_are_told(gan: Path) -> None:
    """A byte of the warm start's labels was changed."""
    speech, (tensors, about) = Speech.read(gan.parent / "audio"), read_tensors(gan / "members.safetensors")
    write_tensors(gan / "members.safetensors", dict(tensors), dict(about) | {"cut": "hmm"})
    labels = np.arange(len(speech.frames.flat), dtype=np.int16)  # each frame a run of its own
    Ragged(labels, speech.frames.offsets).write(gan / "warm_start", "labels")
    with pytest.raises(WavuError, match="warm_start cuts other segments than .*; one is damaged"):
        first_labels(gan, speech, 2)


def test_a_decipherment_of_segments_begins_like_a_generator(gan: Path) -> None:
    assert not deciphered(gan)
    write_json(gan / "found.json", {"phones": PHONES, "silence": SILENCE | {"probability": 0.0}})
    found, silence = first_labels(gan, Speech.read(gan.parent / "audio"), 1)
    assert deciphered(gan) and silence["probability"] == 0.0
    assert np.array_equal(found.flat, np.repeat(toy_speech(40, 0)[1].flat, FRAMES))


def test_a_path_says_its_phones_and_no_silence(made: Path) -> None:
    task = toy_task(made)
    assert task.shape == (len(PHONES), 2) and task.grammar.n_contexts == len(PHONES) + 1 and task.pairs.n_contexts == 1
    runs = frame_labels().run_starts()
    phones = frame_labels().keep(runs & (frame_labels().flat != len(PHONES) - 1))
    said = task.said(cut(frame_labels(), 2))
    assert np.array_equal(said.flat, phones.flat) and np.array_equal(said.offsets, phones.offsets)
    assert len(task.some(10)) == 10 and task.some(10_000).tolist() == list(range(len(task.speech.ids)))
