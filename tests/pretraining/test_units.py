"""The units task: the loss is plain cross entropy of hidden frames, and planted units are learned."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.pretraining.toy import NETWORK, chirps
from wavu.pretraining.crops import CropBatch
from wavu.pretraining.masks import spread
from wavu.pretraining.network import new_network
from wavu.pretraining.units import MaskedUnits


def task() -> MaskedUnits:
    torch.manual_seed(0)
    model = new_network("hubert", NETWORK)
    return MaskedUnits(model, units=4, mask={"share": 0.65, "length": 3}, width=16, similarity_temperature=0.1)


def test_the_loss_is_cross_entropy_of_cosines_at_hidden_frames() -> None:
    ours = task().eval()
    waveforms, places = torch.randn(2, 8_000), torch.tensor([[1, 4, 9], [0, 2, 3]])
    units = torch.tensor([[0, 1, 1], [3, 1, 1]])
    loss, numbers = ours(waveforms, places, units)
    n = int(ours.model._get_feat_extract_output_lengths(8_000))
    heard = ours.model(waveforms, mask_time_indices=spread(places, n)).last_hidden_state
    plain, right = [], 0
    for row in range(2):
        for place, unit in zip(places[row], units[row], strict=True):
            cosines = F.cosine_similarity(ours.project(heard[row, place])[None], ours.vectors) / 0.1
            plain.append(F.cross_entropy(cosines[None], unit[None]).item())
            right += int(cosines.argmax() == unit)
    assert loss.item() == pytest.approx(np.mean(plain), rel=1e-4)
    assert numbers["accuracy"].item() == pytest.approx(right / 6) and numbers["chance"].item() == pytest.approx(4 / 6)
    entropy = -(4 / 6 * np.log(4 / 6) + 2 * 1 / 6 * np.log(1 / 6))
    assert numbers["gain"].item() == pytest.approx(entropy - np.mean(plain), rel=1e-4)


def test_planted_units_are_learned() -> None:
    """The unit is the tone that is heard, and tones follow each other in one order: hidden ones can be told."""
    ours = task()
    waveforms = chirps(12, 2.0, seed=0)
    n = int(ours.model._get_feat_extract_output_lengths(waveforms.shape[1]))
    middles = np.arange(n) * 320 + 200
    spectra = np.abs(np.fft.rfft([[row[middle - 160 : middle + 160] for middle in middles] for row in waveforms]))
    units = torch.from_numpy(np.digitize(spectra.argmax(-1) * 50.0, [650, 1_450, 2_750]))
    optimiser = torch.optim.Adam(ours.parameters(), lr=5e-3)
    np.random.seed(0)  # noqa: NPY002 - as the trainer does
    for _ in range(60):
        loss, numbers = ours.learn(ours, CropBatch(torch.from_numpy(waveforms), units), 0.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert numbers["accuracy"] > 0.6 > 1.5 * numbers["chance"] and numbers["gain"] > 0.4
