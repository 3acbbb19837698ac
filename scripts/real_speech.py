"""Recordings of people through the public commands: PER after each stage, words, verdict, time, ceilings; one table of all corpora.

    python scripts/real_speech.py DATA_DIR OUT_DIR [corpus ...] [--encoder=FOLDER] [--seeds=0,1,2] [--voice=auto|none]

DATA_DIR holds CORPUS/audio, CORPUS/references.tsv and text/, as ``CORPORA`` names them. Each stage that is complete is skipped, so the
same command goes on where it was cut. OUT_DIR/real_speech.json has the rows. References are read by wavu.references alone, afterwards.
Stages: segments as the decipherment names them, words of the HMM, the student's own phones. Beside them the floor, phones drawn at random,
and the ceilings of scripts/ceilings.py. What is transcribed is transcribed once, with seed 0.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ceilings import ceilings
from rich.console import Console
from rich.table import Table

from wavu.audio.vad import file_seconds
from wavu.prepared import Speech, Text
from wavu.ragged import Ragged
from wavu.references import read_boundaries, read_references, read_words
from wavu.scoring.boundaries import boundary_score
from wavu.scoring.rates import phone_error_rate, word_error_rate
from wavu.store import read_json, write_json
from wavu.text.silence import phones_of
from wavu.units import HOP_SECONDS

STAGES = ("segments", "words", "student")
TOLERANCE_SECONDS = 0.02  # of a boundary, as everywhere


@dataclass(frozen=True)
class Corpus:
    """text: file in DATA_DIR/text. voice: of espeak-ng, that reads it."""

    text: str
    language: str
    units: str = "phone"
    voice: str = "auto"


CORPORA = {
    "librispeech-mini": Corpus("en-ljspeech-unpaired.txt", "en-us"),
    "ljspeech-mini": Corpus("en-ljspeech-unpaired.txt", "en-us"),
    "kinyarwanda": Corpus("rw-news.txt", "rw", units="char", voice="sw"),
    "kerstin-de": Corpus("de-kerstin.txt", "de"),
}


def main() -> None:
    """Run what is asked for, seed by seed, and write the table after each."""
    options = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:] if word.startswith("--"))
    data, out, *names = [word for word in sys.argv[1:] if not word.startswith("--")]
    if unknown := set(names) - CORPORA.keys():
        sys.exit(f"unknown corpus {min(unknown)}; known: {', '.join(CORPORA)}")
    rows = []
    for seed in map(int, options.get("seeds", "0,1,2").split(",")):
        for name in names or CORPORA:
            rows.append(run(name, Path(data), Path(out), seed, options.get("encoder", "whisper_base"), options.get("voice")))
            Path(out, "real_speech.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False))
    show(rows)


def run(name: str, data: Path, out: Path, seed: int, encoder: str, voice: str | None) -> dict:
    """One corpus with one seed: a row of the table."""
    corpus, where = CORPORA[name], out / name
    voice = voice or corpus.voice
    audio, text, found, model = where / "audio", where / "text", where / f"found-{voice}-{seed}", where / f"model-{voice}-{seed}"
    both = [f"audio={audio}", f"text={text}", f"seed={seed}"]
    seconds = {
        "audio": command("prepare_audio", audio, f"audio_dir={data / name / 'audio'}", f"encoder={encoder}", "segment=change"),
        "text": command("prepare_text", text, f"text={data / 'text' / corpus.text}", f"language={corpus.language}", f"units={corpus.units}"),
        "segments": command("decipher_segments", found, *both, f"voice={voice}"),
        "words": command("self_train", model, *both, f"gan={found}", "student=head"),
    }  # fmt: skip
    counts, heard = (read_json(folder / "stage.json")["counts"] for folder in (model, audio))
    truth = read_references(data / name / "references.tsv", text)
    row = {
        "corpus": name, "seed": seed, "start": read_json(found / "stage.json")["counts"]["start"], "encoder": encoder,
        "encoder_has_seen": counts["encoder_has_seen"], "hours": round(heard["speech_seconds"] / 3600, 2), "seconds": seconds,
        "per": {
            "segments": rate(phones_in(found, text), audio, text, truth), "words": rate(phones_in(model, text), audio, text, truth),
            "student": rate(Ragged.read(model, "student"), audio, text, truth),
        },
        "floor": floor(text, truth, seed), **{name: counts["hmm"][name] for name in ("agreement", "jsd1", "predicted_per", "verdict")},
        "suspected_failed": counts["suspected_failed"], **beside(data / name, where, audio, text),
    }  # fmt: skip
    if seed == 0:
        row["seconds"]["transcribe"], row["wer"] = words(data / name, where / f"hypotheses-{voice}.tsv", model, text)
        row["times_real_time"] = round(heard["audio_seconds"] / row["seconds"]["transcribe"], 1)
    print(json.dumps(row, ensure_ascii=False), flush=True)
    return row


def command(name: str, out_dir: Path, *arguments: str) -> float:
    """Run a command; the seconds it took, also when it was complete already."""
    subprocess.run([sys.executable, "-m", f"wavu.{name}", *arguments, f"out_dir={out_dir}"], check=True)
    return read_json(out_dir / "stage.json")["seconds"]


def phones_in(folder: Path, text: Path) -> Ragged:
    """The phones of a folder's labels, of segments or frames: repeats are one phone, silence is none."""
    labels = Ragged.read(folder, "labels")
    return labels.keep(labels.run_starts() & (labels.flat != len(Text.read(text).phones) - 1))


def rate(said: Ragged, audio: Path, text: Path, truth: dict) -> float:
    """PER of the phones of all utterances."""
    phones = Text.read(text).phones
    named = {name: [phones[phone] for phone in row] for name, row in zip(Speech.read(audio).ids, said, strict=True)}
    return round(phone_error_rate(named, truth).rate, 4)


def beside(corpus: Path, where: Path, audio: Path, text: Path) -> dict:
    """What is the same for all seeds: the ceilings and, where somebody has aligned the recordings, F1 of the segments' boundaries."""
    path = where / "ceilings.json"
    if not path.exists():
        found = {"ceilings": ceilings(audio, text, corpus / "references.tsv")}
        if (corpus / "alignments.tsv").exists():
            found["boundary_f1"] = boundary_f1(audio, corpus / "alignments.tsv")
        write_json(path, found)
    return read_json(path)


def boundary_f1(audio: Path, alignments: Path) -> float:
    """F1 of where segments meet."""
    speech, true = Speech.read(audio), read_boundaries(alignments)
    kept = (row for shard in sorted((audio / "shards").iterdir()) for row in Ragged.read(shard, "spans"))
    found = {
        name: file_seconds(starts[1:] * HOP_SECONDS, spans.astype(np.float64)).tolist()
        for name, starts, spans in zip(speech.ids, speech.starts, kept, strict=True)
    }
    score = boundary_score({name: found[name] for name in true if name in found}, true, tolerance_seconds=TOLERANCE_SECONDS)
    return round(score.f1, 3)


def floor(text: Path, truth: dict, seed: int) -> float:
    """PER of phones drawn from the text one by one, as many as are true."""
    written, noise = Text.read(text), np.random.default_rng(seed)
    drawn = noise.choice(phones_of(written).flat, sum(map(len, truth.values())))
    ends = np.cumsum([len(row) for row in truth.values()])[:-1]
    named = {name: [written.phones[phone] for phone in row] for name, row in zip(truth, np.split(drawn, ends), strict=True)}
    return round(phone_error_rate(named, truth).rate, 4)


def words(corpus: Path, hypotheses: Path, model: Path, text: Path) -> tuple[float, float]:
    """Seconds to transcribe all recordings with the learned model, loading and encoder included, and the WER."""
    seconds = hypotheses.with_suffix(".seconds")
    if not seconds.exists():
        began = time.perf_counter()
        arguments = [f"{corpus / 'audio'}", f"model={model}", f"out={hypotheses}"]
        subprocess.run([sys.executable, "-m", "wavu.transcribe", *arguments], check=True)
        seconds.write_text(f"{time.perf_counter() - began:.1f}")
    truth = read_words(corpus / "references.tsv", text, column="text")
    wer = word_error_rate(read_words(hypotheses, text, column="words"), truth).rate
    return float(seconds.read_text()), round(wer, 4)


def show(rows: list[dict]) -> None:
    """One line for each corpus and start: means over seeds and their spread."""
    columns = (
        "segments",
        "words",
        "student",
        "predicted",
        "WER",
        "floor",
        "probe",
        "table",
        "F1",
        "minutes",
        "x real time",
        "verdicts",
    )
    table = Table("corpus", "start", "hours", *columns)
    for key in dict.fromkeys((row["corpus"], row["start"]) for row in rows):
        same = [row for row in rows if (row["corpus"], row["start"]) == key]
        pers = [[row["per"][stage] for row in same] for stage in STAGES]
        spread = [f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" for values in pers]
        minutes = np.mean([sum(row["seconds"][stage] for stage in ("audio", "text", "segments", "words")) for row in same]) / 60
        once = {
            name: next((f"{row[name]}" for row in same if name in row), "") for name in ("wer", "times_real_time", "boundary_f1")
        }
        verdicts = ", ".join(sorted({row["verdict"].split(":")[0] for row in same}))
        predicted, best = f"{np.mean([row['predicted_per'] for row in same]):.2f}", same[0]["ceilings"]
        table.add_row(
            *key, f"{same[0]['hours']}", *spread, predicted, once["wer"], f"{same[0]['floor']:.3f}", f"{best['linear_probe']:.3f}",
            f"{best['best_table']:.3f}", once["boundary_f1"], f"{minutes:.1f}", once["times_real_time"], verdicts,
        )  # fmt: skip
    Console(width=220).print(table)
    for line in dict.fromkeys(f"{row['corpus']}: {row['encoder_has_seen']}" for row in rows):
        print(line)


if __name__ == "__main__":
    main()
