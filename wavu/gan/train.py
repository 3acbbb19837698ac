"""Two players, each with its own step; each step returns its losses as a flat dict of named numbers."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wavu.gan import losses
from wavu.gan.batches import Batch
from wavu.gan.model import Discriminator, Generator, join
from wavu.gan.noise import Noise


@dataclass(frozen=True)
class Player:
    """A network and its optimiser."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    clip_norm: float

    @classmethod
    def of(
        cls,
        network: nn.Module,
        *,
        learning_rate: float,
        weight_decay: float,
        betas: tuple[float, float],
        epsilon: float,
        clip_norm: float,
    ) -> "Player":
        """A player with Adam and decoupled weight decay; clip_norm: greatest norm of a member's gradient."""
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=learning_rate, betas=tuple(betas), eps=epsilon, weight_decay=weight_decay, fused=True
        )
        return cls(network, optimizer, clip_norm)

    def follow(self, loss: Tensor) -> Tensor:
        """One update down a loss (M); returns the norm of each member's gradient before clipping (M).

        Changed on purpose: the original clips both networks' gradients by their joint norm and then throws one of them
        away; here only the gradients of the player on the move are computed, and clipped by their own norm.
        """
        parameters = list(self.network.parameters())
        gradients = torch.autograd.grad(loss.sum(), parameters)
        norm = torch.stack([gradient.reshape(len(loss), -1).square().sum(1) for gradient in gradients]).sum(0).sqrt()
        scale = self.clip_norm / norm.clamp(min=self.clip_norm)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient * scale.view(-1, *[1] * (gradient.ndim - 1))
        self.optimizer.step()
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Weights and the optimiser's memory, by name."""
        memory = self.optimizer.state_dict()["state"]
        named = {f"optimizer.{index}.{key}": value for index, values in memory.items() for key, value in values.items()}
        return {f"network.{name}": value for name, value in self.network.state_dict().items()} | named

    def restore(self, tensors: dict[str, Tensor]) -> None:
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


def discriminator_step(
    generator: Generator, discriminator: Player, batch: Batch, noise: Noise, *, gradient_penalty: float, slope: float
) -> dict[str, Tensor]:
    """The discriminator learns to tell made-up phones from real ones. Values (M).

    gradient_penalty: weight of that term. slope: the slope it asks for.
    """
    with torch.no_grad():
        logits, lengths = join(generator(batch.segments, noise), batch.lengths, noise)
        made = logits.softmax(-1)
    critic = discriminator.network.critic()
    shorter = torch.minimum(lengths, batch.phone_lengths)
    terms = {
        "discriminator/made_up": losses.called_made_up(critic(made, lengths)),
        "discriminator/real": losses.called_real(critic(batch.phones, batch.phone_lengths)),
        "discriminator/gradient_penalty": losses.gradient_penalty(
            critic, batch.phones, made, shorter, noise.uniform(made.shape[1]), slope=slope
        ),
    }
    weights = {"discriminator/gradient_penalty": gradient_penalty}
    return _play(discriminator, terms, weights, "discriminator/gradient_norm")


def generator_step(
    generator: Player, discriminator: Discriminator, batch: Batch, noise: Noise, *, diversity: float, smoothness: float
) -> dict[str, Tensor]:
    """The generator learns to make up phones that pass for real. Values (M); the keywords weigh their terms."""
    logits, lengths = join(generator.network(batch.segments, noise), batch.lengths, noise)
    scores = discriminator(logits.softmax(-1), lengths)
    terms = {
        "generator/passes": losses.called_real(scores),
        "generator/diversity": losses.diversity(logits, lengths),
        "generator/smoothness": losses.smoothness(logits, lengths),
    }
    weights = {"generator/diversity": diversity, "generator/smoothness": smoothness}
    return _play(generator, terms, weights, "generator/gradient_norm")


def _play(player: Player, terms: dict[str, Tensor], weights: dict[str, float], norm_name: str) -> dict[str, Tensor]:
    """Follow the weighted sum of the terms (weight 1 where none is given); the terms and the norm of the gradient."""
    norm = player.follow(sum(weights.get(name, 1.0) * term for name, term in terms.items()))
    return {name: term.detach() for name, term in terms.items()} | {norm_name: norm}
