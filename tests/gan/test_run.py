"""A run keeps the best generator there was, gives places away, and comes back from a checkpoint to the bit."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.gan.crowd import crowd, different, heard_batches, play, same, state
from wavu.errors import WavuError
from wavu.gan.run import Run


def rows(run: Run, scores: list[float], failed: dict[int, str] | None = None) -> list[dict]:
    """What an exam would say; failed: whom it calls so, by number."""
    members = [member.number for member in run.population.members]
    return [
        {"update": run.population.update, "member": number, "score": score, "suspected_failed": (failed or {}).get(number)}
        for number, score in zip(members, scores, strict=True)
    ]


def test_the_best_generator_is_kept_as_it_was_then() -> None:
    run = Run(crowd(different(3)))
    run.note(rows(run, [3.0, 1.0, 2.0]))
    then = run.population.generator.network.kernel[1:2].detach().numpy().copy()
    play(run.population, heard_batches("segments"), 4)
    run.note(rows(run, [1.5, 1.2, 1.1]))
    assert run.best["member"] == 1 and run.best["update"] == 0 and np.array_equal(run.weights["kernel"], then)
    assert run.standing() == "best score 1.000, member 1 at 0"
    assert [row["score"] for row in run.newest()] == [1.5, 1.2, 1.1]


def test_the_place_of_the_collapsed_goes_to_a_copy_of_somebody_good() -> None:
    run = Run(crowd(different(3)))
    now = rows(run, [1.0, 2.0, 3.0], {2: "collapsed"})
    run.note(now)
    run.replace_collapsed(now, [0.8, 1.25])
    child = run.population.members[2]
    assert child.number == 3 and child.parent in (0, 1) and run.stopped == {2: "collapsed"} and run.newcomer() == 4
    kernel = run.population.generator.network.kernel
    assert torch.equal(kernel[2], kernel[child.parent])
    assert run.newest()[2]["score"] == [1.0, 2.0][child.parent]


def test_where_nobody_is_good_nobody_is_replaced() -> None:
    run = Run(crowd(different(2)))
    run.replace_collapsed(rows(run, [1.0, 2.0], {0: "collapsed", 1: "collapsed"}), [1.25])
    assert [member.number for member in run.population.members] == [0, 1] and not run.stopped


def test_the_broken_are_stopped_alone_and_all_of_them_are_an_error() -> None:
    run = Run(crowd(different(3)))
    run.population.generator.network.kernel.data[1, 0, 0, 0] = torch.nan
    run.stop_broken()
    assert [member.number for member in run.population.members] == [0, 2] and "not finite" in run.stopped[1]
    run.population.generator.network.kernel.data[:] = torch.inf
    with pytest.raises(WavuError, match="no member's losses are finite"):
        run.stop_broken()


def test_a_checkpoint_brings_everything_back(tmp_path: Path) -> None:
    drawn = heard_batches("segments")
    run = Run(crowd(different(3)))
    play(run.population, drawn, 3)
    run.note(rows(run, [3.0, 1.0, 2.0]))
    run.population.generator.network.kernel.data[2] = torch.nan
    run.stop_broken()
    run.save(tmp_path / "last.safetensors")
    back = Run(crowd(different(3)))
    back.resume(tmp_path / "last.safetensors")
    assert same(state(back.population), state(run.population)) and back.population.members == run.population.members
    assert (back.rows, back.stopped, back.best) == (run.rows, run.stopped, run.best)
    assert back.weights.keys() == run.weights.keys() and np.array_equal(back.weights["kernel"], run.weights["kernel"])
    play(run.population, drawn, 2)
    play(back.population, drawn, 2)
    assert same(state(back.population), state(run.population))
