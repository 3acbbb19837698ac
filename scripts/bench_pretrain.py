"""How long an update of pre-training takes with wavu's contrastive loss and with that of transformers, and what of it is where.

    python scripts/bench_pretrain.py              # the sizes that make sense on the device there is
    python scripts/bench_pretrain.py --rounds 9   # more of them, on a busy machine

Both losses are of the same network, the same waveforms and masks, forward and backward, timed in turns in the same run; the fastest
round counts. Beside them the convolutions and blocks alone, which both need, and the share of the device's speed at
products of matrices that is used. Writes runs/bench/pretrain.json.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.wav2vec2.modeling_wav2vec2 import _compute_mask_indices, _sample_negative_indices

from wavu.device import find_device
from wavu.pretraining.contrastive import Contrastive
from wavu.pretraining.crops import CropBatch
from wavu.pretraining.network import new_network
from wavu.store import write_text

MASK = {"share": 0.65, "length": 10}
TASK = {
    "mask": MASK, "distractors": 100, "similarity_temperature": 0.1, "diversity": 0.1,
    "gumbel": {"first": 2.0, "last": 0.5, "reached": 0.7},
}  # fmt: skip
TINY = {
    "conv_dim": [32, 48, 64, 64, 64, 64, 64], "hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4,
    "intermediate_size": 288, "num_conv_pos_embeddings": 32, "num_conv_pos_embedding_groups": 8,
    "num_codevectors_per_group": 40, "codevector_dim": 64, "proj_codevector_dim": 64,
}  # fmt: skip
SMALL = {
    "conv_dim": [256] * 7, "hidden_size": 256, "num_hidden_layers": 12, "num_attention_heads": 4, "intermediate_size": 1024,
    "num_conv_pos_embeddings": 64, "codevector_dim": 256, "proj_codevector_dim": 128,
}  # fmt: skip
# network, seconds of a piece, seconds of a batch
SIZES = {"tiny": (TINY, 3.0, 24.0), "small": (SMALL, 12.0, 24.0)}
ON_GPU = {"small": (SMALL, 12.0, 480.0), "base": ({}, 15.6, 87.0)}


def arms(network: dict, piece: float, batch: float, device: torch.device) -> dict[str, Callable[[], torch.Tensor]]:
    """What is timed: each computes a loss."""
    torch.manual_seed(0)
    ours = Contrastive(new_network("wav2vec2", network), **TASK).to(device).train()
    stock = ours.model
    waveforms = torch.randn(max(1, round(batch / piece)), round(piece * 16_000))
    shape = (len(waveforms), int(stock._get_feat_extract_output_lengths(waveforms.shape[1])))

    def of_transformers() -> torch.Tensor:
        hidden = _compute_mask_indices(shape, mask_prob=MASK["share"], mask_length=MASK["length"], min_masks=1)
        others = torch.from_numpy(_sample_negative_indices(shape, TASK["distractors"], hidden)).to(device)
        where = torch.from_numpy(hidden).to(device)
        return stock(waveforms.to(device), mask_time_indices=where, sampled_negative_indices=others).loss

    return {
        "wavu": lambda: ours.learn(ours, CropBatch(waveforms, None), 0.5)[0],
        "transformers": of_transformers,
        "network alone": lambda: stock.wav2vec2(waveforms.to(device)).last_hidden_state.square().mean(),
    }


def timed(loss: Callable[[], torch.Tensor], device: torch.device) -> float:
    """Seconds of a forward and a backward pass; in bf16 on a GPU."""
    began = time.perf_counter()
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        value = loss()
    value.backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def peak(device: torch.device) -> float:
    """Multiplications and additions per second of a product of large matrices, in the precision that is used."""
    size, kind = (8_192, torch.bfloat16) if device.type == "cuda" else (1_024, torch.float32)
    matrix = torch.randn(size, size, device=device, dtype=kind)

    def product() -> float:
        began = time.perf_counter()
        matrix @ matrix
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began

    return 2 * size**3 / min(product() for _ in range(10))


def measure(network: dict, piece: float, batch: float, device: torch.device, rounds: int) -> dict:
    """Seconds of each, and what they amount to."""
    losses = arms(network, piece, batch, device)
    seconds: dict[str, list[float]] = {name: [] for name in losses}
    for turn in range(rounds + 1):
        np.random.seed(turn)  # noqa: NPY002 - transformers draws its masks from it
        for name, loss in losses.items():
            seconds[name].append(timed(loss, device))
    fastest = {name: min(values[1:]) for name, values in seconds.items()}
    with FlopCounterMode(display=False) as counter:
        losses["wavu"]().backward()
    return {
        "seconds": fastest,
        "audio_seconds": batch,
        "ratio": fastest["transformers"] / fastest["wavu"],
        "flops": counter.get_total_flops(),
        "share_of_peak": counter.get_total_flops() / fastest["wavu"] / peak(device),
    }


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="timings of each, the fastest counts")
    rounds = parser.parse_args().rounds
    device = find_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    found = {size: measure(*what, device, rounds) for size, what in (ON_GPU if device.type == "cuda" else SIZES).items()}
    table = Table("size", "audio", "network alone", "wavu", "transformers", "ratio", "audio per second", "of peak", title=name)
    for size, row in found.items():
        each = [f"{1000 * row['seconds'][arm]:.0f} ms" for arm in ("network alone", "wavu", "transformers")]
        speed = f"{row['audio_seconds'] / row['seconds']['wavu']:.0f} s"
        table.add_row(size, f"{row['audio_seconds']:g} s", *each, f"{row['ratio']:.2f}", speed, f"{row['share_of_peak']:.0%}")
    Console().print(table)
    write_text(Path("runs/bench/pretrain.json"), json.dumps({"device": name, "sizes": found}, indent=1))


if __name__ == "__main__":
    main()
