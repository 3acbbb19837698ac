"""The contrastive task: equal to transformers' forward, honest about collapsed codes, and learnable."""

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2ForPreTraining

from tests.pretraining.toy import CODEBOOK, NETWORK, chirps
from wavu.pretraining.contrastive import Contrastive, temperature_at
from wavu.pretraining.crops import CropBatch
from wavu.pretraining.masks import distractors, masked_places, spread
from wavu.pretraining.network import new_network

SETTINGS = {
    "mask": {"share": 0.65, "length": 5}, "distractors": 30, "similarity_temperature": 0.1, "diversity": 0.1,
    "gumbel": {"first": 2.0, "last": 0.5, "reached": 0.7},
}  # fmt: skip


def task(seed: int = 0, **changed: object) -> Contrastive:
    torch.manual_seed(seed)
    return Contrastive(new_network("wav2vec2", NETWORK | CODEBOOK), **(SETTINGS | changed))


def drawn(shape: tuple[int, int], count: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 - as the trainer does
    places = masked_places(shape, share=0.65, length=5, device=torch.device("cpu"))
    return places, distractors(places, count)


def in_the_batch(places: torch.Tensor, others: torch.Tensor, n: int) -> torch.Tensor:
    """Distractors as transformers wants them: (B, N, K) numbers of frames in the flattened batch."""
    B = len(places)
    flat = torch.arange(B)[:, None] * n + places
    indices = torch.zeros(B, n, others.shape[-1], dtype=torch.long)
    for row in range(B):
        indices[row, places[row]] = flat[row][others[row]]
    return indices


@pytest.mark.parametrize("collapsed", [False, True])
def test_the_loss_is_that_of_transformers(collapsed: bool) -> None:
    ours = task().eval()
    if collapsed:  # many distractors then have the code of the frame
        torch.nn.init.zeros_(ours.model.quantizer.weight_proj.weight[4:])
    waveforms = torch.randn(3, 16_000)
    n = int(ours.model._get_feat_extract_output_lengths(16_000))
    places, others = drawn((3, n))
    loss, numbers = ours(waveforms, places, others, 1.0)
    stock = ours.model(waveforms, mask_time_indices=spread(places, n), sampled_negative_indices=in_the_batch(places, others, n))
    hidden = places.numel()
    assert loss.item() == pytest.approx(stock.loss.item() / hidden, rel=1e-4)
    assert numbers["contrastive"].item() == pytest.approx(stock.contrastive_loss.item() / hidden, rel=1e-4)
    assert numbers["perplexity"].item() == pytest.approx(stock.codevector_perplexity.item(), rel=1e-4)


@pytest.mark.parametrize("training", [False, True])
def test_codes_are_those_of_the_stock_quantiser(training: bool) -> None:
    """The same noise gives the same codes, and the perplexity is that of all frames where all are hidden."""
    ours = task().train(training)
    features = torch.randn(2, 9, ours.model.config.conv_dim[-1])
    quantizer = ours.model.quantizer
    quantizer.temperature = 1.3
    torch.manual_seed(3)
    expected, perplexity = quantizer(features, mask_time_indices=torch.ones(2, 9, dtype=torch.bool))
    torch.manual_seed(3)
    vectors, codes, found = ours.quantise(features, 1.3)
    torch.testing.assert_close(vectors, expected)
    torch.testing.assert_close(found, perplexity)
    table = quantizer.codevectors.view(quantizer.num_groups, quantizer.num_vars, -1)
    torch.testing.assert_close(torch.cat([table[group][codes[..., group]] for group in range(2)], dim=-1), expected)


def test_collapsed_codes_are_no_success() -> None:
    """With a single code every frame has it, and no distractor counts: the guess is always right, and chance is too."""
    ours = task().eval()
    with torch.no_grad():
        ours.model.quantizer.weight_proj.weight.zero_()
    n = int(ours.model._get_feat_extract_output_lengths(16_000))
    _, numbers = ours(torch.randn(2, 16_000), *drawn((2, n)), 1.0)
    assert numbers["accuracy"] == numbers["chance"] == 1.0 and numbers["gain"].item() == pytest.approx(0.0, abs=1e-6)
    assert numbers["perplexity"].item() == pytest.approx(2.0, rel=1e-3)


def test_who_knows_nothing_gains_nothing() -> None:
    ours = task().eval()
    with torch.no_grad():
        ours.model.project_hid.weight.zero_()
        ours.model.project_hid.bias.fill_(1.0)  # the context is the same everywhere
    n = int(ours.model._get_feat_extract_output_lengths(48_000))
    _, numbers = ours(torch.randn(2, 48_000), *drawn((2, n)), 1.0)
    assert numbers["gain"].item() < 0.0 and numbers["accuracy"].item() < 5 * numbers["chance"].item()


def test_more_is_guessed_than_by_chance_after_some_updates() -> None:
    ours = task()
    optimiser = torch.optim.Adam(ours.parameters(), lr=3e-3)
    batch = CropBatch(torch.from_numpy(chirps(12, 2.0, seed=0)), None)
    np.random.seed(0)  # noqa: NPY002 - as the trainer does
    for update in range(60):
        loss, numbers = ours.learn(ours, batch, update / 60)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert numbers["gain"] > 0.3 and numbers["accuracy"] > 3 * numbers["chance"] and numbers["perplexity"] > 4


def test_all_that_is_trained_gets_a_gradient() -> None:
    ours = task()
    loss, _ = ours.learn(ours, CropBatch(torch.randn(2, 16_000), None), 0.0)
    loss.backward()
    assert [name for name, weight in ours.named_parameters() if weight.grad is None] == []
    assert isinstance(ours.model, Wav2Vec2ForPreTraining)


def test_the_temperature_falls_and_stays() -> None:
    values = [temperature_at(share, first=2.0, last=0.5, reached=0.7) for share in (0.0, 0.35, 0.7, 1.0)]
    assert values == pytest.approx([2.0, 1.0, 0.5, 0.5])


@pytest.mark.gpu
def test_a_gpu_finds_the_same_loss() -> None:
    ours = task().eval()
    n = int(ours.model._get_feat_extract_output_lengths(16_000))
    waveforms, (places, others) = torch.randn(3, 16_000), drawn((3, n))
    on_cpu, _ = ours(waveforms, places, others, 1.0)
    there = [each.cuda() for each in (waveforms, places, others)]
    on_gpu, _ = ours.cuda()(*there, 1.0)
    assert on_gpu.item() == pytest.approx(on_cpu.item(), rel=1e-3)
    with torch.autocast("cuda", torch.bfloat16):
        rounded, _ = ours(*there, 1.0)
    assert rounded.item() == pytest.approx(on_cpu.item(), rel=3e-2)
