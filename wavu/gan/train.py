"""Two players, each with its own step; each step returns its losses as a flat dict of named numbers, one per member (M)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wavu.gan import losses
from wavu.gan.batches import Batch
from wavu.gan.discriminator import Discriminator
from wavu.gan.generator import Generator
from wavu.gan.join import join
from wavu.gan.noise import Noise
from wavu.gan.windows import padded_to_longest


@dataclass(frozen=True)
class Player:
    """M networks and their optimiser. learning_rates (M); clip_norm: greatest norm of a member's gradient."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    learning_rates: Tensor
    clip_norm: float

    @classmethod
    def of(
        cls,
        network: nn.Module,
        *,
        learning_rates: Tensor,
        weight_decay: float,
        betas: tuple[float, float],
        epsilon: float,
        clip_norm: float,
    ) -> "Player":
        """A player with Adam and decoupled weight decay."""
        # A rate of 1, so that each member's own can be applied to the whole step afterwards.
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=1.0, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay, fused=True
        )
        return cls(network, optimizer, learning_rates, clip_norm)

    def follow(self, loss: Tensor, *, beside: nn.Module | None = None) -> Tensor:
        """One update down a loss (M); returns the norm of each member's gradient before clipping (M).

        Changed on purpose: the original clips both networks' gradients by their joint norm and then throws one of them
        away; here only the gradients of the player on the move are computed, and clipped by their own norm. beside: the
        other network, whose gradients shall count as in the original.
        """
        own = list(self.network.parameters())
        both = own + (list(beside.parameters()) if beside else [])
        gradients = torch.autograd.grad(loss.sum(), both, materialize_grads=True)
        norm = torch.stack([gradient.reshape(len(loss), -1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
        scale = self.clip_norm / norm.clamp(min=self.clip_norm)
        before = [parameter.detach().clone() for parameter in own]
        for parameter, gradient in zip(own, gradients, strict=False):
            # Contiguous as the parameter: the fused optimiser goes through both in the order of memory, whatever their strides.
            parameter.grad = (gradient * _along(scale, gradient)).contiguous()
        self.optimizer.step()
        with torch.no_grad():
            for parameter, start in zip(own, before, strict=True):
                parameter.copy_(torch.lerp(start, parameter, _along(self.learning_rates, parameter)))
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Weights and the optimiser's memory, by name; all but its counter of steps lead with M."""
        memory = self.optimizer.state_dict()["state"]
        named = {f"optimizer.{index}.{key}": value for index, values in memory.items() for key, value in values.items()}
        return {f"network.{name}": value for name, value in self.network.state_dict().items()} | named

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go back to what :meth:`tensors` gave."""
        state = self.optimizer.state_dict()
        for name, value in tensors.items():
            part, _, rest = name.partition(".")
            if part == "optimizer":
                index, _, key = rest.partition(".")
                state["state"].setdefault(int(index), {})[key] = value
        self.network.load_state_dict(
            {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        )
        self.optimizer.load_state_dict(state)


@dataclass(frozen=True)
class Rules:
    """What holds for all members: the repaired arithmetic, or the original's where it slips.

    padding_counts: penalty and means run over padding too. joint_clipping: the norm a gradient is clipped by is that of both
    networks' gradients.
    """

    padding_counts: bool
    joint_clipping: bool


def discriminator_step(
    generator: Generator, discriminator: Player, batch: Batch, noise: Noise, rules: Rules, settings: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The discriminator learns to tell made-up phones from real ones. Values (M).

    settings: of the losses, by name (M): the weight of each term that counts, and the slope that the gradient penalty asks for.
    """
    with torch.set_grad_enabled(rules.joint_clipping):
        heard = generator(batch.inputs, batch.lengths, noise)
        logits, lengths = join(heard.logits, heard.lengths, noise)
    critic = discriminator.network.critic()
    made, real = critic.hear(logits.softmax(-1)), critic.read(batch.phones)
    size = min(made.shape[2], real.shape[2])
    share = noise.uniform(made.shape[1])[..., None, None]
    between = share * real[:, :, :size] + (1 - share) * made[:, :, :size]
    # Changed: judged up to the end of the shorter of each pair, not up to that of the shorter of the two padded batches.
    shorter = torch.minimum(
        *(padded_to_longest(each) if rules.padding_counts else each for each in (lengths, batch.phone_lengths))
    )
    judged = losses.Judged(critic, between, shorter, settings)
    answers = {
        "made_up": losses.called_made_up(critic.score(made, lengths)),
        "real": losses.called_real(critic.score(real, batch.phone_lengths)),
    }
    terms = {name: term(judged) for name, term in losses.DISCRIMINATOR_TERMS.items() if name in settings}
    return _play("discriminator", discriminator, generator if rules.joint_clipping else None, answers, terms, settings)


def generator_step(
    generator: Player, discriminator: Discriminator, batch: Batch, noise: Noise, rules: Rules, settings: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The generator learns to make up phones that pass for real. Values (M); settings as for the discriminator."""
    heard = generator.network(batch.inputs, batch.lengths, noise)
    logits, lengths = join(heard.logits, heard.lengths, noise)
    with torch.set_grad_enabled(rules.joint_clipping):
        critic = discriminator.critic()
    made_up = losses.MadeUp(logits, lengths, heard.targets, batch.targets, batch.lengths, rules.padding_counts)
    answers = {"passes": losses.called_real(critic(logits.softmax(-1), lengths))}
    terms = {name: term(made_up) for name, term in losses.GENERATOR_TERMS.items() if name in settings}
    return _play("generator", generator, discriminator if rules.joint_clipping else None, answers, terms, settings)


def _play(
    name: str,
    player: Player,
    beside: nn.Module | None,
    answers: dict[str, Tensor],
    terms: Mapping[str, Tensor | None],
    weights: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Follow the sum of the answers and of the terms by their weights; all of these and the norm of the gradient, as ``name/...``."""
    known = {term: value for term, value in terms.items() if value is not None}
    norm = player.follow(sum([*answers.values(), *(weights[term] * value for term, value in known.items())]), beside=beside)
    return {f"{name}/{part}": value.detach() for part, value in (answers | known | {"gradient_norm": norm}).items()}


def _along(members: Tensor, like: Tensor) -> Tensor:
    """(M) -> (M, 1, ..., 1), to be multiplied with a tensor that leads with M."""
    return members.view(-1, *[1] * (like.ndim - 1))
