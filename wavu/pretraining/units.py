"""HuBERT: guess the acoustic unit of hidden frames (Hsu et al. 2021).

Shapes: B waveforms, T samples, N frames, H hidden ones of each row, K units.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import HubertModel

from wavu.pretraining.contrastive import at
from wavu.pretraining.crops import CropBatch
from wavu.pretraining.masks import masked_places, spread
from wavu.training import Numbers


class MaskedUnits(nn.Module):
    """A HuBERT network in front of its task: a projection whose cosine with a vector of each unit tells the unit."""

    def __init__(self, model: HubertModel, *, units: int, mask: dict, width: int, similarity_temperature: float) -> None:
        """units: K. mask: of ``masked_places``. width: of the projection. similarity_temperature: what cosines are divided by."""
        super().__init__()
        self.model, self.mask, self.similarity_temperature = model, mask, similarity_temperature
        self.project = nn.Linear(model.config.hidden_size, width)
        self.vectors = nn.Parameter(torch.rand(units, width))

    def learn(self, network: nn.Module, batch: CropBatch, progress: float) -> tuple[Tensor, Numbers]:
        """The loss of a batch, see :data:`wavu.training.Learn`. network: self, perhaps wrapped."""
        waveforms, units = batch.waveforms.to(self.model.device), batch.units.to(self.model.device)
        places = masked_places(tuple(units.shape), device=units.device, **self.mask)
        loss, numbers = network(waveforms, places, units.gather(1, places))
        return loss, {name: value.item() for name, value in numbers.items()}

    def forward(self, waveforms: Tensor, places: Tensor, units: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss per hidden frame (equation 3, of hidden frames alone: alpha is 1), and what tells how good it is.

        waveforms (B, T). places (B, H): hidden frames; units (B, H): theirs. ``chance``: the share of the most frequent unit.
        ``gain``: nats by which the guess is better than knowing how often each unit is heard in these frames.
        """
        n = int(self.model._get_feat_extract_output_lengths(waveforms.shape[1]))
        heard = self.model(waveforms, mask_time_indices=spread(places, n)).last_hidden_state
        projected = F.normalize(self.project(at(heard, places)).float(), dim=-1)
        logits = projected @ F.normalize(self.vectors.float(), dim=-1).T / self.similarity_temperature
        loss = F.cross_entropy(logits.flatten(0, 1), units.flatten())
        share = torch.bincount(units.flatten(), minlength=len(self.vectors)) / units.numel()
        numbers = {
            "accuracy": (logits.argmax(-1) == units).float().mean(),
            "chance": share.max(),
            "gain": torch.special.entr(share).sum() - loss,
        }
        return loss, {name: value.detach() for name, value in numbers.items()}
