"""How long recordings take to become segments, beside a preparation that works as the original's, and what memory and disk they need.

    python scripts/bench_prepare.py --quick            # under a minute on a CPU: the ratio and the memory, on a small encoder
    python scripts/bench_prepare.py                    # the shape of wav2vec2-large on a GPU, of wav2vec2-base on a CPU
    python scripts/bench_prepare.py --encoder FOLDER   # an encoder of one's own, which its plain counterpart takes too

Weights are random: the arithmetic is the same. Speech is noise in the shape of sentences, so the benchmark needs no data; --audio takes
recordings. Memory is that of a process of its own for each size of corpus, the same recordings again and again. Writes
runs/bench/prepare.json.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
import torch
from rich.console import Console
from rich.table import Table

from wavu.audio.files import find_audio
from wavu.audio.frontend import speech_of
from wavu.audio.read import read_audio
from wavu.command import composed
from wavu.settings.audio import PrepareAudio
from wavu.stages.audio import prepare_audio
from wavu.store import write_text
from wavu.units import RATE_HZ

# Width, blocks, heads, feed-forward, block that is listened to, and minutes that are timed.
SHAPES = {
    "tiny": (256, 6, 4, 1024, 4, 1.0),
    "base": (768, 12, 12, 3072, 8, 3.0),
    "large": (1024, 24, 16, 4096, 15, 60.0),
}


def make_encoder(folder: Path, shape: str) -> Path:
    """A model of the wav2vec 2.0 family with random weights, as transformers saves it."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    width, blocks, heads, forward, _, _ = SHAPES[shape]
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True} if shape != "base" else {}
    config = Wav2Vec2Config(
        hidden_size=width, num_hidden_layers=blocks, num_attention_heads=heads, intermediate_size=forward,
        conv_dim=(width if shape == "tiny" else 512,) * 7, num_conv_pos_embedding_groups=16, **large,
    )  # fmt: skip
    torch.manual_seed(0)
    Wav2Vec2Model(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=shape != "base").save_pretrained(folder)
    return folder


def make_speech(folder: Path, minutes: float) -> Path:
    """Sentences of 3 to 15 s: noise in syllables, with pauses, as 16-bit WAV."""
    chance = np.random.default_rng(0)
    folder.mkdir(parents=True)
    left, number = minutes * 60, 0
    while left > 0:
        length = float(min(max(left, 2.0), chance.uniform(3, 15)))
        n = round(length * RATE_HZ)
        loud = np.repeat(chance.uniform(0.02, 0.3, n // 1600 + 1) * (chance.random(n // 1600 + 1) > 0.15), 1600)[:n]
        soundfile.write(folder / f"{number:05d}.wav", loud * chance.standard_normal(n), RATE_HZ)
        left, number = left - length, number + 1
    return folder


def ours(audio: Path, encoder: list[str], out: Path) -> None:
    """wavu.prepare_audio with what the original does: runs of units, pooled in pairs."""
    given = [f"audio_dir={audio}", f"out_dir={out}", "segment=cluster_runs", *encoder]
    prepare_audio(composed("prepare_audio", PrepareAudio, given, open_groups=("encoder",)))


def theirs(audio: Path, encoder: Path, layer: int, out: Path) -> None:
    """The plain counterpart, with wavu's reader and voice activity before every pass."""
    from plain_prepare import PlainEncoder, plain_prepare

    def speech() -> Iterator[np.ndarray]:
        for recording in find_audio(audio):
            kept, _ = speech_of(read_audio(recording.path), vad=vad, min_seconds=0.3)
            if len(kept):
                yield kept

    vad = {"kind": "webrtc", "mode": 3, "min_pause": 0.1, "padding": 0.02}
    plain_prepare(speech, PlainEncoder(str(encoder), layer), out)


@contextmanager
def timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    """Wall-clock seconds of the block."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.perf_counter()
    yield
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds[name] = min(seconds.get(name, np.inf), time.perf_counter() - began)


def bytes_in(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def memory(audio: Path, hours: float, encoder: list[str], work: Path) -> dict[str, float]:
    """Peak memory of a process that prepares ``hours`` of audio, the recordings of a folder again and again."""
    paths = sorted(audio.rglob("*.wav"))
    once = sum(soundfile.info(path).duration for path in paths) / 3600
    times = max(1, round(hours / once))
    manifest = work / f"{hours:g}.tsv"
    write_text(manifest, "id\tpath\n" + "".join(f"{turn}-{path.stem}\t{path}\n" for turn in range(times) for path in paths))
    program = [sys.executable, "-m", "wavu.prepare_audio", f"manifest={manifest}", f"out_dir={work / f'{hours:g}'}", *encoder]
    child = "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL).returncode; "
    child += "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", child, *program], capture_output=True, text=True, check=True)
    code, kilobytes = map(int, done.stdout.split())
    if code:
        sys.exit(f"prepare_audio of {hours:g} h ended with {code}")
    size = bytes_in(work / f"{hours:g}")
    shutil.rmtree(work / f"{hours:g}")
    return {
        "hours": times * once,
        "gigabytes": kilobytes * 1024 / 1e9,
        "megabytes_on_disk_per_hour": size / 1e6 / (times * once),
        "times_real_time": times * once * 3600 / (time.perf_counter() - began),
    }


def matmul_peak() -> float:
    """FLOP per second of a large product of matrices, bfloat16 on a GPU and float32 on a CPU: the fastest of several."""
    cuda = torch.cuda.is_available()
    n, kind = (8192, torch.bfloat16) if cuda else (1536, torch.float32)
    a = torch.randn(n, n, device="cuda" if cuda else "cpu", dtype=kind)
    seconds: dict[str, float] = {}
    for _ in range(10):
        with timed(seconds, "product"):
            a @ a
    return 2 * n**3 / seconds["product"]


def encoder_flops(folder: Path, layer: int, seconds: float) -> float:
    """FLOP of the encoder up to block ``layer`` for so much audio in one piece, counted by torch."""
    from torch.nn.utils.parametrize import remove_parametrizations
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    model.encoder.layers = model.encoder.layers[:layer]
    remove_parametrizations(model.encoder.pos_conv_embed.conv, "weight")  # which the counter stumbles over
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, round(seconds * RATE_HZ)))
    return counter.get_total_flops()


def compare(audio: Path, encoder: Path, layer: int, work: Path) -> dict:
    """Both preparations of the same recordings, one after the other, and what each leaves on disk."""
    minutes = sum(soundfile.info(path).duration for path in audio.rglob("*.wav")) / 60
    seconds: dict[str, float] = {}
    settings = [f"encoder={encoder}", f"encoder.layer={layer}"]
    short = make_speech(work / "short", 0.2)
    ours(short, [*settings, "kmeans.clusters=8"], work / "warm")  # imports, and the first use of the device
    with timed(seconds, "wavu"):
        ours(audio, settings, work / "ours")
    with timed(seconds, "plain"):
        theirs(audio, encoder, layer, work / "theirs")
    with timed(seconds, "voice activity"):
        for recording in find_audio(audio):
            speech_of(
                read_audio(recording.path), vad={"kind": "webrtc", "mode": 3, "min_pause": 0.1, "padding": 0.02}, min_seconds=0.3
            )
    speech = json.loads((work / "ours" / "stage.json").read_text())["counts"]["speech_seconds"]
    flops = encoder_flops(encoder, layer, 10.0) * speech / 10
    return {
        "minutes": minutes,
        "seconds": seconds,
        "ratio": seconds["plain"] / seconds["wavu"],
        "times_real_time": minutes * 60 / seconds["wavu"],
        "bytes_per_hour": {"wavu": bytes_in(work / "ours") * 60 / minutes, "plain": bytes_in(work / "theirs") * 60 / minutes},
        "share_of_matmul_peak": flops / seconds["wavu"] / matmul_peak(),
    }


def show(report: dict) -> None:
    """The tables, for a person."""
    console = Console()
    table = Table(title=f"{report['encoder']}, layer {report['layer']}, on {report['device']}, {report['cores']} cores")
    for column in ("", "seconds", "times real time", "MB per hour"):
        table.add_column(column, justify="right")
    both = report["compared"]
    for name in ("wavu", "plain"):
        seconds = both["seconds"][name]
        table.add_row(
            name, f"{seconds:.1f}", f"{both['minutes'] * 60 / seconds:.1f}", f"{both['bytes_per_hour'][name] / 1e6:.0f}"
        )
    console.print(table)
    console.print(
        f"ratio {both['ratio']:.2f}; share of the matmul peak, reading and clusters included, {both['share_of_matmul_peak']:.0%}; "
        f"voice activity alone {both['minutes'] * 60 / both['seconds']['voice activity']:,.0f} times real time"
    )
    console.print("memory, MFCC: " + ", ".join(f"{row['hours']:.2g} h {row['gigabytes']:.2f} GB" for row in report["memory"]))


def main() -> None:
    """Measure, show, write."""
    cuda = torch.cuda.is_available()
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="a small encoder, and little audio: under a minute")
    arguments.add_argument("--shape", choices=SHAPES, help="of the encoder; large on a GPU, base on a CPU, tiny with --quick")
    arguments.add_argument("--encoder", type=Path, help="folder of an encoder instead")
    arguments.add_argument("--layer", type=int, help="its block that is listened to")
    arguments.add_argument("--audio", type=Path, help="folder of WAV instead of noise")
    given = arguments.parse_args()
    shape = given.shape or ("tiny" if given.quick else "large" if cuda else "base")
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        encoder = given.encoder or make_encoder(work / "encoder", shape)
        audio = given.audio or make_speech(work / "audio", SHAPES[shape][5])
        layer = given.layer or SHAPES[shape][4]
        mfcc = ["encoder=mfcc", "segment=ward"]
        hours = (0.05, 0.25, 1.0) if given.quick else (1.0, 5.0, 20.0)
        report = {
            "encoder": str(given.encoder or shape),
            "layer": layer,
            "device": torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "compared": compare(audio, encoder, layer, work),
            "memory": [memory(audio, wanted, mfcc, work) for wanted in hours],
        }
    show(report)
    write_text(Path("runs/bench/prepare.json"), json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
