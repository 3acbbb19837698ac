"""A run of a population as it stands: the scores so far, who was stopped and why, the best generator; and its checkpoints."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch

from wavu.errors import WavuError
from wavu.gan.members import Member, mutated
from wavu.gan.population import Population
from wavu.progress import say
from wavu.store import read_tensors, write_tensors
from wavu.training import best


@dataclass
class Run:
    """A training run as it stands.

    rows: one per validation and member. stopped: members that are no more, by number, and why. best: the best row of all, and
    weights (M = 1): that generator as it was then.
    """

    population: Population
    rows: list[dict] = field(default_factory=list)
    stopped: dict[int, str] = field(default_factory=dict)
    best: dict | None = None
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, rows: list[dict]) -> None:
        """Take down rows of scores, and keep the generator of the best of all."""
        self.rows += rows
        winner = best(rows)
        if self.best is None or winner["score"] < self.best["score"]:
            index = [member.number for member in self.population.members].index(winner["member"])
            state = self.population.generator.network.state_dict()
            self.best, self.weights = (
                winner,
                {name: value[index : index + 1].cpu().numpy().copy() for name, value in state.items()},
            )

    def newcomer(self) -> int:
        """A number that no member has had."""
        return 1 + max([row["member"] for row in self.rows] + [member.number for member in self.population.members])

    def standing(self) -> str:
        """The best so far, in words."""
        return f"best score {self.best['score']:.3f}, member {self.best['member']} at {self.best['update']:,}"

    def stop_broken(self) -> None:
        """Members that are no longer made of numbers are stopped, alone.

        Raises:
            WavuError: nobody is left.
        """
        population = self.population
        sound = population.finite().tolist()
        for member, fine in zip(population.members, sound, strict=True):
            if not fine:
                self.stopped[member.number] = f"training broke down by update {population.update:,}: not finite"
                say(f"member {member.number} is stopped: {self.stopped[member.number]}; the others go on")
        if not any(sound):
            raise WavuError(
                f"training broke down by update {population.update:,}: no member's losses are finite; lower the learning rates, then run again with overwrite=true"
            )
        if not all(sound):
            population.keep([row for row, fine in enumerate(sound) if fine])

    def replace_collapsed(self, rows: list[dict], factors: list[float]) -> None:
        """A collapsed member's place goes to a mutated copy of a good one, drawn by the number of the newcomer.

        rows: the newest scores, one per member. factors: of a copy's settings.
        """
        population = self.population
        good = [index for index, row in enumerate(rows) if not row["suspected_failed"]]
        for index, row in enumerate(rows):
            if not good or not row["suspected_failed"]:
                continue
            number = self.newcomer()
            parent_row = good[number % len(good)]
            child = mutated(population.members[parent_row], number=number, born=population.update, factors=factors)
            self.stopped[row["member"]] = row["suspected_failed"]
            say(
                f"member {row['member']} is stopped: {row['suspected_failed']}; member {number} takes its place, a copy of {child.parent}"
            )
            population.give_place(index, parent_row, child)
            self.note([rows[parent_row] | {"member": number}])

    def newest(self) -> list[dict]:
        """The last row of every living member, for people to look at."""
        last = {row["member"]: row for row in self.rows}
        return [last[each.number] | {"seed": each.seed, "settings": each.settings} for each in self.population.members]

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        tensors = {name: value.detach().cpu().numpy() for name, value in self.population.tensors().items()}
        members = [asdict(member) for member in self.population.members]
        about = {
            "update": self.population.update,
            "members": members,
            "rows": self.rows,
            "stopped": self.stopped,
            "best": self.best,
        }
        write_tensors(path, tensors | {f"best.{name}": value for name, value in self.weights.items()}, about)

    def resume(self, path: Path) -> None:
        """Go back to a checkpoint."""
        tensors, about = read_tensors(path)
        device, members = self.population.device, [Member(**member) for member in about["members"]]
        self.population.keep(range(len(members)))
        self.population.appoint(members)
        self.weights = {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
        now = {name: torch.from_numpy(value).to(device) for name, value in tensors.items() if not name.startswith("best.")}
        self.population.restore(now, about["update"])
        self.rows, self.best = about["rows"], about["best"]
        self.stopped = {int(number): why for number, why in about["stopped"].items()}
