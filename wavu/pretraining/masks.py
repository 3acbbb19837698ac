"""Which frames are hidden from a network that is to guess them (Baevski et al. 2020, section 3.1)."""

import torch
from torch import Tensor
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices


def masked_places(shape: tuple[int, int], *, share: float, length: int, device: torch.device) -> Tensor:
    """Places (B, H) of the hidden frames of B rows of N frames, ascending; as many in each row, so that rows make a matrix.

    share: of the frames at which a span of ``length`` would begin, times its length; spans overlap, so that 0.65 hides about
    49 %. Drawn by transformers from numpy's global chance; where a row has more than another, neighbours are uncovered.
    """
    hidden = torch.from_numpy(_compute_mask_indices(shape, mask_prob=share, mask_length=length, min_masks=1))
    count = hidden.sum(1, keepdim=True)
    turned = (hidden.cumsum(1) + (torch.rand(shape[0], 1) * count).long()) % count
    kept = hidden & (turned >= count - count.min())
    return kept.nonzero()[:, 1].view(shape[0], -1).to(device)


def spread(places: Tensor, n: int) -> Tensor:
    """Places (B, H) as a mask (B, N) bool."""
    return torch.zeros(len(places), n, dtype=torch.bool, device=places.device).scatter_(1, places, True)


def distractors(places: Tensor, count: int) -> Tensor:
    """For each hidden frame others of its row, drawn evenly, none itself: columns (B, H, count) of ``places`` (B, H), H at least 2."""
    B, H = places.shape
    drawn = torch.randint(H - 1, (B, H, count), device=places.device)
    return drawn + (drawn >= torch.arange(H, device=places.device)[:, None])
