"""Many GANs side by side as they stand after an update: they take turns together, and places are given away between updates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from wavu.gan.batches import Batch
from wavu.gan.members import Member, setting
from wavu.gan.noise import Noise
from wavu.gan.train import Player, Rules, discriminator_step, generator_step

_MEMORY = 0.95  # of the smoothed losses, from one step of a player to its next


@dataclass
class Population:
    """M members and their two players; row m of every tensor belongs to member m.

    update: number of the last one made. losses: each term's running mean (M), which stays not finite once it was.
    """

    members: list[Member]
    generator: Player
    discriminator: Player
    rules: Rules
    head_start: int
    update: int = 0
    losses: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.appoint(self.members)

    @property
    def seeds(self) -> list[int]:
        """Of the members, in order."""
        return [member.seed for member in self.members]

    @property
    def device(self) -> torch.device:
        """Where they are trained."""
        return self.generator.learning_rates.device

    def train(self, batch: Batch) -> dict[str, Tensor]:
        """The next update; its losses (M). The discriminators have their head start, then the players take turns."""
        self.update += 1
        noise = Noise(self.seeds, self.update, self.device)
        if self.update > self.head_start and self.update % 2:
            terms = generator_step(self.generator, self.discriminator.network, batch, noise, self.rules, self._loss)
        else:
            terms = discriminator_step(self.generator.network, self.discriminator, batch, noise, self.rules, self._loss)
        self.losses |= {
            name: torch.lerp(value, self.losses[name], _MEMORY) if name in self.losses else value for name, value in terms.items()
        }
        return terms

    def finite(self) -> Tensor:
        """Which members are still made of numbers (M) bool."""
        sound = torch.ones(len(self.members), dtype=torch.bool, device=self.device)
        leading = [value for player in (self.generator, self.discriminator) for value in player.network.state_dict().values()]
        for value in [*leading, *self.losses.values()]:
            sound &= value.reshape(len(sound), -1).isfinite().all(1)
        return sound

    def keep(self, rows: Sequence[int]) -> None:
        """Only these members go on."""
        kept = torch.tensor(rows, device=self.device)
        for name in ("generator", "discriminator"):
            setattr(self, name, _of_rows(getattr(self, name), kept))
        self.losses = {name: value[kept] for name, value in self.losses.items()}
        self.appoint([self.members[row] for row in rows])

    def give_place(self, row: int, parent_row: int, member: Member) -> None:
        """Put ``member`` into a row, with the weights, and the memory of them, of another row."""
        for player in (self.generator, self.discriminator):
            for value in player.tensors().values():
                if value.ndim and len(value) == len(self.members):
                    value.data[row] = value.data[parent_row]
        for value in self.losses.values():
            value[row] = value[parent_row]
        self.appoint([*self.members[:row], member, *self.members[row + 1 :]])

    def tensors(self) -> dict[str, Tensor]:
        """All that changes, by name, for a checkpoint."""
        named = {f"losses.{name}": value for name, value in self.losses.items()}
        for name in ("generator", "discriminator"):
            named |= {f"{name}.{key}": value for key, value in getattr(self, name).tensors().items()}
        return named

    def restore(self, tensors: Mapping[str, Tensor], update: int) -> None:
        """Go back to what :meth:`tensors` gave; the members must be those of then."""
        parts = {part: _part(tensors, f"{part}.") for part in ("losses", "generator", "discriminator")}
        self.losses, self.update = parts["losses"], update
        self.generator.restore(parts["generator"])
        self.discriminator.restore(parts["discriminator"])

    def appoint(self, members: list[Member]) -> None:
        """Say who is in which row; their settings become tensors (M)."""
        self.members = members
        names = [name for name in members[0].settings if name.startswith("loss.")]
        self._loss = {name.removeprefix("loss."): setting(members, name, self.device) for name in names}
        for name in ("generator", "discriminator"):
            rates = setting(members, f"{name}.learning_rate", self.device)
            setattr(self, name, replace(getattr(self, name), learning_rates=rates))


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _of_rows(player: Player, rows: Tensor) -> Player:
    """The player of some of the members."""
    kept = {name: value[rows] if value.ndim else value for name, value in player.tensors().items()}
    for module_value in [*player.network.parameters(), *player.network.buffers()]:
        module_value.data = module_value.data[rows]
    network: nn.Module = player.network
    group = player.optimizer.param_groups[0]
    fresh = Player.of(
        network,
        learning_rates=player.learning_rates[rows],
        weight_decay=group["weight_decay"],
        betas=group["betas"],
        epsilon=group["eps"],
        clip_norm=player.clip_norm,
    )
    fresh.restore(kept)
    return fresh
