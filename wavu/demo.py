"""A language is invented, spoken and written; wavu learns to recognise it from speech and text that do not belong together.

    python -m wavu.demo                       # seven to ten minutes on two cores, no GPU
    python -m wavu.demo seed=7                # another language
    python -m wavu.demo demo.voices=2         # two speakers

Every stage runs as its own command, as you would run it. Only at the end are the true phones looked at, to fill the table and
OUT_DIR/report.json.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.table import Table

from wavu import units
from wavu.audio.frontend import FrontEnd
from wavu.command import command
from wavu.decode.greedy import runs
from wavu.engines.generator import members_labels
from wavu.engines.hmm import PhoneHmm
from wavu.errors import WavuError
from wavu.invent.language import invent
from wavu.invent.speech import VOICES, Voice
from wavu.prepared import Speech
from wavu.progress import say, track
from wavu.ragged import Ragged
from wavu.references import read_references
from wavu.scoring.rates import phone_error_rate
from wavu.settings.path import Demo
from wavu.store import read_json, write_json, write_table, write_text

CONVERGED = 0.3  # PER below which a GAN counts as having learned the language

# The file that makes a folder a demo, which the next demo may throw away.
MARK = "demo.json"

# Quiet before and after each sentence, as in a recording, and the noise of the room.
QUIET_SECONDS = (0.15, 0.35)
NOISE = 3e-4


def main_work(settings: Demo) -> None:
    """Make the corpus, run the stages, look at the truth, report."""
    out_dir, seed = settings.out_dir, settings.seed
    if out_dir.exists() and any(out_dir.iterdir()) and not (out_dir / MARK).exists():
        raise WavuError(f"{out_dir} holds something that is no demo; give an empty out_dir")
    shutil.rmtree(out_dir, ignore_errors=True)
    write_json(out_dir / MARK, settings.plain())
    seconds: dict[str, float] = {}
    began = time.perf_counter()
    audio_seconds = make_corpus(out_dir / "corpus", seed=seed, **settings.demo.plain())
    seconds["corpus"] = time.perf_counter() - began
    for stage, arguments in commands(out_dir, seed, settings.stages.plain()).items():
        seconds[stage] = run(stage, arguments)
    report = {
        **error_rates(out_dir),
        "seconds": round(sum(seconds.values()), 1),
        "seconds_by_stage": {stage: round(value, 1) for stage, value in seconds.items()},
        "audio_seconds": round(audio_seconds, 1),
        "seed": seed,
        "voices": settings.demo.voices,
    }
    write_json(out_dir / "report.json", report)
    show(report)


def make_corpus(
    folder: Path, *, seed: int, utterances: int, held_out: int, sentences: int, lexicon: int, voices: int, words_per_minute: int
) -> float:
    """Write sentences.txt and two sets of recordings, all to learn from and held_out, each with its references and alignments.

    Returns seconds of audio to learn from.
    """
    generator = np.random.default_rng(seed)
    language = invent(generator, lexicon_size=lexicon)
    drawn = language.sentences(utterances + sentences + held_out, generator)
    spoken, written, new = np.split(np.array(drawn), [utterances, utterances + sentences])
    write_text(folder / "sentences.txt", "".join(f"{sentence}\n" for sentence in written))
    total = speak_all(folder, spoken.tolist(), voices, words_per_minute, generator)
    speak_all(folder / "held_out", new.tolist(), voices, words_per_minute, generator)
    say(
        f"a language of {len(language.letters)} letters, such as '{spoken[0]}': {utterances:,} sentences spoken "
        f"({units.duration_words(total)}), {sentences:,} others written, {held_out:,} kept for the end"
    )
    return total


def speak_all(folder: Path, sentences: list[str], voices: int, words_per_minute: int, generator: np.random.Generator) -> float:
    """Speak each sentence into ``audio/00000.wav`` and on; write references.tsv and alignments.tsv; returns seconds of audio."""
    names = [f"{index:05d}" for index in range(len(sentences))]
    texts = dict(zip(names, sentences, strict=True))
    write_table(folder / "references.tsv", [{"id": name, "text": text} for name, text in texts.items()], ["id", "text"])
    (folder / "audio").mkdir(parents=True)
    total, alignments = 0.0, []
    with track("speak", len(sentences), "sentences") as advance:
        for turn in range(voices):
            voice = Voice(**VOICES[turn], words_per_minute=words_per_minute)
            for name, sentence in list(texts.items())[turn::voices]:
                said = voice.speak(sentence)
                before, after = generator.uniform(*QUIET_SECONDS, 2)
                waveform = np.pad(said.waveform, (units.samples(before), units.samples(after)))
                waveform += NOISE * generator.standard_normal(len(waveform)).astype(np.float32)
                soundfile.write(folder / "audio" / f"{name}.wav", waveform, units.RATE_HZ)
                alignments += [
                    {"id": name, "start": f"{before + start:.3f}", "end": f"{before + end:.3f}", "phone": phone}
                    for start, end, phone in said.phones
                ]
                total += units.seconds(len(waveform))
                advance()
    write_table(folder / "alignments.tsv", sorted(alignments, key=lambda row: row["id"]), ["id", "start", "end", "phone"])
    return total


def commands(out_dir: Path, seed: int, given: dict[str, list[str]]) -> dict[str, list[str]]:
    """The command line of each stage, in order."""
    corpus, audio, text, cold, gan, model = (out_dir / name for name in ("corpus", "audio", "text", "cold", "gan", "model"))
    both, new = [f"audio={audio}", f"text={text}", f"seed={seed}"], corpus / "held_out"
    written = [f"out={out_dir}/hypotheses.tsv", f"times={out_dir}/times.tsv"]
    scored = [f"hypotheses={out_dir}/hypotheses.tsv", f"references={new}/references.tsv", f"text={text}"]
    boundaries = [f"times={out_dir}/times.tsv", f"alignments={new}/alignments.tsv"]
    return {
        "prepare_audio": ["prepare_audio", f"audio_dir={corpus}/audio", f"out_dir={audio}", f"seed={seed}", *given["prepare_audio"]],
        "prepare_text": ["prepare_text", f"text={corpus}/sentences.txt", "language=es", f"out_dir={text}", *given["prepare_text"]],
        "cold_gan": ["gan_train", *both, f"out_dir={cold}", *given["cold_gan"]],
        "gan_train": ["gan_train", *both, f"out_dir={gan}", *given["gan_train"]],
        "self_train": ["self_train", f"gan={gan}", *both, f"out_dir={model}", *given["self_train"]],
        "transcribe": ["transcribe", f"{new}/audio", f"model={model}", *written],
        "evaluate": ["evaluate", *scored, *boundaries, f"out={out_dir}/evaluation.json", f"pictures={out_dir}/pictures"],
    }  # fmt: skip


def run(stage: str, arguments: list[str]) -> float:
    """Run one command of wavu as a user would; returns its seconds.

    Raises:
        WavuError: it failed; what it said stands above.
    """
    name, *rest = arguments
    say(f"\n$ python -m wavu.{name} {' '.join(rest)}")
    began = time.perf_counter()
    if subprocess.run([sys.executable, "-m", f"wavu.{name}", *rest]).returncode:
        raise WavuError(f"{stage} failed; the reason stands above")
    return time.perf_counter() - began


def error_rates(out_dir: Path) -> dict:
    """PER of every stage and of every GAN on what they learned from, error rates on new sentences, and the label-free verdict."""
    references = read_references(out_dir / "corpus" / "references.tsv", out_dir / "text")
    phones = (out_dir / "text" / "phones.txt").read_text(encoding="utf-8").split("\n")[:-1]
    speech = Speech.read(out_dir / "audio")

    def rate(said: Iterable[np.ndarray]) -> float:
        """Of phones, silences and repeats taken out."""
        named = {name: [phones[phone] for phone in row] for name, row in zip(speech.ids, said, strict=True)}
        return round(phone_error_rate(named, references).rate, 4)

    def spoken(labels: Ragged) -> list[np.ndarray]:
        return [runs(row, silence=len(phones) - 1)[:, 0] for row in labels]

    labels = {
        "cold_gan": Ragged.read(out_dir / "cold", "labels"),
        "matching": Ragged.read(out_dir / "gan" / "warm_start", "matched"),
        "hmm": Ragged.read(out_dir / "gan" / "warm_start", "labels"),
        "gan": Ragged.read(out_dir / "gan", "labels"),
    }
    rates = {stage: rate(spoken(rows)) for stage, rows in labels.items()}
    model = PhoneHmm.read(out_dir / "model" / "hmm.safetensors", FrontEnd.read(out_dir / "model" / "frontend"))
    rates["self_trained"] = rate(model.phones_of(speech))
    rates |= {stage: rate(Ragged.read(out_dir / "model", stage)) for stage in ("lessons", "student")}
    members = [rate(spoken(rows)) for rows in members_labels(out_dir / "gan", speech)]
    new = read_json(out_dir / "evaluation.json")["rates"]
    return {
        "per": rates["student"],
        "per_by_stage": rates,
        "held_out": {name.lower(): round(new[name]["rate"], 4) for name in new},
        "members": len(members),
        "members_converged": sum(per < CONVERGED for per in members),
        "members_per": members,
        "selected_rank_by_true_per": 1 + sum(per < rates["gan"] for per in members),
        "suspected_failed": read_json(out_dir / "model" / "stage.json")["counts"]["suspected_failed"],
    }


def show(report: dict) -> None:
    """The table, on standard output."""
    table = Table("stage", "seconds", "PER")
    parts = {
        "cold_gan": {"": "cold_gan"},
        "gan_train": {"matching": "matching", "hmm": "hmm", "": "gan"},
        "self_train": {"hmm": "self_trained", "its words": "lessons", "": "student"},
    }
    for stage, seconds in report["seconds_by_stage"].items():
        rates = {part: f"{report['per_by_stage'][rate]:.3f}" for part, rate in parts.get(stage, {}).items()}
        for part in filter(None, rates):
            table.add_row(f"  {part}", "", rates[part])
        table.add_row(stage, f"{seconds:.1f}", rates.get("", ""))
    table.add_row("all", f"{report['seconds']:.1f}", f"{report['per']:.3f}", style="bold")
    console = Console()
    console.print(
        f"an invented language, seed {report['seed']}, {units.duration_words(report['audio_seconds'])} of speech", soft_wrap=True
    )
    console.print(table)
    console.print(
        f"{report['members_converged']} of {report['members']} GANs converged; the one chosen without labels is number "
        f"{report['selected_rank_by_true_per']} by its true PER",
        soft_wrap=True,
    )
    new = "  ".join(f"{name.upper()} {rate:.4f}" for name, rate in report["held_out"].items())
    console.print(f"sentences that no stage has heard: {new}", soft_wrap=True)
    if report["suspected_failed"]:
        say(f"warning: suspected failed without looking at any label: {report['suspected_failed']}")


main = command("demo", Demo, main_work, __doc__)
if __name__ == "__main__":
    main()
