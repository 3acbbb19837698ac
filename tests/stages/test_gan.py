"""The command on the toy language: warm starts kept, killed and resumed to the same bits, mistakes told in one line."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tests.gan.toy import FRAMES, PHONES, spoil, toy_speech, write_audio_folder, write_text_folder
from wavu.command import CONFIGS
from wavu.errors import WavuError
from wavu.gan.population import Population
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.selection import Judge
from wavu.stage import fingerprint
from wavu.stages import gan
from wavu.store import read_json, read_table, read_tensors, write_json, write_tensors

SMALL = (
    "updates=40",
    "members=2",
    "batch_size=8",
    "discriminator.channels=8",
    "discriminator.head_start=4",
    "validation.every=10",
    "validation.utterances=15",
    "validation.hmm.utterances=2",
    "log_every=10",
    "replace_after=10",
    "device=cpu",
)
SEGMENTS, FRAMES_HEARD = ("recipe=wav2vec_u",), ("recipe=wav2vec_u2", "loss.auxiliary=0")
UTTERANCES = 150


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``audio`` and ``text`` of the toy language, as the commands before leave them; nobody writes there."""
    folder = tmp_path_factory.mktemp("toy")
    write_text_folder(folder / "text")
    write_audio_folder(folder / "audio", UTTERANCES, 0)
    return folder


@pytest.fixture
def folders(made: Path, tmp_path: Path) -> Path:
    """The same beside a place to write."""
    for name in ("audio", "text"):
        (tmp_path / name).symlink_to(made / name)
    return tmp_path


@pytest.fixture(autouse=True)
def deciphered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a phone HMM with 15 % wrong segments would say, and the match before it with 30 %."""

    def decipher(speech: Speech, text: Text, settings: dict, seed: int, folder: Path) -> None:
        for name, share in (("labels", 0.15), ("matched", 0.3)):
            labels = spoil(toy_speech(UTTERANCES, 0)[1], share, 3)
            Ragged(np.repeat(labels.flat, FRAMES), labels.offsets * FRAMES).write(folder, name)
        write_tensors(folder / "hmm.safetensors", {}, {"silence": {"probability": 0.25, "before": 1.0, "after": 1.0}})

    monkeypatch.setattr(gan, "_decipher", decipher)


def settings(folders: Path, name: str, *changes: str) -> dict:
    given = (f"audio={folders}/audio", f"text={folders}/text", f"out_dir={folders}/{name}", *SMALL, *changes)
    with initialize_config_dir(config_dir=str(CONFIGS), version_base="1.3"):
        return OmegaConf.to_container(compose(config_name="gan_train", overrides=list(given)), resolve=True)


def train(folders: Path, name: str, *changes: str) -> dict:
    """Run the command; the counts it leaves."""
    gan.gan_train(settings(folders, name, *changes))
    return read_json(folders / name / "stage.json")["counts"]


def accuracy(folders: Path, name: str) -> float:
    """Share of the frames whose label is right."""
    labels, starts = (Ragged.read(folders / name, part) for part in ("labels", "starts"))
    truth = toy_speech(UTTERANCES, 0)[1]
    right = []
    for own, begins, plain in zip(labels, starts, truth, strict=True):
        right.append(np.repeat(own, np.diff(begins, append=FRAMES * len(plain))) == np.repeat(plain, FRAMES))
    return float(np.concatenate(right).mean())


def scores(folder: Path) -> list[tuple[int, int]]:
    """Update and member of every row of scores.tsv."""
    return [(int(row["update"]), int(row["member"])) for row in read_table(folder / "scores.tsv", ["update", "member", "score"])]


def call_collapsed(monkeypatch: pytest.MonkeyPatch, *who: tuple[int, int]) -> None:
    """Let these members be judged collapsed at these updates, and nobody else."""
    at = set(who)
    monkeypatch.setattr(
        Judge, "suspect", lambda self, row, losses=None: "collapsed" if (row["member"], row["update"]) in at else None
    )


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
    monkeypatch.setattr(gan, "_decipher", None)
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
    with pytest.raises(WavuError, match="has nothing for warm_start=none; give warm_start=hmm or"):
        train(folders, "gan", f"self_trained={folders}/hmm", "warm_start=none")
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


def test_all_generators_are_kept_on_request(folders: Path) -> None:
    train(folders, "gan", "keep=all", "updates=20")
    kept = sorted((folders / "gan" / "generators").iterdir())
    assert [path.name for path in kept] == [f"{update:07d}.safetensors" for update in (0, 10, 20)]
    assert read_tensors(kept[1])[0]["kernel"].shape == (2, 6, 8, 4)
    train(folders, "other", "updates=2")
    assert not (folders / "other" / "generators").exists()


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


def test_a_large_corpus_keeps_utterances_for_validation(folders: Path) -> None:
    speech, text = Speech.read(folders / "audio"), Text.read(folders / "text")
    for wanted, judged, trained in ((5, 5, UTTERANCES - 5), (50, UTTERANCES, UTTERANCES)):
        config = settings(folders, "gan", f"validation.utterances={wanted}")
        exam, rows = gan._exam(gan.Task(speech, None, config["silence"], None), text, config)
        assert len(exam.inputs) == judged and len(rows) == trained


def test_a_generator_that_says_nothing_is_told_of_and_no_crash(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dumb(generator, inputs: Ragged, *, silence: int, batch_size: int) -> list[Ragged]:
        return [Ragged(np.full(len(inputs.flat), silence, np.int16), inputs.offsets)] * len(generator.kernel)

    monkeypatch.setattr(gan, "label", dumb)
    counts = train(folders, "gan", "warm_start=none", "updates=2")
    assert "collapsed: 0 of 5 phones used" in counts["suspected_failed"] and counts["members_converged"] == 0


# Members that fail


def test_the_collapsed_give_their_places_to_copies_of_the_good(folders: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    call_collapsed(monkeypatch, (1, 0), (1, 10), (3, 20), (2, 20))
    counts = train(folders, "gan", "members=3")
    said = " ".join(capsys.readouterr().err.split())
    for gone, newcomer, parent in ((1, 3, 2), (3, 4, 0), (2, 5, 0)):
        assert f"member {gone} is stopped: collapsed; member {newcomer} takes its place, a copy of {parent}" in said
    members = {member["number"]: member for member in read_tensors(folders / "gan" / "members.safetensors")[1]["members"]}
    assert list(members) == [0, 4, 5]
    assert all(members[n]["parent"] == 0 and members[n]["born"] == 20 for n in (4, 5))
    for number in (4, 5):
        ratios = {members[number]["settings"][name] / value for name, value in members[0]["settings"].items() if value}
        assert {round(ratio, 6) for ratio in ratios} <= {0.8, 1.25}
    assert len({member["seed"] for member in members.values()}) == 3
    assert counts["members"] == 3 and counts["members_stopped"] == 3
    seen = scores(folders / "gan")
    assert [pair for pair in seen if pair[1] == 3] == [(10, 3), (20, 3)] and (30, 4) in seen and (30, 1) not in seen


@pytest.mark.parametrize("change", ["replace=off", "replace_after=30"])
def test_nobody_is_replaced_who_shall_not(folders: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    call_collapsed(monkeypatch, (1, 0), (1, 10), (0, 20))
    counts = train(folders, "gan", change)
    assert counts["members_stopped"] == 0 and {member for _, member in scores(folders / "gan")} == {0, 1}


def test_at_the_end_nobody_is_replaced_for_a_copy_would_count_twice(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_collapsed(monkeypatch, *((1, update) for update in (0, 10, 20)))
    counts = train(folders, "gan", "updates=20", "replace_after=20")
    assert (counts["members"], counts["members_converged"], counts["members_stopped"]) == (2, 1, 0)


def test_when_all_have_collapsed_there_is_nobody_to_copy(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_collapsed(monkeypatch, *((member, update) for member in (0, 1) for update in (0, 10, 20)))
    counts = train(folders, "gan", "updates=20")
    assert (counts["members"], counts["members_converged"], counts["members_stopped"]) == (2, 0, 0)


@pytest.mark.parametrize("replace", ["off", "collapsed"])
def test_what_is_no_number_any_more_stops_its_member_alone(folders: Path, capsys, replace: str) -> None:
    grid = "sweep.grid={generator.learning_rate:[2e-4,1e38,4e-4]}"
    counts = train(folders, "gan", "members=3", "updates=20", grid, f"replace={replace}")
    assert "member 1 is stopped: training broke down by update 10: not finite; the others go on" in " ".join(
        capsys.readouterr().err.split()
    )
    assert counts["members"] == 2 and counts["members_stopped"] == 1
    tensors, about = read_tensors(folders / "gan" / "members.safetensors")
    assert [member["number"] for member in about["members"]] == [0, 2] and np.isfinite(tensors["kernel"]).all()
    assert [member for update, member in scores(folders / "gan") if update == 20] == [0, 2]


def test_when_all_break_down_it_is_an_error_and_no_result(folders: Path) -> None:
    with pytest.raises(WavuError, match="broke down by update 10: no member's losses are finite; lower"):
        train(folders, "nan", "warm_start=none", "generator.learning_rate=1e38", "discriminator.learning_rate=1e38")
    assert not (folders / "nan" / "stage.json").exists()


def test_a_number_is_never_given_twice(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_collapsed(monkeypatch, (1, 20))
    train(folders, "gan", "members=3", "sweep.grid={generator.learning_rate:[2e-4,4e-4,1e38]}")  # the last breaks down first
    members = read_tensors(folders / "gan" / "members.safetensors")[1]["members"]
    assert [member["number"] for member in members] == [0, 3]


def test_how_often_utterances_begin_and_end_with_silence() -> None:
    labels = Ragged.of([[5, 1, 5], [], [5, 2], [5], [1, 2]], np.int16)
    assert gan._silent_ends(labels, 5) == {"before": 0.75, "after": 0.5}


# Killed and resumed


def points(folder: Path) -> dict[tuple[str, int], list[float]]:
    """All scalars of TensorBoard's files, less those a later file takes back, as TensorBoard does."""
    found: dict[tuple[str, int], list[float]] = {}
    for path in sorted((folder / "curves").iterdir(), key=lambda path: int(path.name.rsplit(".", 1)[1])):  # as they were begun
        for event in EventFileLoader(str(path)).Load():
            if event.session_log.status == event.session_log.START:
                found = {key: values for key, values in found.items() if key[1] < event.step}
            for value in event.summary.value:
                if value.HasField("tensor") and value.tensor.dtype == 1:  # a float, not a picture
                    found.setdefault((value.tag, event.step), []).extend(value.tensor.float_val)
    return found


def die(monkeypatch: pytest.MonkeyPatch, update: int, how: str) -> None:
    plain, dead = Population.train, []

    def train(self: Population, batch):
        if self.update == update and not dead:
            dead.append(True)
            if how == "power cut":
                raise SystemExit
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self, batch)

    monkeypatch.setattr(Population, "train", train)


DEATHS = [
    (SEGMENTS, 16, "SIGTERM"),
    (SEGMENTS, 3, "power cut"),  # before the first checkpoint
    (FRAMES_HEARD, 26, "power cut"),
    (("fidelity=original",), 36, "power cut"),
]


@pytest.mark.parametrize(("ways", "update", "how"), DEATHS)
def test_interrupted_and_resumed_equals_uninterrupted(
    folders: Path, monkeypatch: pytest.MonkeyPatch, ways: tuple[str, ...], update: int, how: str
) -> None:
    changes = (*ways, "members=3", "validation.every=10", "log_every=4")
    call_collapsed(monkeypatch, (1, 10), (0, 20), (3, 30))
    train(folders, "whole", *changes)
    die(monkeypatch, update, how)
    with pytest.raises(SystemExit if how == "power cut" else KeyboardInterrupt):
        train(folders, "cut", *changes)
    assert not (folders / "cut" / "stage.json").exists()
    train(folders, "cut", *changes)
    names = ("checkpoints/last.safetensors", "generator.safetensors", "members.safetensors", "labels.npy", "scores.tsv")
    for name in names:
        assert (folders / "whole" / name).read_bytes() == (folders / "cut" / name).read_bytes(), name
    whole, cut = points(folders / "whole"), points(folders / "cut")
    assert whole == cut and len(whole) > 100 and all(len(values) == 1 for values in whole.values())
    assert read_json(folders / "cut" / "stage.json")["counts"]["members_stopped"] == 3


def test_a_member_that_broke_stays_away_after_a_resume(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ("members=3", "sweep.grid={generator.learning_rate:[2e-4,1e38,4e-4]}")
    train(folders, "whole", *changes)
    die(monkeypatch, 16, "SIGTERM")
    with pytest.raises(KeyboardInterrupt):
        train(folders, "cut", *changes)
    assert train(folders, "cut", *changes)["members_stopped"] == 1
    for name in ("checkpoints/last.safetensors", "scores.tsv"):
        assert (folders / "whole" / name).read_bytes() == (folders / "cut" / name).read_bytes(), name


# Mistakes


MISTAKES = {
    "warm_start=hot": "unknown warm_start 'hot'; known: hmm, matching, boundaries, none",
    "replace=maybe": "unknown replace 'maybe'; known: collapsed, off",
    "keep=none": "unknown keep 'none'; known: best, all",
    "precision=float16": "unknown precision 'float16'; known: float32, tf32, bf16",
    "generator.hears=letters": "generator.hears=letters does not fit this recipe",
    "generator.hears=frames": "generator.hears=frames does not fit this recipe; recipe=wav2vec_u2 hears frames",
    "sweep.grid={loss.charm:[1,2]}": "members cannot differ in 'loss.charm'; they can in generator.learning_rate, ",
    "members=0": "members=0 leaves nobody to train",
    "recipe=wav2vec_u2": "no targets for the auxiliary loss; run prepare_audio with targets.clusters=64, or give loss.auxiliary=0",
}


@pytest.mark.parametrize(("change", "words"), MISTAKES.items(), ids=MISTAKES)
def test_mistakes_are_told_before_anything_is_written(folders: Path, change: str, words: str) -> None:
    with pytest.raises(WavuError, match=words) as error:
        train(folders, "gan", change)
    assert "\n" not in str(error.value) and not (folders / "gan").exists()


def test_targets_are_also_asked_for_where_only_the_grid_wants_them(folders: Path) -> None:
    with pytest.raises(WavuError, match="no targets for the auxiliary loss"):
        train(folders, "gan", *FRAMES_HEARD, "sweep.grid={loss.auxiliary:[0,0.5]}")


def test_swapped_folders_are_refused(folders: Path) -> None:
    config = settings(folders, "gan")
    with pytest.raises(WavuError, match="was made by wavu.prepare_text, expected the output of wavu.prepare_audio"):
        gan.gan_train(config | {"audio": config["text"], "text": config["audio"]})
    assert not (folders / "gan").exists()


def test_generators_learn_from_noise_and_one_that_did_is_chosen_without_labels(folders: Path) -> None:
    rates = ("generator.learning_rate=4e-3", "discriminator.learning_rate=4e-3", "discriminator.channels=32", "batch_size=16")
    cold = ("recipe=small", "warm_start=none", "members=8", "updates=1200", "validation.every=400", "replace=off", "buckets=4")
    counts = train(folders, "gan", *cold, *rates, "discriminator.head_start=0", "log_every=500")
    assert accuracy(folders, "gan") > 0.8  # a phone said at random is right in a fifth
    assert counts["suspected_failed"] is None and counts["members_converged"] < 8, "not all of them do, and are called so"
