"""wav2vec 2.0: tell the true code of a hidden frame from those of other frames (Baevski et al. 2020).

The network is transformers' ``Wav2Vec2ForPreTraining``; the loss is ours, because it works on hidden frames alone and by
products of matrices, where the stock forward gathers 100 vectors for every frame. Both agree.

Shapes: B waveforms, T samples, N frames, H hidden ones of each row, G codebooks of E entries, K distractors.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Wav2Vec2ForPreTraining

from wavu.pretraining.crops import CropBatch
from wavu.pretraining.masks import distractors, masked_places, spread
from wavu.training import Numbers


class Contrastive(nn.Module):
    """A wav2vec 2.0 network in front of its task."""

    def __init__(
        self,
        model: Wav2Vec2ForPreTraining,
        *,
        mask: dict,
        distractors: int,
        similarity_temperature: float,
        diversity: float,
        gumbel: dict,
    ) -> None:
        """mask: of ``masked_places``. distractors: K. similarity_temperature: what cosines are divided by. diversity: weight
        of the loss that wants all codes used. gumbel: temperature of the choice of codes, from ``first`` to ``last``, where it
        is after the share ``reached`` of the updates.
        """
        super().__init__()
        self.model, self.mask, self.distractors = model, mask, distractors
        self.similarity_temperature, self.diversity, self.gumbel = similarity_temperature, diversity, gumbel

    def learn(self, network: nn.Module, batch: CropBatch, progress: float) -> tuple[Tensor, Numbers]:
        """The loss of a batch, see :data:`wavu.training.Learn`. network: self, perhaps wrapped."""
        device = self.model.device
        waveforms = batch.waveforms.to(device)
        n = int(self.model._get_feat_extract_output_lengths(waveforms.shape[1]))
        places = masked_places((len(waveforms), n), device=device, **self.mask)
        loss, numbers = network(waveforms, places, distractors(places, self.distractors), temperature_at(progress, **self.gumbel))
        return loss, {name: value.item() for name, value in numbers.items()}

    def forward(self, waveforms: Tensor, places: Tensor, others: Tensor, temperature: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss per hidden frame, and its parts.

        waveforms (B, T). places (B, H): hidden frames. others (B, H, K): columns of places. ``accuracy``: share of hidden
        frames whose own code is nearest; ``chance``: what drawing would give; ``gain``: nats by which the guess is better than
        drawing. A distractor with the very code of the frame does not count, so that collapsed codes give no gain.
        """
        model = self.model
        hidden = spread(places, int(model._get_feat_extract_output_lengths(waveforms.shape[1])))
        heard = model.wav2vec2(waveforms, mask_time_indices=hidden)
        context = model.project_hid(at(heard.last_hidden_state, places))
        vectors, codes, perplexity = self.quantise(model.dropout_features(at(heard.extract_features, places)), temperature)
        logits, rivals = self.compare(context, model.project_q(vectors), codes, others)
        contrastive = F.cross_entropy(logits.flatten(0, 1), torch.zeros_like(rivals).flatten())
        entries = model.config.num_codevector_groups * model.config.num_codevectors_per_group
        unused = (entries - perplexity) / entries
        numbers = {
            "contrastive": contrastive,
            "diversity": unused,
            "perplexity": perplexity,
            "accuracy": (logits.argmax(-1) == 0).float().mean(),
            "chance": (1 / (1 + rivals)).mean(),
            "gain": (1 + rivals).log().mean() - contrastive,
        }
        return contrastive + self.diversity * unused, {name: value.detach() for name, value in numbers.items()}

    def quantise(self, features: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
        """Features (B, H, C) -> their code vectors (B, H, D), codes (B, H, G), and the perplexity of the codebooks, G to G E.

        While training, codes are drawn by Gumbel softmax; perplexity is that of their mean probabilities (section 3.2).
        """
        quantizer = self.model.quantizer
        B, H, _ = features.shape
        G, E = quantizer.num_groups, quantizer.num_vars
        logits = quantizer.weight_proj(features).float().view(B, H, G, E)
        if self.training:
            chosen, used = F.gumbel_softmax(logits, tau=temperature, hard=True), logits.softmax(-1)
        else:
            chosen = used = F.one_hot(logits.argmax(-1), E).float()
        vectors = torch.einsum("bhge,ged->bhgd", chosen, quantizer.codevectors.view(G, E, -1).float()).flatten(2)
        mean = used.mean((0, 1))
        return vectors, chosen.argmax(-1), torch.exp(-(mean * (mean + 1e-7).log()).sum(-1)).sum()

    def compare(self, context: Tensor, vectors: Tensor, codes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, H, 1 + K) of the true code and of the distractors (equation 3), and how many of these count (B, H)."""
        similarity = F.normalize(context.float(), dim=-1) @ F.normalize(vectors.float(), dim=-1).transpose(1, 2)
        true = similarity.diagonal(dim1=1, dim2=2).unsqueeze(-1)
        same = (codes[:, :, None] == codes[:, None]).all(-1).gather(2, others)
        false = similarity.gather(2, others).masked_fill(same, -math.inf)
        return torch.cat([true, false], dim=-1) / self.similarity_temperature, (~same).sum(-1)


def at(rows: Tensor, places: Tensor) -> Tensor:
    """Frames (B, N, C) at places (B, H): (B, H, C)."""
    return rows.gather(1, places[..., None].expand(-1, -1, rows.shape[-1]))


def temperature_at(progress: float, *, first: float, last: float, reached: float) -> float:
    """Falls geometrically from ``first`` to ``last``, where it is after the share ``reached`` of the updates, and stays."""
    return first * (last / first) ** min(1.0, progress / reached)
