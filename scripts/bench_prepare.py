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
from wavu.audio.frontend import FrontEnd, speech_of
from wavu.audio.read import read_audio
from wavu.command import composed
from wavu.device import one_thread
from wavu.seal import seal
from wavu.settings.audio import PrepareAudio
from wavu.stages.audio import prepare_audio
from wavu.store import write_text
from wavu.units import RATE_HZ

VAD = composed("prepare_audio", PrepareAudio, ["audio_dir=any", "out_dir=any"]).vad.plain()
TURNS = 2
PRECISIONS = {"wavu, bfloat16": "bfloat16_everywhere", "wavu": "bfloat16"}
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


def ours(audio: Path, encoder: list[str], out: Path) -> PrepareAudio:
    """Settings of wavu.prepare_audio for what the original does: runs of units, pooled in pairs."""
    given = [f"audio_dir={audio}", f"out_dir={out}", "segment=cluster_runs", *encoder]
    return composed("prepare_audio", PrepareAudio, given, open_groups=("encoder",))


def theirs(audio: Path, encoder: Path, layer: int, out: Path) -> None:
    """The plain counterpart, with wavu's reader and voice activity before every pass."""
    from plain_prepare import PlainEncoder, plain_prepare

    def speech() -> Iterator[np.ndarray]:
        for recording in find_audio(audio):
            kept, _ = speech_of(read_audio(recording.path), vad=VAD, min_seconds=0.3)
            if len(kept):
                yield kept

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


def process(given: list[str], out: Path, cores: int | None = None) -> dict[str, float]:
    """prepare_audio as a process of its own, on so many of the cores: its seconds and speech, peak memory and bytes on disk."""
    some = sorted(os.sched_getaffinity(0))[:cores]
    child = "import os, resource, subprocess, sys; os.sched_setaffinity(0, map(int, sys.argv[1].split(','))); "
    child += "code = subprocess.run(sys.argv[2:], stderr=subprocess.DEVNULL).returncode; "
    child += "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    program = [sys.executable, "-m", "wavu.prepare_audio", f"out_dir={out}", *given]
    done = subprocess.run(
        [sys.executable, "-c", child, ",".join(map(str, some)), *program], capture_output=True, text=True, check=True
    )
    code, kilobytes = map(int, done.stdout.split())
    if code:
        sys.exit(f"prepare_audio {' '.join(given)} ended with {code}")
    stage = json.loads((out / "stage.json").read_text())
    size = bytes_in(out)
    shutil.rmtree(out)
    return {"seconds": stage["seconds"], "gigabytes": kilobytes * 1024 / 1e9, "bytes": size} | stage["counts"]


def memory(audio: Path, hours: float, encoder: list[str], work: Path) -> dict[str, float]:
    """Peak memory of a process that prepares ``hours`` of audio, the recordings of a folder again and again."""
    paths = sorted(audio.rglob("*.wav"))
    once = sum(soundfile.info(path).duration for path in paths) / 3600
    times = max(1, round(hours / once))
    manifest = work / f"{hours:g}.tsv"
    write_text(manifest, "id\tpath\n" + "".join(f"{turn}-{path.stem}\t{path}\n" for turn in range(times) for path in paths))
    done = process([f"manifest={manifest}", *encoder], work / f"{hours:g}")
    return {
        "hours": times * once,
        "gigabytes": done["gigabytes"],
        "megabytes_on_disk_per_hour": done["bytes"] / 1e6 / (times * once),
        "times_real_time": times * once * 3600 / done["seconds"],
    }


def stages(audio: Path, front: FrontEnd, work: Path) -> dict[str, float]:
    """How many times faster than real time each stage is: the encoder on all that there is, every other on one core."""
    seconds: dict[str, float] = {}
    recordings = find_audio(audio)
    with one_thread():
        with timed(seconds, "reading"):
            waveforms = [read_audio(recording.path) for recording in recordings]
        with timed(seconds, "voice activity"):
            speech = [speech_of(waveform, vad=VAD, min_seconds=0.3)[0] for waveform in waveforms]
    speech = [waveform for waveform in speech if len(waveform)]
    front.encode(speech[:1])
    with timed(seconds, "encoder"):
        encoded = front.encode(speech)
    with one_thread():
        with timed(seconds, "units"):
            front.units(encoded)
        with timed(seconds, "units, PCA, segments"):
            segmented = front.segment(encoded)
        with timed(seconds, "writing, checksums"):
            segmented.frames.write(work, "frames")
            segmented.segments.write(work, "segments")
            seal(work, {})
    long = sum(map(len, waveforms)) / RATE_HZ
    return {stage: long / took for stage, took in seconds.items()}


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


def compare(audio: Path, encoder: Path, layer: int, work: Path, quick: bool) -> dict:
    """Both preparations of the same recordings, in turns, the faster of two of each; and what each leaves on disk."""
    minutes = sum(soundfile.info(path).duration for path in audio.rglob("*.wav")) / 60
    seconds: dict[str, float] = {}
    settings = [f"encoder={encoder}", f"encoder.layer={layer}"]
    short = make_speech(work / "short", 0.2)
    prepare_audio(ours(short, [*settings, "kmeans.clusters=8"], work / "warm"))  # imports, and the first use of the device
    for _ in range(TURNS):
        for name, precision in PRECISIONS.items():
            given = ours(audio, [*settings, f"encoder.precision={precision}", "overwrite=true"], work / "ours")
            with timed(seconds, name):
                prepare_audio(given)
        shutil.rmtree(work / "theirs", ignore_errors=True)
        with timed(seconds, "plain"):
            theirs(audio, encoder, layer, work / "theirs")
    prepare_audio(ours(audio, [*settings, "pca.bits=8"], work / "small"))
    speech = json.loads((work / "ours" / "stage.json").read_text())["counts"]["speech_seconds"]
    flops, peak = encoder_flops(encoder, layer, 10.0) * speech / 10, matmul_peak()
    by_stage = stages(audio, FrontEnd.read(work / "ours" / "frontend"), work)
    return {
        "minutes": minutes,
        "seconds": seconds,
        "ratio": seconds["plain"] / seconds["wavu"],
        "ratio_in_bfloat16": seconds["plain"] / seconds["wavu, bfloat16"],
        "times_real_time": minutes * 60 / seconds["wavu"],
        "bytes_per_hour": {
            name: bytes_in(work / folder) * 60 / minutes
            for name, folder in {"wavu": "ours", "pca.bits=8": "small", "plain": "theirs"}.items()
        },
        "share_of_matmul_peak": flops / seconds["wavu"] / peak,
        "encoder_share_of_matmul_peak": flops * by_stage["encoder"] / (minutes * 60) / peak,
        "times_real_time_by_stage": by_stage,
        "times_real_time_by_cores": {
            cores: minutes
            * 60
            / process([f"audio_dir={audio}", "segment=cluster_runs", *settings], work / "cores", cores)["seconds"]
            for cores in range(1, len(os.sched_getaffinity(0)) + 1)[: 0 if quick else 2]
        },
    }


def show(report: dict) -> None:
    """The tables, for a person."""
    console = Console()
    table = Table(title=f"{report['encoder']}, layer {report['layer']}, on {report['device']}, {report['cores']} cores")
    for column in ("", "seconds", "times real time", "MB per hour"):
        table.add_column(column, justify="right")
    both = report["compared"]
    for name, seconds in both["seconds"].items():
        size = both["bytes_per_hour"]["plain" if name == "plain" else "wavu"]
        table.add_row(name, f"{seconds:.1f}", f"{both['minutes'] * 60 / seconds:.1f}", f"{size / 1e6:.0f}")
    console.print(table)
    by_stage = Table(
        "stage", "times real time", title="each stage alone: the encoder on all cores or the GPU, all else on one core"
    )
    for stage, speed in both["times_real_time_by_stage"].items():
        by_stage.add_row(stage, f"{speed:,.0f}")
    for cores, speed in both["times_real_time_by_cores"].items():
        by_stage.add_row(f"all, {cores} core{'s' * (cores > 1)}", f"{speed:,.1f}")
    console.print(by_stage)
    plain, *ours = (both["bytes_per_hour"][name] for name in ("plain", "wavu", "pca.bits=8"))
    console.print(f"disk: 1/{plain / ours[0]:.1f} of the plain preparation, with pca.bits=8 1/{plain / ours[1]:.1f}")
    console.print(
        f"ratio {both['ratio']:.2f}, in bfloat16 {both['ratio_in_bfloat16']:.2f}; share of the matmul peak: {both['encoder_share_of_matmul_peak']:.0%} inside the encoder, "
        f"{both['share_of_matmul_peak']:.0%} with all that is around it; 1,000 hours would take "
        f"{1000 / both['times_real_time']:,.1f} h"
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
            "compared": compare(audio, encoder, layer, work, given.quick),
            "memory": [memory(audio, wanted, mfcc, work) for wanted in hours],
        }
    show(report)
    write_text(Path("runs/bench/prepare.json"), json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
