"""Names for clusters of segments from counts alone: P^T C P = T, where P says which phone a cluster is.

C counts pairs of clusters some segments apart, T pairs of phones in text that went through the channel. Independence is not
needed, only that a cluster mostly belongs to one phone; emission models E^T T E = C need it and fail on people, whose sounds
say which phones stand around them. The distance is L1, as in ESPUM (Wang et al. 2023), over all of the corpus. Single
starts mostly end in wrong optima, which their higher loss betrays: hundreds are run in batches, and the least loss is kept.
Shapes: K clusters, V phones, J lags, R restarts.
"""

from collections.abc import Callable

import torch
from torch import Tensor

_BATCH = 40  # restarts side by side; more are no faster


def n_reports(*, restarts: int, steps: int) -> int:
    """How often ``find_table`` reports."""
    return -(-restarts // _BATCH) * steps


def find_table(
    heard: Tensor,
    said: Tensor,
    *,
    restarts: int,
    steps: int,
    learning_rate: float,
    generator: torch.Generator,
    report: Callable[[int], None] = lambda steps: None,
) -> tuple[Tensor, Tensor]:
    """P (R, K, V), rows summing to one, and their losses (R), least first, by Adam whose rate falls to a tenth.

    heard (J, K, K), said (J, V, V): shares of pairs, each matrix summing to one.
    """
    tables, losses = [], []
    for start in range(0, restarts, _BATCH):
        size = (min(_BATCH, restarts - start), heard.shape[-1], said.shape[-1])
        logits = torch.randn(size, generator=generator).requires_grad_()
        optimiser = torch.optim.Adam([logits], lr=learning_rate)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, total_iters=steps)
        for _ in range(steps):
            loss = distance(torch.softmax(logits, -1), heard, said)
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
            schedule.step()
            report(1)
        tables.append(torch.softmax(logits, -1).detach())
        losses.append(distance(tables[-1], heard, said))
    order = torch.cat(losses).argsort()
    return torch.cat(tables)[order], torch.cat(losses)[order]


def distance(table: Tensor, heard: Tensor, said: Tensor) -> Tensor:
    """L1 distance (R), mean over lags, of P^T C P from T; table (R, K, V)."""
    halfway = torch.einsum("jab,rbv->rjav", heard, table)
    named = torch.einsum("rau,rjav->rjuv", table, halfway)
    return (named - said).abs().sum((-1, -2)).mean(-1)
