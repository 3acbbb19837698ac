"""Recordings of people through the public commands: PER after each stage, words, verdict, time; one table of all corpora.

    python scripts/real_speech.py DATA_DIR OUT_DIR [corpus ...] [--encoder=FOLDER] [--seeds=0,1,2] [--voice=auto|none]

DATA_DIR holds CORPUS/audio, CORPUS/references.tsv and text/, as ``CORPORA`` names them. Each stage that is complete is skipped, so the
same command goes on where it was cut. OUT_DIR/real_speech.json has the rows. References are read by wavu.evaluate alone, afterwards.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from wavu.evaluate import phone_error_rate, read_references, read_words, word_error_rate
from wavu.store import Ragged, Speech, Text, read_json
from wavu.text.silence import phones_of


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
        "words": command("self_train", model, *both, f"gan={found}", "student=none"),
    }  # fmt: skip
    counts, heard = (read_json(folder / "stage.json")["counts"] for folder in (model, audio))
    truth = read_references(data / name / "references.tsv", text)
    row = {
        "corpus": name, "seed": seed, "start": read_json(found / "stage.json")["counts"]["start"], "encoder": encoder,
        "encoder_has_seen": counts["encoder_has_seen"], "hours": round(heard["speech_seconds"] / 3600, 2), "seconds": seconds,
        "per": {"segments": rate(found, audio, text, truth), "words": rate(model, audio, text, truth)},
        "floor": floor(text, truth, seed), **{name: counts["hmm"][name] for name in ("agreement", "jsd1", "predicted_per", "verdict")},
        "suspected_failed": counts["suspected_failed"],
    }  # fmt: skip
    if seed == 0:
        row["seconds"]["transcribe"], row["wer"] = words(data / name, where / "hypotheses.tsv", model, text)
    print(json.dumps(row, ensure_ascii=False), flush=True)
    return row


def command(name: str, out_dir: Path, *arguments: str) -> float:
    """Run a command; the seconds it took, also when it was complete already."""
    subprocess.run([sys.executable, "-m", f"wavu.{name}", *arguments, f"out_dir={out_dir}"], check=True)
    return read_json(out_dir / "stage.json")["seconds"]


def rate(folder: Path, audio: Path, text: Path, truth: dict) -> float:
    """PER of the labels in a folder: repeats are one phone, silence is none."""
    phones, labels = Text.read(text).phones, Ragged.read(folder, "labels")
    said = labels.keep(labels.run_starts() & (labels.flat != len(phones) - 1))
    named = {name: [phones[phone] for phone in row] for name, row in zip(Speech.read(audio).ids, said, strict=True)}
    return round(phone_error_rate(named, truth).rate, 4)


def floor(text: Path, truth: dict, seed: int) -> float:
    """PER of phones drawn from the text one by one, as many as are true."""
    written, noise = Text.read(text), np.random.default_rng(seed)
    drawn = noise.choice(phones_of(written).flat, sum(map(len, truth.values())))
    ends = np.cumsum([len(row) for row in truth.values()])[:-1]
    named = {name: [written.phones[phone] for phone in row] for name, row in zip(truth, np.split(drawn, ends), strict=True)}
    return round(phone_error_rate(named, truth).rate, 4)


def words(corpus: Path, hypotheses: Path, model: Path, text: Path) -> tuple[float, float]:
    """Seconds to transcribe all recordings with the learned model, encoder included, and the WER."""
    began = time.perf_counter()
    if not hypotheses.exists():
        arguments = [f"{corpus / 'audio'}", f"model={model}", f"out={hypotheses}"]
        subprocess.run([sys.executable, "-m", "wavu.transcribe", *arguments], check=True)
    seconds = round(time.perf_counter() - began, 1)
    truth = read_words(corpus / "references.tsv", text, column="text")
    return seconds, round(word_error_rate(read_words(hypotheses, text, column="words"), truth).rate, 4)


def show(rows: list[dict]) -> None:
    """One line for each corpus and start: means over seeds and their spread."""
    table = Table("corpus", "start", "hours", "minutes", "floor", "segments", "words", "predicted", "WER", "verdicts")
    for key in dict.fromkeys((row["corpus"], row["start"]) for row in rows):
        same = [row for row in rows if (row["corpus"], row["start"]) == key]
        pers = [[row["per"][stage] for row in same] for stage in ("segments", "words")]
        spread = [f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" for values in pers]
        minutes = np.mean([sum(row["seconds"][stage] for stage in ("audio", "text", "segments", "words")) for row in same]) / 60
        wer = next((f"{row['wer']:.3f}" for row in same if "wer" in row), "")
        verdicts = ", ".join(sorted({row["verdict"].split(":")[0] for row in same}))
        predicted = f"{np.mean([row['predicted_per'] for row in same]):.2f}"
        table.add_row(*key, f"{same[0]['hours']}", f"{minutes:.1f}", f"{same[0]['floor']:.2f}", *spread, predicted, wer, verdicts)
    Console(width=160).print(table)
    for line in dict.fromkeys(f"{row['corpus']}: {row['encoder_has_seen']}" for row in rows):
        print(line)


if __name__ == "__main__":
    main()
