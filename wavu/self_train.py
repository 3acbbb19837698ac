"""A generator's labels in, a phone recogniser out: a hidden Markov model learns from them and corrects them.

    python -m wavu.self_train gan=runs/gan audio=runs/audio text=runs/text out_dir=runs/hmm

The folder it leaves is what wavu.transcribe takes as model=. No Kaldi is needed; the CTC student of wav2vec-U is not there yet.
"""

from pathlib import Path

import numpy as np

from wavu.audio.frontend import FrontEnd
from wavu.command import command
from wavu.decipher import hmm
from wavu.decode.greedy import per_frame
from wavu.errors import WavuError
from wavu.gan.runs import spoken
from wavu.progress import say, track
from wavu.selection import Judge
from wavu.store import Ragged, Speech, Stage, Text, fingerprint, finished, read_tensors, write_json, write_tensors
from wavu.text.ngram import read_arpa
from wavu.text.silence import phones_of, with_silence
from wavu.units import HOP_SECONDS


def main_work(config: dict) -> None:
    """Train the HMM on the generator's labels, decode all utterances, and say how far it can be trusted."""
    if config["student"] != "hmm":
        raise WavuError(f"student={config['student']} is not there yet; wavu.self_train trains an HMM (student=hmm)")
    folders = {name: Path(config[name]) for name in ("gan", "audio", "text")}
    made_by = {"gan": "gan_train", "audio": "prepare_audio", "text": "prepare_text"}
    records = {name: finished(folder, made_by[name]) for name, folder in folders.items()}
    inputs = {name: fingerprint(record) for name, record in records.items()}
    for name, seen in records["gan"]["inputs"].items():
        if seen != inputs[name]:
            raise WavuError(
                f"{folders['gan']} was not trained on {folders[name]} as it is now; give the {name}= that gan_train was given"
            )
    stage = Stage(config, command="self_train", inputs=inputs)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    speech, text = Speech.read(folders["audio"]), Text.read(folders["text"])
    labels, silence = _generator_labels(folders["gan"], speech)
    settings = dict(config["hmm"])
    weight = settings.pop("grammar_weight")
    with stage.run() as counts:
        noise, between = np.random.default_rng(config["seed"]), silence["probability"]
        lines = with_silence(text, generator=noise, probability=between, surround=False)
        model, grammar, log_likelihood = _train(labels, lines, speech, len(text.phones), **settings)
        decoded = hmm.decode(model, grammar, speech.units, grammar_weight=weight)
        decoded.write(stage.out_dir, "labels")
        FrontEnd.read(folders["audio"] / "frontend").write(stage.out_dir / "frontend")
        about = {"phones": text.phones, "grammar_weight": weight}
        write_json(stage.out_dir / "hmm.json", about | {"order": settings["order"], "states": settings["states"]})
        write_tensors(stage.out_dir / "hmm.safetensors", hmm.packed(model, grammar), about)
        counts |= {"utterances": len(decoded), "log_likelihood": round(log_likelihood, 4)}
        counts |= _judge(decoded, text, folders["text"], config["selection"], config["seed"])
        counts["labels_changed"] = round(float((decoded.flat != labels.flat).mean()), 4)
    _report(counts, stage.out_dir)


def _generator_labels(gan: Path, speech: Speech) -> tuple[Ragged, dict]:
    """The generator's phone of each frame, and where it took silences to be."""
    about = read_tensors(gan / "generator.safetensors")[1]
    rows = zip(Ragged.read(gan, "labels"), Ragged.read(gan, "starts"), speech.frames.lengths, strict=True)
    return Ragged.of([per_frame(*row) for row in rows], np.int16), about["silence"]


def _train(
    labels: Ragged, lines: Ragged, speech: Speech, n_phones: int, *, order: int, states: int, iterations: int, smoothing: float
) -> tuple[hmm.Model, hmm.Grammar, float]:
    """The HMM that the labels speak for, improved by Baum-Welch; its grammar; log likelihood per frame."""
    grammar = hmm.grammar(hmm.with_optional_silence(lines, n_phones - 1), n_phones, order=order)
    first = hmm.model_of(labels, speech.units, n_phones=n_phones, n_units=speech.n_units, n_states=states, smoothing=smoothing)
    with track("self_train", iterations, "iterations") as advance:
        model, log_likelihood = hmm.train(
            first, grammar, speech.units, iterations=iterations, smoothing=smoothing,
            report=lambda value: advance(note=f"log likelihood {value:.4f} per frame"),
        )  # fmt: skip
    return model, grammar, log_likelihood


def _judge(labels: Ragged, text: Text, folder: Path, weights: dict, seed: int) -> dict:
    """Label-free scores of what was decoded."""
    arpa, said = read_arpa(folder / "phones.arpa"), spoken(labels, len(text.phones) - 1)
    judge = Judge.of(
        phones_of(text), phones=len(text.phones), log10_probability=lambda lines: arpa.score(lines, text.phones),
        sample=len(said.flat), seed=seed, phones_per_second=None, weights=weights,
    )  # fmt: skip
    scores = judge.score(said, seconds=len(labels.flat) * HOP_SECONDS)
    return {name: round(value, 4) for name, value in scores.items()} | {"suspected_failed": judge.suspect(scores)}


def _report(counts: dict, out_dir: Path) -> None:
    say(
        f"{counts['utterances']:,} utterances, {100 * counts['labels_changed']:.1f} % of the frames relabelled; "
        f"perplexity {counts['lm_perplexity']:.2f}, {counts['phones_per_second']:.1f} phones per second -> {out_dir}"
    )
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); do not trust its phones")


main = command("self_train", main_work, __doc__)
if __name__ == "__main__":
    main()
