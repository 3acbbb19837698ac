"""Members that fail, runs that are killed: the others go on, to the same bits."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.stages.toy_gan import FRAMES_HEARD, SEGMENTS, call_collapsed, points, scores, train
from wavu.errors import WavuError
from wavu.gan.population import Population
from wavu.store import read_json, read_tensors

pytestmark = pytest.mark.usefixtures("deciphered")


def test_all_generators_are_kept_on_request(folders: Path) -> None:
    train(folders, "gan", "keep=all", "updates=20")
    kept = sorted((folders / "gan" / "generators").iterdir())
    assert [path.name for path in kept] == [f"{update:07d}.safetensors" for update in (0, 10, 20)]
    assert read_tensors(kept[1])[0]["kernel"].shape == (2, 6, 8, 4)
    train(folders, "other", "updates=2")
    assert not (folders / "other" / "generators").exists()


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
    grid = "sweep.grid={discriminator.learning_rate:[2e-4,1e12,4e-4]}"
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
        train(folders, "nan", "warm_start=none", "generator.learning_rate=1e12", "discriminator.learning_rate=1e12")
    assert not (folders / "nan" / "stage.json").exists()


def test_a_number_is_never_given_twice(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call_collapsed(monkeypatch, (1, 20))
    train(folders, "gan", "members=3", "sweep.grid={discriminator.learning_rate:[2e-4,4e-4,1e12]}")  # the last breaks down first
    members = read_tensors(folders / "gan" / "members.safetensors")[1]["members"]
    assert [member["number"] for member in members] == [0, 3]


# Killed and resumed


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
    changes = ("members=3", "sweep.grid={discriminator.learning_rate:[2e-4,1e12,4e-4]}")
    train(folders, "whole", *changes)
    die(monkeypatch, 16, "SIGTERM")
    with pytest.raises(KeyboardInterrupt):
        train(folders, "cut", *changes)
    assert train(folders, "cut", *changes)["members_stopped"] == 1
    for name in ("checkpoints/last.safetensors", "scores.tsv"):
        assert (folders / "whole" / name).read_bytes() == (folders / "cut" / name).read_bytes(), name
