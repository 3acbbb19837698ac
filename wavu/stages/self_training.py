"""Hidden Markov models that learn from labels and correct them, and the student that learns from these."""

import shutil
from collections.abc import Callable
from pathlib import Path

from wavu.audio.frontend import FRONT_END, FrontEnd
from wavu.audio.seen import in_words
from wavu.decipher.hmm import packed
from wavu.errors import WavuError
from wavu.prepared import Speech, Text
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.scoring.verdict import judged
from wavu.settings.self_training import SelfTrain
from wavu.settings.student import NoStudent, PretrainedStudent
from wavu.stage import STAGE, Stage, below, fingerprint, finished
from wavu.stages import gan
from wavu.stages.hmm_task import HmmTask, deciphered, first_labels
from wavu.stages.lessons import student_encoder, teach
from wavu.stages.turns import Turn, all_turns, confidence
from wavu.store import read_json, write_array, write_json, write_tensors
from wavu.student.model import STUDENT
from wavu.units import HOP_SECONDS

TrainGan = Callable[[list[str]], None]
UNLEARNED = 0.6  # share of phones; students of people differ by 0.07 to 0.26 from their lessons
HMM_DONE = "counts.json"  # the counts of the HMMs, until the student is there too
MAKES = (
    *FRONT_END, *Ragged.files("labels", "states", "lessons", "student"), "confidence.npy", "hmm.json", "hmm.safetensors", HMM_DONE,
    "words/lexicon.tsv", "words/words.*", "words/*.fst", *below("student", STUDENT),
)  # fmt: skip
MAKES += (*below("round[0-9]*/hmm", (*STAGE, *MAKES)), *below("round[0-9]*/gan", (*STAGE, *gan.MAKES)))


def self_train(settings: SelfTrain, train_gan: TrainGan | None = None) -> None:
    """Train the HMMs on the generator's labels, decode all utterances, and say how far the result can be trusted.

    train_gan: does what wavu.gan_train does with such settings, for rounds after the first; needed where there are any.
    """
    folders = {"gan": settings.gan, "audio": settings.audio, "text": settings.text}
    inputs = _check(settings, folders)
    if found := deciphered(settings.gan):
        settings = settings.after_decipherment()
    stage = Stage(settings, command="self_train", inputs=inputs, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    with stage.run() as counts:
        for turn in range(1, settings.rounds):
            assert train_gan
            folders["gan"] = _another_gan(folders, settings, stage.out_dir / f"round{turn}", train_gan)
        speech, text = Speech.read(folders["audio"]), Text.read(folders["text"])
        labels, silence = first_labels(folders["gan"], speech, settings.voters)
        task = HmmTask.of(
            speech, text, folders["text"], labels, silence=silence["probability"], through_units=not found,
            **settings.hmm.plain("order", "states"), **settings.plain("selection", "seed"),
        )  # fmt: skip
        if not (stage.out_dir / HMM_DONE).exists():
            _copy(folders, stage.out_dir)
            _hidden_markov_models(task, silence, settings, stage.out_dir)
        counts |= read_json(stage.out_dir / HMM_DONE)
        language = str(finished(folders["text"], "prepare_text")["config"]["language"])
        counts["encoder_has_seen"] = in_words(FrontEnd.read(folders["audio"] / "frontend").settings.get("has_seen"), language)
        if not isinstance(settings.student, NoStudent):
            how = settings.plain("words", "search", "seed") | settings.tuning.plain("utterances")
            if taught := teach(task, folders, stage.out_dir, student=settings.student, **how):
                counts["student"] = taught
        counts["suspected_failed"] = suspected(counts)
        (stage.out_dir / HMM_DONE).unlink()
    _report(counts, stage.out_dir)


def suspected(counts: dict) -> str | None:
    """Why the result is not to be trusted, or None.

    Where there is a verdict it speaks, and a student fails only where it has not learned what it was taught: by the order of its
    phones alone, a text of 474 sentences calls every student failed.
    """
    student, hmm = counts.get("student"), counts["hmm"]
    if "verdict" not in hmm:
        return (student or hmm)["suspected_failed"]
    if hmm["suspected_failed"] is None and student and student["disagreement"] > UNLEARNED:
        return f"{student['disagreement']:.0%} of the student's phones differ from what it was taught"
    return hmm["suspected_failed"]


def _check(settings: SelfTrain, folders: dict[str, Path]) -> dict[str, str]:
    """Refuse what cannot work before anything is written; fingerprints of what is read."""
    if isinstance(settings.student, PretrainedStudent):
        student_encoder(settings.student, folders["audio"])
    records = {
        "gan": finished(folders["gan"], "decipher_segments" if deciphered(folders["gan"]) else "gan_train"),
        "audio": finished(folders["audio"], "prepare_audio"),
        "text": finished(folders["text"], "prepare_text"),
    }
    if deciphered(folders["gan"]) and (settings.rounds > 1 or settings.voters > 1):
        raise WavuError(f"{folders['gan']} holds no generators, which voters= and rounds= are about; leave them at 1")
    inputs = {name: fingerprint(record) for name, record in records.items()}
    for name in ("audio", "text"):
        if records["gan"]["inputs"][name] != inputs[name]:
            raise WavuError(
                f"{folders['gan']} was not trained on {folders[name]} as it is now; give the {name}= that gan_train was given"
            )
    return inputs


def _another_gan(folders: dict[str, Path], settings: SelfTrain, folder: Path, train_gan: TrainGan) -> Path:
    """A folder of generators that start from the phones and boundaries which HMMs make of those in ``folders``."""
    once = {"gan": folders["gan"], "out_dir": folder / "hmm", "rounds": 1, "student": NoStudent(kind="none")}
    self_train(settings.model_copy(update=once))
    both = [f"{name}={folders[name]}" for name in ("audio", "text")]
    given = [*both, f"self_trained={folder / 'hmm'}", f"out_dir={folder / 'gan'}", f"seed={settings.seed}", *settings.again]
    train_gan(given)
    return folder / "gan"


def _copy(folders: dict[str, Path], out_dir: Path) -> None:
    """What makes the folder a whole recogniser: how to hear, and which words there are."""
    FrontEnd.read(folders["audio"] / "frontend").write(out_dir / "frontend")
    (out_dir / "words").mkdir(exist_ok=True)
    for name in ("lexicon.tsv", "words.arpa"):
        shutil.copyfile(folders["text"] / name, out_dir / "words" / name)


def _hidden_markov_models(task: HmmTask, silence: dict, settings: SelfTrain, out_dir: Path) -> None:
    """Train them, and leave the best one, what it found, and last its counts."""
    how = settings.plain("hmm", "gaussians", "search", "words", "tuning", "evidence", "seed")
    turns, weights = all_turns(task, out_dir / "words", **how)
    kept = max(turns, key=lambda turn: turn.evidence)
    _write(kept, task, weights, silence, out_dir)
    counts = _counts(turns, kept, task, weights)
    if settings.evidence.by == "agreement":  # which the prediction is fitted to
        verdict = judged(agreement=kept.evidence, divergence=counts["hmm"]["jsd1"])
        counts["hmm"] |= {
            "agreement": round(kept.evidence, 4), "predicted_per": round(verdict.per, 3), "verdict": str(verdict),
            "suspected_failed": str(verdict) if verdict.word == "failed" else None,
        }  # fmt: skip
    write_json(out_dir / HMM_DONE, counts)


# Results


def _write(kept: Turn, task: HmmTask, weights: dict, silence: dict, out_dir: Path) -> None:
    """The recogniser; the sub-state and the phone of each frame; how sure it is of each utterance."""
    kept.states.write(out_dir, "states")
    Ragged(kept.states.flat // task.shape[1], kept.states.offsets).write(out_dir, "labels")
    scale = weights.get("words", {}).get("acoustic_scale", 1.0)
    write_array(out_dir / "confidence.npy", confidence(kept, task, scale))
    about = {"phones": task.text.phones, "states": task.shape[1], "silence": silence, **weights["phones"]}
    write_json(out_dir / "hmm.json", about)
    write_tensors(out_dir / "hmm.safetensors", packed(kept.model, task.grammar), about)
    if "words" in weights:
        write_json(out_dir / "words" / "words.json", weights["words"])


def _counts(turns: list[Turn], kept: Turn, task: HmmTask, weights: dict) -> dict:
    """Label-free scores of what was decoded, for stage.json."""
    seconds = len(kept.states.flat) * HOP_SECONDS
    scores = task.judge.score(task.said(kept.states), seconds=seconds)
    changed = (kept.states.flat // task.shape[1] != task.labels.flat).mean()
    return {
        "utterances": len(kept.states),
        "hmm": {
            "kept": kept.name,
            "evidence": {turn.name: round(turn.evidence, 4) for turn in turns},
            "weights": weights,
            **{name: round(value, 4) for name, value in scores.items()},
            "labels_changed": round(float(changed), 4),
            "suspected_failed": task.judge.suspect(scores),
        },
    }


def _report(counts: dict, out_dir: Path) -> None:
    turns = ", ".join(f"{name} {value:.3f}" for name, value in counts["hmm"]["evidence"].items())
    say(f"evidence from speech not learned from: {turns}; kept: {counts['hmm']['kept']}")
    say(
        f"HMM: {counts['utterances']:,} utterances, {100 * counts['hmm']['labels_changed']:.1f} % of the frames relabelled; "
        f"perplexity {counts['hmm']['lm_perplexity']:.2f}, {counts['hmm']['phones_per_second']:.1f} phones per second"
    )
    if "student" in counts:
        say(
            f"student: {counts['student']['updates']:,} updates; perplexity {counts['student']['lm_perplexity']:.2f} without any language model, "
            f"{100 * counts['student']['disagreement']:.1f} % of its phones differ from the HMM's words"
        )
    if "verdict" in counts["hmm"]:
        say(f"{counts['hmm']['verdict']}; {counts['encoder_has_seen']}")
    say(f"-> {out_dir}")
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); do not trust its phones")
