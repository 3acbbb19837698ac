"""The command on the toy language: warm starts become better, everything is written, mistakes are told in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.gan.toy import FRAMES, PHONES, spoil, toy_speech, write_audio_folder
from tests.stages.toy_gan import FRAMES_HEARD, SEGMENTS, UTTERANCES, accuracy, points, scores, settings, train
from wavu.errors import WavuError
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.stage import fingerprint
from wavu.stages import exam, gan
from wavu.store import read_json, read_tensors, write_json, write_tensors

pytestmark = pytest.mark.usefixtures("deciphered")

# What is left behind


def test_a_warm_start_becomes_better_and_everything_is_written(folders: Path) -> None:
    counts = train(folders, "gan", "members=3", "validation.utterances=30")
    assert accuracy(folders, "gan") > 0.92  # a wrong label beside its like merges two segments, which nobody undoes
    tensors, about = read_tensors(folders / "gan" / "generator.safetensors")
    assert tensors["kernel"].shape == (1, 6, 8, 4) and about == read_json(folders / "gan" / "generator.json")
    assert about["phones"] == PHONES and about["dim"] == 8
    assert scores(folders / "gan") == [(update, member) for update in (0, 10, 20, 30, 40) for member in range(3)]
    assert counts["suspected_failed"] is None and counts["updates"] == 40 and counts["vocabulary_used"] == 1
    assert counts["members"] == counts["members_converged"] == 3 and counts["members_stopped"] == 0
    seconds = len(Speech.read(folders / "audio").frames.flat) * 0.02
    assert counts["segments_per_second"] == round(counts["segments"] / seconds, 2)
    assert 0 < counts["phones_per_second"] <= counts["segments_per_second"] * 1.05  # of those held out; of all
    assert list((folders / "gan" / "curves").iterdir()) and (folders / "gan" / "frontend").is_dir()
    members, about = read_tensors(folders / "gan" / "members.safetensors")
    assert members["kernel"].shape == (3, 6, 8, 4) and [member["number"] for member in about["members"]] == [0, 1, 2]
    last, _ = read_tensors(folders / "gan" / "checkpoints" / "last.safetensors")
    assert np.array_equal(members["kernel"], last["generator.network.kernel"])
    gan.gan_train(settings(folders, "gan", "members=3", "validation.utterances=30"))  # complete: nothing to do


WAYS = {
    "matching": ("warm_start=matching",),
    "as cut": ("repool=false",),
    "boundaries": ("warm_start=boundaries",),
    "cold": ("warm_start=none",),
    "2.0": FRAMES_HEARD,
    "2.0 warm": (*FRAMES_HEARD, "warm_start=hmm"),
    "original": (*SEGMENTS, "fidelity=original", "sweep=original_grid", "members=4"),
    "original warm": ("fidelity=original",),
    "original 2.0": (*FRAMES_HEARD, "fidelity=original"),
    "bf16": ("precision=bf16",),
    "tf32": ("precision=tf32",),
}


@pytest.mark.parametrize("ways", WAYS.values(), ids=WAYS)
def test_every_way_leads_to_the_end(folders: Path, ways: tuple[str, ...]) -> None:
    counts = train(folders, "gan", "updates=10", "validation.every=5", *ways)
    assert counts["members"] == (4 if "members=4" in ways else 2) and counts["updates"] == 10
    members, about = read_tensors(folders / "gan" / "members.safetensors")
    assert all(len(value) == counts["members"] == len(about["members"]) for value in members.values())
    assert all(np.isfinite(value).all() for value in members.values())
    labels, starts = (Ragged.read(folders / "gan", part) for part in ("labels", "starts"))
    assert np.array_equal(labels.offsets, starts.offsets) and labels.flat.max() < len(PHONES)
    if read_json(folders / "gan" / "stage.json")["config"]["warm_start"] in ("hmm", "matching"):
        assert accuracy(folders, "gan") > 0.75
    assert torch.get_float32_matmul_precision() == "highest"


def write_self_trained(folders: Path, wrong: float) -> Ragged:
    """``hmm``, as self_train leaves it: labels of which some are wrong; they are returned."""
    labels = spoil(toy_speech(UTTERANCES, 0)[1], wrong, 4)
    labels = Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES)
    labels.write(folders / "hmm", "labels")
    about = {"phones": PHONES, "silence": {"probability": 0.125, "before": 0.0, "after": 0.0}}
    write_tensors(folders / "hmm" / "hmm.safetensors", {"stay": np.zeros(1)}, about)
    inputs = {name: fingerprint(read_json(folders / name / "stage.json")) for name in ("audio", "text")}
    write_json(folders / "hmm" / "stage.json", {"command": "self_train", "config": {}, "inputs": inputs | {"gan": "x"}})
    return labels


def test_a_second_round_starts_from_what_self_training_found(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gan, "write_decipherment", None)
    labels = write_self_trained(folders, 0.05)
    train(folders, "gan", f"self_trained={folders}/hmm", "updates=2")
    starts = Ragged.read(folders / "gan", "starts")
    assert len(starts.flat) == labels.run_starts().sum()  # segments are the phones that were found
    assert accuracy(folders, "gan") > 0.9
    about = read_tensors(folders / "gan" / "generator.safetensors")[1]
    assert about["cut"] == "hmm" and about["silence"]["probability"] == 0.125 and about["silence"]["before"] > 0.5
    tensors, _ = read_tensors(folders / "gan" / "warm_start" / "hmm.safetensors")
    assert list(tensors) == ["stay"]  # its HMM cuts new speech


def test_a_second_round_that_cannot_be_is_refused(folders: Path) -> None:
    write_self_trained(folders, 0.05)
    record = read_json(folders / "hmm" / "stage.json")
    write_json(folders / "hmm" / "stage.json", record | {"inputs": record["inputs"] | {"text": "other"}})
    with pytest.raises(WavuError, match="learned from another text folder; give the text= that self_train was given"):
        train(folders, "gan", f"self_trained={folders}/hmm")
    assert not (folders / "gan").exists()


def test_a_warm_start_of_frames_says_what_it_has_learned_by_heart(folders: Path) -> None:
    train(folders, "gan", *FRAMES_HEARD, "warm_start=hmm", "updates=2")
    truth = toy_speech(UTTERANCES, 0)[1]
    heard = [np.repeat(row, FRAMES)[::3] for row in truth]
    assert np.mean(Ragged.read(folders / "gan", "labels").flat == np.concatenate(heard)) > 0.95


def test_a_generator_of_frames_guesses_targets_where_there_are_any(folders: Path) -> None:
    write_audio_folder(folders / "more", UTTERANCES, 0, targets=5)
    audio = f"audio={folders}/more"
    train(folders, "gan", "recipe=wav2vec_u2", "sweep=v2_grid", "members=3", "updates=12", "log_every=2", audio)
    tensors, about = read_tensors(folders / "gan" / "members.safetensors")
    assert tensors["head"].shape == (3, 5, 8)
    assert [member["settings"]["loss.auxiliary"] for member in about["members"]] == [0.3, 0.5, 0.3]
    guessed = {(tag, update): values for (tag, update), values in points(folders / "gan").items() if "auxiliary" in tag}
    assert {tag for tag, _ in guessed} == {f"generator/auxiliary/{member}" for member in range(3)}


def test_members_of_a_sweep_differ_as_its_grid_says(folders: Path) -> None:
    train(folders, "gan", *SEGMENTS, "sweep=original_grid", "members=7", "updates=4")
    members = read_tensors(folders / "gan" / "members.safetensors")[1]["members"]
    names = ("loss.diversity", "loss.gradient_penalty", "loss.smoothness")
    assert [tuple(member["settings"][name] for name in names) for member in members] == [
        (2, 1.5, 0.5), (2, 1.5, 0.75), (2, 1.5, 1), (2, 2, 0.5), (2, 2, 0.75), (2, 2, 1), (4, 1.5, 0.5)
    ]  # fmt: skip


def test_a_grid_may_be_given_in_the_terminal(folders: Path) -> None:
    config = settings(folders, "gan", "members=null", "updates=2", "sweep.grid={loss.diversity:[2,4],loss.slope:[0,1]}")
    gan.gan_train(config)
    members = read_tensors(folders / "gan" / "members.safetensors")[1]["members"]
    assert [(m["settings"]["loss.diversity"], m["settings"]["loss.slope"]) for m in members] == [(2, 0), (2, 1), (4, 0), (4, 1)]


def test_a_member_does_not_depend_on_the_others(folders: Path) -> None:
    train(folders, "three", "members=3", "warm_start=none", "updates=10")
    train(folders, "first", "members=1", "warm_start=none", "updates=10")
    three, first = (read_tensors(folders / name / "checkpoints" / "last.safetensors")[0] for name in ("three", "first"))
    for name in ("generator.network.kernel", "discriminator.network.first"):
        assert np.allclose(three[name][0], first[name][0], atol=1e-5)


def test_a_generator_that_says_nothing_is_told_of_and_no_crash(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dumb(generator, inputs: Ragged, *, silence: int, batch_size: int) -> list[Ragged]:
        return [Ragged(np.full(len(inputs.flat), silence, np.int16), inputs.offsets)] * len(generator.kernel)

    monkeypatch.setattr(gan, "label", dumb)
    monkeypatch.setattr(exam, "label", dumb)
    counts = train(folders, "gan", "warm_start=none", "updates=2")
    assert "collapsed: 0 of 5 phones used" in counts["suspected_failed"] and counts["members_converged"] == 0


# Mistakes


def test_mistakes_are_told_before_anything_is_written(folders: Path) -> None:
    words = "no targets for the auxiliary loss; run prepare_audio with targets.clusters=64, or give loss.auxiliary=0"
    with pytest.raises(WavuError, match=words) as error:
        train(folders, "gan", "recipe=wav2vec_u2")
    assert "\n" not in str(error.value) and not (folders / "gan").exists()


@pytest.mark.parametrize(("size", "told"), [(UTTERANCES, 0), (UTTERANCES + 1, 1)])
def test_a_batch_of_more_utterances_than_there_are_is_warned_of(folders: Path, capsys, size: int, told: int) -> None:
    train(folders, "gan", f"batch_size={size}", "updates=1", "members=1")
    said = " ".join(capsys.readouterr().err.split())
    assert said.count(f"warning: batch_size={size} draws the {UTTERANCES} utterances") == told


def test_targets_are_also_asked_for_where_only_the_grid_wants_them(folders: Path) -> None:
    with pytest.raises(WavuError, match="no targets for the auxiliary loss"):
        train(folders, "gan", *FRAMES_HEARD, "sweep.grid={loss.auxiliary:[0,0.5]}")


def test_swapped_folders_are_refused(folders: Path) -> None:
    config = settings(folders, "gan")
    with pytest.raises(WavuError, match="was made by wavu.prepare_text, expected the output of wavu.prepare_audio"):
        gan.gan_train(config.model_copy(update={"audio": config.text, "text": config.audio}))
    assert not (folders / "gan").exists()


def test_generators_learn_from_noise_and_one_that_did_is_chosen_without_labels(folders: Path) -> None:
    rates = ("generator.learning_rate=4e-3", "discriminator.learning_rate=4e-3", "discriminator.channels=32", "batch_size=16")
    cold = ("recipe=small", "warm_start=none", "members=8", "updates=1200", "validation.every=400", "replace=off", "buckets=4")
    counts = train(folders, "gan", *cold, *rates, "discriminator.head_start=0", "log_every=500")
    assert accuracy(folders, "gan") > 0.8  # a phone said at random is right in a fifth
    assert counts["suspected_failed"] is None and counts["members_converged"] < 8, "not all of them do, and are called so"
