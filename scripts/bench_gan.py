"""How long an update of one GAN takes among M trained side by side, beside one trained the way the original trains it.

    python scripts/bench_gan.py            # every size and device there is; full size on a CPU only where it takes minutes
    python scripts/bench_gan.py --quick    # the demo's size, M = 1 and 8, under a minute

Everything is timed in turns in the same run, round by round, and the fastest round counts, so a machine that is busy for a
while slows down all or none. Writes runs/bench/gan.json; ratio_to_reference is that of M = 8 at the demo's size.
"""

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parent))
from plain_gan import Batch as PlainBatch  # noqa: E402
from plain_gan import PlainGan, fresh_discriminator, fresh_v1  # noqa: E402
from plain_gan import Settings as PlainSettings  # noqa: E402

from wavu.gan.batches import Batches, Sentences  # noqa: E402
from wavu.gan.discriminator import Discriminator  # noqa: E402
from wavu.gan.generator import SegmentGenerator  # noqa: E402
from wavu.gan.members import first_members  # noqa: E402
from wavu.gan.noise import Noise  # noqa: E402
from wavu.gan.population import Population  # noqa: E402
from wavu.gan.train import Player, Rules  # noqa: E402
from wavu.ragged import Ragged  # noqa: E402
from wavu.store import write_text  # noqa: E402

PAIR = 2  # updates: one of each player
ADAM = {"betas": (0.5, 0.98), "epsilon": 1e-6, "clip_norm": 5.0}
SETTINGS = {
    "generator.learning_rate": 4e-4, "discriminator.learning_rate": 5e-4, "loss.gradient_penalty": 1.5, "loss.slope": 1.0,
    "loss.diversity": 4.0, "loss.smoothness": 0.5, "loss.auxiliary": 0.0,
}  # fmt: skip
PUBLISHED_MS = 250.0  # per update of one model on a data-centre GPU, as reported of the original


@dataclass(frozen=True)
class Size:
    """What is trained on. Lengths are (mean, standard deviation, longest): of utterances in segments, of lines in phones."""

    name: str
    batch: int
    dims: int
    phones: int
    channels: int
    segments: tuple[float, float, int]
    line: tuple[float, float, int]
    utterances: int = 2000


DEMO = Size("demo", 32, 78, 16, 96, (23, 8, 49), (21, 7, 45))
FULL = Size("full", 160, 512, 44, 384, (165, 40, 240), (84, 50, 280))


def ragged(rng: np.random.Generator, count: int, lengths: tuple[float, float, int], draw: Callable[[int], np.ndarray]) -> Ragged:
    """Rows of gamma-distributed lengths."""
    mean, deviation, longest = lengths
    drawn = rng.gamma((mean / deviation) ** 2, deviation**2 / mean, count).clip(4, longest).astype(int)
    return Ragged(draw(int(drawn.sum())), np.concatenate([[0], drawn.cumsum()]))


def corpus(size: Size) -> tuple[Ragged, Ragged]:
    """Segments (S, d) and lines of phones (L): noise, which takes as long as speech does."""
    rng = np.random.default_rng(0)
    segments = ragged(
        rng, size.utterances, size.segments, lambda n: rng.standard_normal((n, size.dims), np.float32).astype(np.float16)
    )
    return segments, ragged(rng, size.utterances, size.line, lambda n: rng.integers(0, size.phones, n).astype(np.int16))


def many(size: Size, members: int, device: torch.device) -> Callable[[], None]:
    """A function that makes one update of so many members, drawing their batches too."""
    segments, lines = corpus(size)
    settings = {"silence": size.phones - 1, "probability": 0.0, "before": 0.0, "after": 1.0, "repeats": False, "padding": -1}
    sentences = Sentences(lines, np.arange(0, len(lines.flat), 4), **settings, buckets=8, device=device)
    rows = np.arange(len(segments))
    batches = Batches(segments, rows, sentences, targets=None, batch_size=size.batch, seed=0, home=device, device=device)
    people = first_members(members, seed=0, settings=SETTINGS, grid={}, seeds=1)
    noise = Noise([each.seed for each in people], 0, device)
    generator = SegmentGenerator.drawn(noise, phones=size.phones, dim=size.dims, kernel=4, dropout=0.1, extra_output=False)
    discriminator = Discriminator(noise, phones=size.phones, channels=size.channels, kernel=6)
    rates = torch.zeros(members, device=device)
    population = Population(
        people,
        Player.of(generator, learning_rates=rates, weight_decay=0.0, **ADAM),
        Player.of(discriminator, learning_rates=rates, weight_decay=1e-4, **ADAM),
        Rules(padding_counts=False, joint_clipping=False),
        head_start=0,
    )
    return lambda: population.train(batches.draw(population.seeds, population.update + 1)) and None


def plain(size: Size, device: torch.device) -> Callable[[], None]:
    """A function that makes one update of the plain reference, its batches prepared beforehand."""
    segments, lines = corpus(size)
    settings = PlainSettings(
        generator_rate=4e-4, discriminator_rate=5e-4, weight_decay=1e-4, clip=5.0, dropout=0.1, gradient_penalty=1.5, diversity=4.0,
        smoothness=0.5, auxiliary=0.0,
    )  # fmt: skip
    generator, critic = fresh_v1(size.phones, size.dims), fresh_discriminator(size.phones, channels=size.channels)
    moved = [{name: value.to(device) for name, value in weights.items()} for weights in (generator, critic)]
    gan = PlainGan(*moved, settings)
    batches, numbers = cycle(plain_batches(size, segments, lines, device)), iter(range(10**9))
    return lambda: gan.step(next(numbers), next(batches)) and None


def plain_batches(size: Size, segments: Ragged, lines: Ragged, device: torch.device) -> list[PlainBatch]:
    """A few batches as the original makes them: utterances at random, padded to the longest."""
    rng = np.random.default_rng(1)
    made = []
    for _ in range(4):
        parts = []
        for rows in (segments, lines):
            chosen = rows.take(rng.choice(len(rows), size.batch))
            values = [torch.from_numpy(row.astype(np.float32 if row.ndim > 1 else np.int64)) for row in chosen]
            padded = torch.nn.utils.rnn.pad_sequence(values, batch_first=True)
            parts += [padded, torch.arange(padded.shape[1]) >= torch.from_numpy(chosen.lengths)[:, None]]
        made.append(PlainBatch(*(part.to(device) for part in parts)))
    return made


def cycle(items: list) -> Iterator:
    """Round and round."""
    while True:
        yield from items


def timed(update: Callable[[], None], device: torch.device) -> float:
    """Seconds per update, of a pair of them."""
    began = time.perf_counter()
    for _ in range(PAIR):
        update()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / PAIR


def flops(update: Callable[[], None]) -> float:
    """Of one update, multiplications and additions of matrix products and convolutions counted, mean of a pair."""
    with FlopCounterMode(display=False) as counter:
        for _ in range(PAIR):
            update()
    return counter.get_total_flops() / PAIR


def peak_flops(device: torch.device) -> float:
    """Of a large matrix product in the precision that is on, per second, the best of some."""
    edge = 8192 if device.type == "cuda" else 2048
    matrix = torch.rand(edge, edge, device=device)
    return 2 * edge**3 / min(timed(lambda: matrix @ matrix, device) for _ in range(6))


def peak_bytes(update: Callable[[], None], device: torch.device) -> int | None:
    """Greatest memory in use during a pair of updates; None where nobody can say."""
    marks = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif marks[0].exists():
        marks[0].write_text("5")  # forget the highest mark so far
    else:
        return None
    for _ in range(PAIR):
        update()
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return 1024 * int(marks[1].read_text().split("VmHWM:")[1].split()[0])


def measure(size: Size, members: list[int], device: torch.device, precision: str, *, rounds: int) -> list[dict]:
    """A row for the plain reference and for each M."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    updates = {"plain": plain(size, device)} | {count: many(size, count, device) for count in members}
    memory = {name: peak_bytes(update, device) for name, update in updates.items()}  # also warms up
    counted = {name: flops(update) for name, update in updates.items()}
    times = {name: [] for name in updates}
    for _ in range(rounds):
        for name, update in updates.items():
            times[name].append(timed(update, device))
    peak, rows = peak_flops(device), []
    for name, seconds in times.items():
        count, best = (1 if name == "plain" else name), min(seconds)
        rows.append(
            {
                "size": size.name, "device": device.type, "precision": precision, "code": "plain" if name == "plain" else "wavu", "members": count,
                "ms_per_member_update": 1e3 * best / count, "slowest_round_ms": 1e3 * max(seconds) / count,
                "ratio_to_reference": min(times["plain"]) / (best / count), "gflop_per_member_update": counted[name] / count / 1e9,
                "share_of_matmul_peak": counted[name] / best / peak, "matmul_peak_gflop_per_second": peak / 1e9, "peak_bytes": memory[name],
            }
        )  # fmt: skip
    return rows


def plans(quick: bool) -> Iterator[tuple[Size, list[int], torch.device, str, int]]:
    """What to measure: size, Ms, device, precision, rounds."""
    cpu = torch.device("cpu")
    if quick:
        yield DEMO, [1, 8], cpu, "float32", 8
        return
    yield DEMO, [1, 4, 8, 16, 32, 60], cpu, "float32", 6
    yield FULL, [1, 4], cpu, "float32", 1  # 8 would take minutes and 16 more memory than a laptop has
    if torch.cuda.is_available():
        for precision in ("float32", "tf32"):
            for size in (DEMO, FULL):
                yield size, [1, 4, 8, 16, 32, 60], torch.device("cuda"), precision, 10


def show(rows: list[dict], device_name: str) -> None:
    """The table, on standard output."""
    table = Table(
        "size", "device", "precision", "code", "M", "ms per member-update", "x plain", "GFLOP", "of matmul peak", "peak memory"
    )
    for row in rows:
        memory = "" if row["peak_bytes"] is None else f"{row['peak_bytes'] / 2**30:.2f} GiB"
        table.add_row(
            row["size"], row["device"], row["precision"], row["code"], str(row["members"]), f"{row['ms_per_member_update']:.2f}",
            f"{row['ratio_to_reference']:.2f}", f"{row['gflop_per_member_update']:.2f}", f"{100 * row['share_of_matmul_peak']:.0f} %", memory,
        )  # fmt: skip
    console = Console(width=max(120, Console().width))
    console.print(f"{device_name}, torch {torch.__version__}, {torch.get_num_threads()} threads", soft_wrap=True)
    console.print(table)
    if not torch.cuda.is_available():
        console.print("no CUDA device here: nothing was measured on one", soft_wrap=True)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the demo's size on the CPU only, under a minute")
    parser.add_argument("--out", type=Path, default=Path("runs/bench/gan.json"), help="where the numbers go")
    arguments = parser.parse_args()
    rows = [row for size, members, *how, rounds in plans(arguments.quick) for row in measure(size, members, *how, rounds=rounds)]
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or platform.machine()
    show(rows, name)
    ratio = next(row for row in rows if row["size"] == "demo" and row["device"] == "cpu" and row["members"] == 8)[
        "ratio_to_reference"
    ]
    print(f"M = 8 at the demo's size: {ratio:.2f} times as fast per member-update as the plain reference")
    report = {"device": name, "torch": torch.__version__, "ratio_to_reference": ratio, "published_ms_per_update": PUBLISHED_MS}
    write_text(arguments.out, json.dumps(report | {"sizes": [asdict(DEMO), asdict(FULL)], "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
