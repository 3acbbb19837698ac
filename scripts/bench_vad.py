"""How fast each detector of speech is, what it keeps of recordings of people, and what it takes away that it should not.

    python scripts/bench_vad.py DATA/librispeech-mini DATA/kerstin-de DATA/ljspeech-mini

Each folder has its recordings in audio/. Where alignments.tsv (id, start, end, phone) lies beside them, as in ljspeech-mini, what is lost
is counted in phones; elsewhere by loudness: a frame of 10 ms counts as loud that is within 20 dB of the recording's loudest twentieth.
One core; reading is not counted. Writes runs/bench/vad.json.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from wavu.audio.files import find_audio
from wavu.audio.read import read_audio
from wavu.audio.vad import speech_spans
from wavu.command import composed
from wavu.device import one_thread
from wavu.errors import WavuError
from wavu.references import read_times
from wavu.settings.audio import PrepareAudio
from wavu.store import write_text
from wavu.units import HOP_SAMPLES, RATE_HZ

DETECTORS = ("webrtc", "silero", "rvad")
STEP = RATE_HZ // 100
LOUD_DB = 20  # below the loudest twentieth
PAUSE_SECONDS = 0.3  # that a reader makes on purpose
NEAR_SECONDS = 0.03  # of a boundary between phones: the alignment itself is no nearer
SILENCES = ("sil", "sp", "")


def kept_steps(spans: np.ndarray, steps: int) -> np.ndarray:
    """Which 10 ms of a recording lie in the spans (P, 2), in frames of 20 ms."""
    kept = np.zeros(steps + 2, bool)
    for start, end in spans * (HOP_SAMPLES // STEP):
        kept[start:end] = True
    return kept[:steps]


def loud_steps(waveform: np.ndarray) -> np.ndarray:
    """Which 10 ms of a waveform (T,) are loud."""
    power = np.square(waveform[: len(waveform) // STEP * STEP].reshape(-1, STEP).astype(float)).mean(1)
    return power > np.quantile(power, 0.95) * 10 ** (-LOUD_DB / 10)


def of_phones(spans: np.ndarray, rows: list[tuple[float, float, str]], steps: int) -> dict[str, np.ndarray]:
    """Counted against an alignment, each as (cases, of how many)."""
    kept = kept_steps(spans, steps)
    rows = [row for row in rows if round(row[0] * 100) < steps]
    times = np.array([(start, end) for start, end, _ in rows])
    silent = np.array([phone in SILENCES for *_, phone in rows])
    inside = np.array([kept[round(start * 100) : max(round(start * 100) + 1, round(end * 100))].mean() for start, end in times])
    long = np.diff(times).ravel()
    edges = (spans * HOP_SAMPLES / RATE_HZ).ravel()
    phone = (np.searchsorted(times[:, 0], edges, side="right") - 1).clip(0)
    deep = ~silent[phone] & (edges - times[phone, 0] > NEAR_SECONDS) & (times[phone, 1] - edges > NEAR_SECONDS)
    pauses = silent & (long >= PAUSE_SECONDS)
    return {
        "phone time lost": np.array([((1 - inside) * long)[~silent].sum(), long[~silent].sum()]),
        "phones lost by half": np.array([(inside[~silent] < 0.5).sum(), (~silent).sum()]),
        "cuts inside a phone": np.array([deep.sum(), len(edges)]),
        "pauses kept": np.array([(inside * long)[pauses].sum(), long[pauses].sum()]),
    }


def measure(folder: Path, detector: dict, hours: float) -> dict[str, float]:
    """One detector on the recordings of a folder, up to so many hours."""
    aligned = folder / "alignments.tsv"
    phones = read_times(aligned) if aligned.exists() else {}
    seconds = heard = kept = 0.0
    counts: dict[str, np.ndarray] = {}
    recordings = find_audio(folder / "audio")
    for recording in np.random.default_rng(0).permutation(np.array(recordings, object)):
        waveform = read_audio(recording.path)
        began = time.perf_counter()
        spans = speech_spans(waveform, **detector)
        seconds += time.perf_counter() - began
        heard, kept = heard + len(waveform) / RATE_HZ, kept + np.diff(spans).sum() * HOP_SAMPLES / RATE_HZ
        loud = loud_steps(waveform)
        found = {"loud frames lost": np.array([(loud & ~kept_steps(spans, len(loud))).sum(), loud.sum()])}
        if recording.id in phones:
            found |= of_phones(spans, phones[recording.id], len(loud))
        counts = {name: counts.get(name, 0) + pair for name, pair in found.items()}
        if heard > hours * 3600:
            break
    shares = {name: float(some / max(every, 1e-9)) for name, (some, every) in counts.items()}
    return {"hours": heard / 3600, "times real time": heard / seconds, "kept": kept / heard} | shares


def main() -> None:
    """Measure, show, write."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folders", type=Path, nargs="+")
    arguments.add_argument("--hours", type=float, default=np.inf, help="of each folder at most, recordings drawn at random")
    given = arguments.parse_args()
    report: dict[str, dict[str, dict[str, float]]] = {}
    with one_thread():
        for folder in given.folders:
            for name in DETECTORS:
                chosen = ["audio_dir=any", "out_dir=any", f"vad={name}"]
                detector = composed("prepare_audio", PrepareAudio, chosen).vad.plain()
                try:
                    report.setdefault(folder.name, {})[name] = measure(folder, detector, given.hours)
                except WavuError as error:
                    print(error)
    console = Console(width=160)
    columns = list(dict.fromkeys(key for rows in report.values() for row in rows.values() for key in row))
    table = Table("", "detector", *columns, "960 h on 16 cores, minutes")
    for folder, rows in report.items():
        for name, row in rows.items():
            cells = [
                f"{row[key]:,.0f}"
                if key == "times real time"
                else f"{row[key]:.2f}"
                if key == "hours"
                else f"{row[key]:.1%}"
                if key in row
                else ""
                for key in columns
            ]
            table.add_row(folder, name, *cells, f"{960 * 60 / row['times real time'] / 16:.1f}")
    console.print(table)
    write_text(Path("runs/bench/vad.json"), json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
