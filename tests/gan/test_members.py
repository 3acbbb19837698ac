"""Members: grids unrolled against a loop, copies that differ in a way drawn by their number."""

import json
from dataclasses import asdict

import pytest
import torch

from wavu.gan.members import Member, first_members, mutated, setting

BASE = {"loss.diversity": 4.0, "loss.smoothness": 0.5, "loss.slope": 0.0}
GRID = {"loss.diversity": [2, 4], "loss.smoothness": [0.5, 0.75, 1]}


def test_the_whole_grid_with_every_seed() -> None:
    members = first_members(None, seed=7, settings=BASE, grid=GRID, seeds=5)
    assert [member.number for member in members] == list(range(30))
    plain = [
        (seed, diversity, smoothness)
        for seed in range(7, 12)
        for diversity in GRID["loss.diversity"]
        for smoothness in GRID["loss.smoothness"]
    ]
    assert [(m.seed, m.settings["loss.diversity"], m.settings["loss.smoothness"]) for m in members] == plain
    assert all(member.settings["loss.slope"] == 0 and member.parent is None and member.born == 0 for member in members)


@pytest.mark.parametrize(("count", "points"), [(4, 4), (6, 6), (8, 6)])
def test_as_many_as_wanted_go_through_the_grid_first(count: int, points: int) -> None:
    members = first_members(count, seed=0, settings=BASE, grid=GRID, seeds=5)
    assert len(members) == count
    assert len({tuple(member.settings.values()) for member in members}) == points
    assert [member.seed for member in members] == [index // 6 for index in range(count)]


def test_without_a_grid_members_differ_by_seed() -> None:
    members = first_members(3, seed=5, settings=BASE, grid={}, seeds=1)
    assert [member.seed for member in members] == [5, 6, 7] and all(member.settings == BASE for member in members)
    assert len(first_members(None, seed=5, settings=BASE, grid={}, seeds=1)) == 1


def test_a_mutated_copy() -> None:
    parent = Member(3, 11, BASE)
    child, again, other = (mutated(parent, number=number, born=200, factors=[0.8, 1.25]) for number in (9, 9, 10))
    assert child == again and child.seed not in (parent.seed, other.seed)
    assert (child.number, child.born, child.parent) == (9, 200, 3)
    assert child.settings["loss.slope"] == 0
    assert {child.settings[name] / value for name, value in BASE.items() if value} <= {0.8, 1.25}
    assert parent.settings == BASE


def test_children_try_every_factor() -> None:
    parent = Member(0, 1, BASE)
    factors = [mutated(parent, number=n, born=0, factors=[0.8, 1.25]).settings["loss.diversity"] / 4 for n in range(40)]
    assert 8 < factors.count(0.8) < 32 and factors.count(0.8) + factors.count(1.25) == 40


def test_a_member_survives_json() -> None:
    child = mutated(Member(3, 11, BASE), number=9, born=200, factors=[0.8, 1.25])
    assert Member(**json.loads(json.dumps(asdict(child)))) == child


def test_a_setting_of_all_members() -> None:
    members = first_members(None, seed=0, settings=BASE, grid=GRID, seeds=1)
    assert setting(members, "loss.smoothness", torch.device("cpu")).tolist() == [0.5, 0.75, 1] * 2
