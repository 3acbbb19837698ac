"""Segments of speech and unpaired text in, a generator of phones out (wavu.prepare_audio and wavu.prepare_text come first).

    python -m wavu.gan_train audio=runs/audio text=runs/text out_dir=runs/gan
    python -m wavu.gan_train audio=runs/audio text=runs/text out_dir=runs/gan updates=2000 batch_size=32 discriminator.channels=96

Killed in the middle, the same command goes on where it stopped. Curves: tensorboard --logdir runs/gan/curves
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from wavu.audio.frontend import FrontEnd
from wavu.audio.pool import pool_runs
from wavu.command import command
from wavu.decipher.hmm import decode, packed
from wavu.decipher.search import Matcher, decipher, n_reports
from wavu.errors import WavuError
from wavu.gan.batches import Batches
from wavu.gan.label import label
from wavu.gan.model import Discriminator, Generator
from wavu.gan.noise import Noise
from wavu.gan.runs import spoken
from wavu.gan.train import Player, discriminator_step, generator_step
from wavu.gan.warm_start import initial_generator
from wavu.progress import say, track
from wavu.selection import Judge, best
from wavu.store import (
    Ragged,
    Speech,
    Stage,
    Text,
    fingerprint,
    finished,
    read_tensors,
    write_json,
    write_table,
    write_tensors,
)  # fmt: skip
from wavu.text.ngram import read_arpa
from wavu.text.silence import phones_of, with_silence
from wavu.units import HOP_SECONDS

LABEL_BATCH = 256  # utterances labelled at a time; changes no result


def main_work(config: dict) -> None:
    """Train, label all utterances with the best generator, and say how far it can be trusted."""
    audio, written = Path(config["audio"]), Path(config["text"])
    records = {"audio": finished(audio, "prepare_audio"), "text": finished(written, "prepare_text")}
    speech, text = Speech.read(audio), Text.read(written)
    stage = Stage(config, command="gan_train", inputs={name: fingerprint(record) for name, record in records.items()})
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    with stage.run() as counts:
        speech, labels, silence = _warm_start(speech, text, config, stage.out_dir)
        exam, train_rows = _exam(speech, text, config)
        sentences = _sentences(text, silence)
        device = _device(config["device"])
        batches = Batches(
            speech.segments.take(train_rows), sentences, phones=len(text.phones), batch_size=config["batch_size"], device=device
        )
        run = _begin(speech, labels, len(text.phones), config, device)
        rate = _train(run, batches, exam, config, stage.out_dir)
        FrontEnd.read(audio / "frontend").write(stage.out_dir / "frontend")  # with it, the folder can hear new files
        counts |= _finish(run, speech, text, silence, stage.out_dir) | {"updates_per_second": round(rate, 1)}
    _report(counts, stage.out_dir)


@dataclass
class Run:
    """A training run as it stands: two players, and the best of what the generators have been so far.

    update: number of the last one made. rows: one per validation and member. best (V, d, k): kernel of the best row.
    """

    generator: Player
    discriminator: Player
    update: int = 0
    rows: list[dict] = field(default_factory=list)
    best: np.ndarray | None = None

    def save(self, path: Path) -> None:
        """Write a checkpoint.

        Raises:
            WavuError: a number in it is not finite; the checkpoint before stays.
        """
        tensors = {"best": self.best}
        for name, player in (("generator", self.generator), ("discriminator", self.discriminator)):
            tensors |= {f"{name}.{key}": value.detach().cpu().numpy() for key, value in player.tensors().items()}
        _check_finite(self.update, tensors)
        write_tensors(path, tensors, {"update": self.update, "rows": self.rows})

    def resume(self, path: Path) -> None:
        """Go back to a checkpoint."""
        tensors, about = read_tensors(path)
        self.update, self.rows, self.best = about["update"], about["rows"], tensors.pop("best")
        for name, player in (("generator.", self.generator), ("discriminator.", self.discriminator)):
            player.restore(
                {key.removeprefix(name): torch.from_numpy(value) for key, value in tensors.items() if key.startswith(name)}
            )


@dataclass(frozen=True, eq=False)
class Exam:
    """Utterances to be judged by, without labels. seconds: of their speech. silence: id of ``<SIL>``."""

    judge: Judge
    segments: Ragged
    seconds: float
    silence: int

    def take(self, run: Run) -> None:
        """Add a row for each member to ``run.rows``, and keep its generator if it is the best so far."""
        generator = run.generator.network
        for member, labels in enumerate(label(generator, self.segments, batch_size=LABEL_BATCH)):
            scores = self.judge.score(spoken(labels, self.silence), seconds=self.seconds)
            row = {"update": run.update, "member": member, **scores, "suspected_failed": self.judge.suspect(scores)}
            run.rows.append(row)
            if best(run.rows) is row:
                run.best = generator.kernel[member].detach().cpu().numpy().copy()


def _decipher(speech: Speech, text: Text, settings: dict, seed: int, folder: Path) -> None:
    """Write the deciphered HMM, and the phone of each frame of each utterance by the best match alone and by the HMM."""
    probabilities, n_phones = settings["silence_probability"], len(text.phones)
    noise = np.random.default_rng(seed)
    texts = [with_silence(text, generator=noise, probability=guess, surround=False) for guess in probabilities]
    matcher = Matcher(speech.units, n_units=speech.n_units, seed=seed, **settings["matching"])
    guesses = len(texts) * len(settings["search"]["frames_per_phone"])
    steps = n_reports(guesses=guesses, rounds=settings["search"]["rounds"], iterations=settings["search"]["iterations"])
    with track("decipher", steps, "steps") as advance:
        found = decipher(
            _some_hours(speech.units, settings["hours"], noise),
            texts,
            matcher=matcher,
            n_phones=n_phones,
            report=lambda note: advance(note=note),
            **settings["search"],
        )
    for name, model in (("matched", found.best.matched), ("labels", found.best.model)):
        decode(model, found.grammar, speech.units, grammar_weight=1.0).write(folder, name)
    silence = {"probability": probabilities[found.text], "surround": _ends_silent(Ragged.read(folder, "labels"), n_phones - 1)}
    about = {"phones": text.phones, "grammar_weight": 1.0, "silence": silence, "log_likelihood": found.best.log_likelihood}
    write_tensors(folder / "hmm.safetensors", packed(found.best.model, found.grammar), about)
    say(
        f"deciphered: {found.best.frames_per_phone[:-1].mean() * HOP_SECONDS * 1000:.0f} ms per phone, "
        f"{100 * silence['probability']:.0f} % of words followed by a pause, log likelihood {found.best.log_likelihood:.4f} per frame"
    )


def _some_hours(units: Ragged, hours: float, noise: np.random.Generator) -> Ragged:
    """Utterances of so many hours in all, drawn at random; all when there are fewer."""
    order = noise.permutation(len(units))
    within = units.lengths[order].cumsum() * HOP_SECONDS <= hours * 3600
    return units.take(np.sort(order[: max(1, within.sum())]))


def _ends_silent(labels: Ragged, silence: int) -> bool:
    """Whether most utterances begin and end with silence."""
    inside = labels.lengths > 0
    ends = np.stack([labels.flat[labels.offsets[:-1][inside]], labels.flat[labels.offsets[1:][inside] - 1]])
    return bool((ends == silence).mean() > 0.5)


def _warm_start(speech: Speech, text: Text, config: dict, out_dir: Path) -> tuple[Speech, Ragged | None, dict]:
    """Speech cut into the runs of the HMM's phones, these phones (S), and where silences are; with warm_start=none all as given."""
    if config["warm_start"] == "none":
        return speech, None, config["silence"]
    if config["warm_start"] != "hmm":
        raise WavuError(f"unknown warm_start '{config['warm_start']}'; known: hmm, none")
    folder = out_dir / "warm_start"
    if not (folder / "hmm.safetensors").exists():
        _decipher(speech, text, config["decipher"], config["seed"], folder)
    segments, starts, labels = pool_runs(speech.frames, Ragged.read(folder, "labels"))
    return replace(speech, segments=segments, starts=starts), labels, read_tensors(folder / "hmm.safetensors")[1]["silence"]


def _exam(speech: Speech, text: Text, config: dict) -> tuple[Exam, np.ndarray]:
    """What the generators are judged by, and the rows of the utterances that are left to train on."""
    wanted = config["validation"]
    shuffled = np.random.default_rng(config["seed"]).permutation(len(speech.ids))
    held, rest = np.split(shuffled, [wanted["utterances"]])
    if len(shuffled) < 10 * wanted["utterances"]:  # too few to give any away, and no label that could be learned by heart
        held = rest = shuffled
    some = np.random.default_rng(config["seed"]).permutation(len(text.lines))[: wanted["sentences"]]
    segments, n_phones = speech.segments.take(np.sort(held)), len(text.phones)
    model = read_arpa(Path(config["text"]) / "phones.arpa")
    judge = Judge.of(
        phones_of(replace(text, lines=text.lines.take(some))),
        phones=n_phones,
        log10_probability=lambda lines: model.score(lines, text.phones),
        sample=len(segments.flat),
        seed=config["seed"],
    )
    seconds = float(speech.frames.lengths[held].sum()) * HOP_SECONDS
    return Exam(judge, segments, seconds, silence=n_phones - 1), np.sort(rest)


def _sentences(text: Text, silence: dict) -> Callable[[np.random.Generator, int], Ragged]:
    """Draws sentences as phone lines with silences."""
    lines = np.flatnonzero(text.lines.lengths > 0)
    if not len(lines):
        raise WavuError("the text has no sentence with a phone in it; look at dropped.tsv of prepare_text")

    def draw(rng: np.random.Generator, count: int) -> Ragged:
        drawn = replace(text, lines=text.lines.take(rng.choice(lines, count)))
        return with_silence(drawn, generator=rng, **silence)

    return draw


def _begin(speech: Speech, labels: Ragged | None, phones: int, config: dict, device: torch.device) -> Run:
    """Both players before their first update."""
    noise = Noise(_seeds(config), 0, device)
    dim, taps, dropout = speech.segments.flat.shape[1], config["generator"]["kernel"], config["generator"]["dropout"]
    if labels is None:
        generator = Generator.drawn(noise, phones=phones, dim=dim, kernel=taps, dropout=dropout)
    else:
        learned = initial_generator(
            speech.segments, labels, phones=phones, taps=taps, seed=config["seed"], **config["regression"]
        )
        generator = Generator(learned.to(device).repeat(config["members"], 1, 1, 1), dropout=dropout)
    other = config["discriminator"]
    discriminator = Discriminator(noise, phones=phones, channels=other["channels"], kernel=other["kernel"])
    return Run(
        Player.of(generator, learning_rate=config["generator"]["learning_rate"], weight_decay=0.0, **config["adam"]),
        Player.of(discriminator, learning_rate=other["learning_rate"], weight_decay=other["weight_decay"], **config["adam"]),
    )


def _train(run: Run, batches: Batches, exam: Exam, config: dict, out_dir: Path) -> float:
    """All updates that are still to be made; returns how many were made per second."""
    checkpoint, updates, every = out_dir / "checkpoints" / "last.safetensors", config["updates"], config["validation"]["every"]
    if checkpoint.exists():
        run.resume(checkpoint)
        say(f"going on after update {run.update:,}")
    else:
        exam.take(run)
    first, began = run.update, time.perf_counter()
    curves = SummaryWriter(str(out_dir / "curves"), purge_step=run.update + 1)
    with curves, _told_to_stop() as stopped, track("gan_train", updates - run.update, "updates") as advance:
        while run.update < updates and not stopped.is_set():
            losses = _update(run, batches, config)
            if run.update % config["log_every"] < 2:  # a step of each player
                _log(curves, run.update, losses)
            if run.update % every == 0 or run.update == updates:
                exam.take(run)
                run.save(checkpoint)
            advance(note=f"score {best(run.rows)['score']:.3f} at {best(run.rows)['update']:,}")
        run.save(checkpoint)
    if stopped.is_set():
        raise KeyboardInterrupt
    return (run.update - first) / (time.perf_counter() - began)


def _update(run: Run, batches: Batches, config: dict) -> dict[str, torch.Tensor]:
    """The next update: the discriminator has its head start, then the players take turns."""
    run.update += 1
    noise = Noise(_seeds(config), run.update, batches.device)
    batch = batches.draw(noise)
    weights = config["loss"]
    if run.update > config["discriminator"]["head_start"] and run.update % 2:
        terms = {name: weights[name] for name in ("diversity", "smoothness")}
        return generator_step(run.generator, run.discriminator.network, batch, noise, **terms)
    terms = {name: weights[name] for name in ("gradient_penalty", "slope")}
    return discriminator_step(run.generator.network, run.discriminator, batch, noise, **terms)


def _finish(run: Run, speech: Speech, text: Text, silence: dict, out_dir: Path) -> dict:
    """Write the best generator, its labels of all utterances and everybody's scores; counts for stage.json."""
    row = best(run.rows)
    generator = Generator(torch.from_numpy(run.best)[None], dropout=0.0)
    (labels,) = label(generator, speech.segments, batch_size=LABEL_BATCH)
    labels.write(out_dir, "labels")
    speech.starts.write(out_dir, "starts")
    about = {
        "phones": text.phones,
        "dim": run.best.shape[1],
        "update": row["update"],
        "member": row["member"],
        "silence": silence,
    }
    write_tensors(out_dir / "generator.safetensors", {"kernel": run.best}, about)
    write_json(out_dir / "generator.json", about)
    write_table(
        out_dir / "scores.tsv", [{**entry, "suspected_failed": entry["suspected_failed"] or ""} for entry in run.rows], list(row)
    )
    numbers = {
        key: round(value, 4) if isinstance(value, float) else value
        for key, value in row.items()
        if key not in ("update", "member")
    }
    return {
        "utterances": len(labels),
        "segments": len(labels.flat),
        "segments_per_second": round(len(labels.flat) / (len(speech.frames.flat) * HOP_SECONDS), 2),  # beside phones_per_second
        "updates": run.update,
        "best_update": row["update"],
        **numbers,
    }


def _report(counts: dict, out_dir: Path) -> None:
    say(
        f"{counts['updates']:,} updates, {counts['updates_per_second']:g} per second; best after {counts['best_update']:,}: "
        f"perplexity {counts['lm_perplexity']:.2f}, {100 * counts['vocabulary_used']:.0f} % of the phones used -> {out_dir}"
    )
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); try another seed, or more audio")


def _log(curves: SummaryWriter, update: int, losses: dict[str, torch.Tensor]) -> None:
    """Points of the loss curves, one curve per member."""
    values = {name: value.cpu().numpy() for name, value in losses.items()}
    _check_finite(update, values)
    for name, members in values.items():
        for member, value in enumerate(members):
            curves.add_scalar(f"{name}/{member}", value, update)


def _check_finite(update: int, arrays: dict[str, np.ndarray]) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise WavuError(
                f"training broke down by update {update:,}: {name} is not finite; lower the learning rates, then run again with overwrite=true"
            )


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Set when somebody asks the process to end (SIGTERM, Ctrl-C), so that it can end between two updates."""
    stopped = threading.Event()
    signals = signal.SIGTERM, signal.SIGINT
    before = [signal.signal(each, lambda *_: stopped.set()) for each in signals]
    try:
        yield stopped
    finally:
        for each, handler in zip(signals, before, strict=True):
            signal.signal(each, handler)


def _seeds(config: dict) -> list[int]:
    return [config["seed"] + member for member in range(config["members"])]


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


main = command("gan_train", main_work, __doc__)
if __name__ == "__main__":
    main()
