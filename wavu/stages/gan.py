"""Generators of phones, trained side by side and judged without labels."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter

from wavu.audio.frontend import FrontEnd
from wavu.audio.pool import pool_runs
from wavu.decipher.hmm import decode, grammar, likelihood_of, packed, with_optional_silence
from wavu.decipher.search import Matcher, decipher, n_reports
from wavu.decode.greedy import per_frame
from wavu.errors import WavuError
from wavu.gan.batches import Batches, Sentences
from wavu.gan.discriminator import Discriminator
from wavu.gan.generator import GENERATOR_STREAM, FrameGenerator, Generator, SegmentGenerator, described, rebuilt
from wavu.gan.label import label, output_starts
from wavu.gan.members import Member, first_members, mutated
from wavu.gan.noise import Noise
from wavu.gan.population import Population
from wavu.gan.runs import spoken
from wavu.gan.train import Player, Rules
from wavu.gan.warm_start import initial_kernel, most_common
from wavu.pictures.members import members_table
from wavu.pictures.pictures import confusion, heat_map
from wavu.progress import console, say, track
from wavu.selection import Judge, LogProbability, agreement, weighted_perplexity_per_batch
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
from wavu.text.ngram import estimate, read_arpa
from wavu.text.silence import phones_of, spelled, with_silence
from wavu.training import best, told_to_stop
from wavu.units import HOP_SECONDS

LABEL_BATCH = 256  # utterances labelled at a time; changes no result
ORIGINAL_BATCH = 160  # utterances per validation batch, over which the original averages its vocabulary
SETTINGS = (
    "generator.learning_rate", "discriminator.learning_rate", "loss.gradient_penalty", "loss.slope", "loss.diversity",
    "loss.smoothness", "loss.auxiliary",
)  # fmt: skip  # what each member has its own of


def gan_train(config: dict) -> None:
    """Train, label all utterances with the best generator, and say how far it can be trusted."""
    audio, written = Path(config["audio"]), Path(config["text"])
    records = {"audio": finished(audio, "prepare_audio"), "text": finished(written, "prepare_text")}
    speech, text = Speech.read(audio), Text.read(written)
    _check(config, speech)
    inputs = {name: fingerprint(record) for name, record in records.items()}
    if config["self_trained"]:
        inputs["self_trained"] = fingerprint(_checked_self_trained(Path(config["self_trained"]), inputs, config["warm_start"]))
    stage = Stage(config, command="gan_train", inputs=inputs)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    with stage.run() as counts:
        task = _warm_start(speech, text, config, stage.out_dir)
        exam, train_rows = _exam(task, text, config)
        batches = _batches(task, text, train_rows, config)
        run = Run(_population(task, text, config))
        rate = _train(run, batches, exam, config, stage.out_dir)
        FrontEnd.read(audio / "frontend").write(stage.out_dir / "frontend")  # with it, the folder can hear new files
        counts |= _finish(run, task, text, stage.out_dir) | {"member_updates_per_second": round(rate, 1)}
    _report(counts, stage.out_dir)


def _check(config: dict, speech: Speech) -> None:
    """Refuse what cannot work before anything is written."""
    known = {
        "warm_start": ("hmm", "matching", "boundaries", "none"),
        "replace": ("collapsed", "off"),
        "keep": ("best", "all"),
        "precision": ("float32", "tf32", "bf16"),
    }
    for name, values in known.items():
        if config[name] not in values:
            raise WavuError(f"unknown {name} '{config[name]}'; known: {', '.join(values)}")
    unknown = [name for name in config["sweep"]["grid"] or () if name not in SETTINGS]
    if unknown:
        raise WavuError(f"members cannot differ in '{unknown[0]}'; they can in {', '.join(SETTINGS)}")
    if config["members"] is not None and config["members"] < 1:
        raise WavuError(
            f"members={config['members']} leaves nobody to train; give 1 or more, or null for one per point of the sweep"
        )
    hears = config["generator"]["hears"]
    if hears != ("frames" if "stride" in config["generator"] else "segments"):
        raise WavuError(f"generator.hears={hears} does not fit this recipe; recipe=wav2vec_u2 hears frames, the others segments")
    if _guesses_targets(config) and speech.targets is None:
        raise WavuError(
            f"{config['audio']} has no targets for the auxiliary loss; run prepare_audio with targets.clusters=64, or give loss.auxiliary=0"
        )


def _checked_self_trained(folder: Path, inputs: dict[str, str], warm_start: str) -> dict:
    """What self_train says of its folder; a second round on other speech or text than the first is refused."""
    if warm_start not in ("hmm", "boundaries"):
        raise WavuError(
            f"self_trained={folder} has nothing for warm_start={warm_start}; give warm_start=hmm or warm_start=boundaries"
        )
    record = finished(folder, "self_train")
    for name, now in inputs.items():
        if record["inputs"][name] != now:
            raise WavuError(f"{folder} learned from another {name} folder; give the {name}= that self_train was given")
    return record


def _guesses_targets(config: dict) -> bool:
    """Whether any member has an auxiliary loss."""
    weights = (config["sweep"]["grid"] or {}).get("loss.auxiliary", [config["loss"]["auxiliary"]])
    return config["generator"]["hears"] == "frames" and any(weights)


@dataclass(frozen=True, eq=False)
class Task:
    """What is to be learned from.

    speech: its segments those to train on. labels: the warm start's phone of each of the generator's outputs (S), or None.
    silence: how often the text has it: ``probability`` between words, ``before`` and ``after`` a sentence.
    phones_per_second: expected, None if nobody knows. cut: which of the warm start's models cut the segments, None if prepare_audio did.
    """

    speech: Speech
    labels: Ragged | None
    silence: dict
    phones_per_second: float | None
    cut: str | None = None

    def inputs(self, hears: str) -> Ragged:
        """What a generator hears: "segments" or "frames"."""
        return {"segments": self.speech.segments, "frames": self.speech.frames}[hears]

    def starts(self, hears: str, stride: int) -> Ragged:
        """First frame of each of a generator's outputs (S)."""
        if hears == "segments":
            return self.speech.starts
        return output_starts(self.speech.frames, stride)


@dataclass
class Run:
    """A training run as it stands.

    rows: one per validation and member. stopped: members that are no more, by number, and why. best: the best row of all, and
    weights (M = 1): that generator as it was then.
    """

    population: Population
    rows: list[dict] = field(default_factory=list)
    stopped: dict[int, str] = field(default_factory=dict)
    best: dict | None = None
    weights: dict[str, np.ndarray] = field(default_factory=dict)

    def note(self, rows: list[dict]) -> None:
        """Take down rows of scores, and keep the generator of the best of all."""
        self.rows += rows
        winner = best(rows)
        if self.best is None or winner["score"] < self.best["score"]:
            index = [member.number for member in self.population.members].index(winner["member"])
            state = self.population.generator.network.state_dict()
            self.best, self.weights = (
                winner,
                {name: value[index : index + 1].cpu().numpy().copy() for name, value in state.items()},
            )

    def newcomer(self) -> int:
        """A number that no member has had."""
        return 1 + max([row["member"] for row in self.rows] + [member.number for member in self.population.members])

    def newest(self) -> list[dict]:
        """The last row of every living member, for people to look at."""
        last = {row["member"]: row for row in self.rows}
        return [last[each.number] | {"seed": each.seed, "settings": each.settings} for each in self.population.members]

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        tensors = {name: value.detach().cpu().numpy() for name, value in self.population.tensors().items()}
        members = [asdict(member) for member in self.population.members]
        about = {
            "update": self.population.update,
            "members": members,
            "rows": self.rows,
            "stopped": self.stopped,
            "best": self.best,
        }
        write_tensors(path, tensors | {f"best.{name}": value for name, value in self.weights.items()}, about)

    def resume(self, path: Path) -> None:
        """Go back to a checkpoint."""
        tensors, about = read_tensors(path)
        device, members = self.population.device, [Member(**member) for member in about["members"]]
        self.population.keep(range(len(members)))
        self.population.appoint(members)
        self.weights = {name.removeprefix("best."): value for name, value in tensors.items() if name.startswith("best.")}
        now = {name: torch.from_numpy(value).to(device) for name, value in tensors.items() if not name.startswith("best.")}
        self.population.restore(now, about["update"])
        self.rows, self.best = about["rows"], about["best"]
        self.stopped = {int(number): why for number, why in about["stopped"].items()}


@dataclass(frozen=True, eq=False)
class Exam:
    """Utterances to be judged by, without labels.

    inputs: of the generators. starts: first frame of each of their outputs. units: of the speech, for the likelihood. hmm:
    its settings. per_batch: whether the original's metric is measured too. theirs: the warm start's labels, or None. phones:
    V symbols.
    """

    judge: Judge
    inputs: Ragged
    starts: Ragged
    units: Ragged
    hmm: dict
    per_batch: bool
    theirs: Ragged | None
    phones: list[str]

    @property
    def silence(self) -> int:
        """Number of ``<SIL>``."""
        return len(self.phones) - 1

    def take(self, population: Population) -> tuple[list[dict], list[Ragged]]:
        """A row of scores for each member, and its labels (S)."""
        labels = label(population.generator.network, self.inputs, silence=self.silence, batch_size=LABEL_BATCH)
        alike = agreement(labels, self.silence)
        smoothed = {name: value.tolist() for name, value in population.losses.items()}
        rows = []
        for index, member in enumerate(population.members):
            losses = {name: values[index] for name, values in smoothed.items()}
            row = {"update": population.update, "member": member.number, **self._scores(labels[index], float(alike[index]))}
            rows.append(row | {"suspected_failed": self.judge.suspect(row, losses)})
        return rows, labels

    def _scores(self, labels: Ragged, alike: float) -> dict[str, float]:
        said = spoken(labels, self.silence)
        measured = {"agreement": alike, "log_likelihood": self._log_likelihood(labels)}
        if self.per_batch:
            measured["weighted_perplexity_per_batch"] = weighted_perplexity_per_batch(
                said, ORIGINAL_BATCH, self.judge.log10_probability, self.silence + 1
            )
        return self.judge.score(said, seconds=len(self.units.flat) * HOP_SECONDS, **measured)

    def _log_likelihood(self, labels: Ragged) -> float:
        some = slice(None, self.hmm["utterances"])
        parts = zip(list(labels)[some], list(self.starts)[some], self.units.lengths[some], strict=True)
        frames = Ragged.of([per_frame(*part) for part in parts], np.int16)
        units = self.units.take(np.arange(len(frames)))
        return likelihood_of(frames, units, self.hmm["grammar"], **self.hmm["model"])


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
    silence = {"probability": probabilities[found.text], **_silent_ends(Ragged.read(folder, "labels"), n_phones - 1)}
    about = {"phones": text.phones, "grammar_weight": 1.0, "silence": silence, "log_likelihood": found.best.log_likelihood}
    write_tensors(folder / "matched.safetensors", packed(found.best.matched, found.grammar), about)
    write_tensors(folder / "hmm.safetensors", packed(found.best.model, found.grammar), about)
    say(
        f"deciphered: {found.best.frames_per_phone[:-1].mean() * HOP_SECONDS * 1000:.0f} ms per phone, "
        f"{100 * silence['probability']:.0f} % of words followed by a pause, log likelihood {found.best.log_likelihood:.4f} per frame"
    )


def _take_over(self_trained: Path, phones: list[str], folder: Path) -> None:
    """Write what self_train has found in place of a decipherment."""
    labels = Ragged.read(self_trained, "labels")
    labels.write(folder, "labels")
    tensors, about = read_tensors(self_trained / "hmm.safetensors")
    silence = {"probability": about["silence"]["probability"], **_silent_ends(labels, len(phones) - 1)}
    write_tensors(folder / "hmm.safetensors", tensors, about | {"silence": silence})


def _some_hours(units: Ragged, hours: float, noise: np.random.Generator) -> Ragged:
    """Utterances of so many hours in all, drawn at random; all when there are fewer."""
    order = noise.permutation(len(units))
    within = units.lengths[order].cumsum() * HOP_SECONDS <= hours * 3600
    return units.take(np.sort(order[: max(1, within.sum())]))


def _silent_ends(labels: Ragged, silence: int) -> dict[str, float]:
    """Shares of the utterances that begin and end with silence: what voice detection has left.

    Sentences are shown with as many, or their ends would give the generator away whatever it does.
    """
    inside = labels.lengths > 0
    firsts, lasts = labels.offsets[:-1][inside], labels.offsets[1:][inside] - 1
    return {name: float((labels.flat[places] == silence).mean()) for name, places in (("before", firsts), ("after", lasts))}


def _warm_start(speech: Speech, text: Text, config: dict, out_dir: Path) -> Task:
    """What a decipherment knows: phones for the generators to start from, their boundaries, and where silences are."""
    if config["warm_start"] == "none":
        return Task(speech, None, config["silence"], config["phones_per_second"])
    folder = out_dir / "warm_start"
    if config["self_trained"]:
        _take_over(Path(config["self_trained"]), text.phones, folder)
    elif not (folder / "hmm.safetensors").exists():
        _decipher(speech, text, config["decipher"], config["seed"], folder)
    name, model = ("matched", "matched") if config["warm_start"] == "matching" else ("labels", "hmm")
    frame_labels, cut = Ragged.read(folder, name), None
    silence = read_tensors(folder / "hmm.safetensors")[1]["silence"]
    deciphered = len(spoken(frame_labels, len(text.phones) - 1).flat) / (len(frame_labels.flat) * HOP_SECONDS)
    rate = config["phones_per_second"] or deciphered
    if config["generator"]["hears"] == "frames":
        stride = config["generator"]["stride"]
        labels = Ragged.of([row[::stride] for row in frame_labels], np.int16)
    elif config["repool"]:
        segments, starts, labels = pool_runs(speech.frames, frame_labels)
        speech, cut = replace(speech, segments=segments, starts=starts), model
    else:
        labels = most_common(frame_labels, speech.starts)
    return Task(speech, None if config["warm_start"] == "boundaries" else labels, silence, rate, cut)


def _exam(task: Task, text: Text, config: dict) -> tuple[Exam, np.ndarray]:
    """What the generators are judged by, and the rows of the utterances that are left to train on."""
    wanted, speech = config["validation"], task.speech
    shuffled = np.random.default_rng(config["seed"]).permutation(len(speech.ids))
    held, rest = np.split(shuffled, [wanted["utterances"]])
    if len(shuffled) < 10 * wanted["utterances"]:  # too few to give any away, and no label that could be learned by heart
        held = rest = shuffled
    held = np.sort(held)
    some = np.random.default_rng(config["seed"]).permutation(len(text.lines))[: wanted["sentences"]]
    lines, hears = replace(text, lines=text.lines.take(some)), config["generator"]["hears"]
    inputs, starts = task.inputs(hears).take(held), task.starts(hears, config["generator"].get("stride", 1)).take(held)
    exam = Exam(
        judge=_judge(task, text, phones_of(lines), len(inputs.flat), config),
        inputs=inputs,
        starts=starts,
        units=speech.units.take(held),
        hmm=_likelihood_settings(lines, task, config),
        per_batch=config["fidelity"]["metric_per_batch"],
        theirs=None if task.labels is None else task.labels.take(held),
        phones=text.phones,
    )
    return exam, np.sort(rest)


def _judge(task: Task, text: Text, lines: Ragged, sample: int, config: dict) -> Judge:
    """What knows how phones of the language look."""
    per_batch = config["fidelity"]["metric_per_batch"]
    return Judge.of(
        lines,
        phones=len(text.phones),
        log10_probability=_language_model(text, task.silence, config),
        sample=sample,
        seed=config["seed"],
        phones_per_second=task.phones_per_second,
        weights={"weighted_perplexity_per_batch": 1.0} if per_batch else config["selection"],
    )


def _likelihood_settings(text: Text, task: Task, config: dict) -> dict:
    """What a member's labels need to become an HMM whose likelihood is measured."""
    noise, between, silence = np.random.default_rng(config["seed"]), task.silence["probability"], len(text.phones) - 1
    settings = dict(config["validation"]["hmm"])
    lines = with_optional_silence(with_silence(text, generator=noise, probability=between, surround=False), silence)
    return {
        "utterances": settings.pop("utterances"),
        "grammar": grammar(lines, len(text.phones), order=settings.pop("order")),
        "model": settings | {"n_units": task.speech.n_units},
    }


def _language_model(text: Text, silence: dict, config: dict) -> LogProbability:
    """Log10 probability of phone lines without silence; in the original the model has seen text with silences."""
    if config["fidelity"]["metric_per_batch"]:
        noise = np.random.default_rng(config["seed"])
        surround, between = silence["before"] > 0.5, silence["probability"]
        silent = with_silence(text, generator=noise, probability=between, surround=surround)
        model = estimate(silent, text.phones, order=config["validation"]["order"])
    else:
        model = read_arpa(Path(config["text"]) / "phones.arpa")
    return lambda lines: model.score(lines, text.phones)


def _batches(task: Task, text: Text, rows: np.ndarray, config: dict) -> Batches:
    """Speech and text to draw from, on the device if they fit into half of what is free there."""
    device, hears = _device(config["device"]), config["generator"]["hears"]
    inputs, (phones, word_starts) = task.inputs(hears), spelled(text)
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
    home = device if 2 * (inputs.flat.nbytes + 3 * len(phones.flat)) < free else torch.device("cpu")
    extra = config["fidelity"]["special_phones"]
    sentences = Sentences(
        phones,
        word_starts,
        silence=len(text.phones) - 1,
        **task.silence,
        repeats=config["fidelity"]["repeated_phones"],
        padding=len(text.phones) if extra else -1,
        buckets=config["buckets"],
        device=home,
    )
    targets = task.speech.targets if _guesses_targets(config) else None
    return Batches(
        inputs, rows, sentences, targets=targets, batch_size=config["batch_size"], seed=config["seed"], home=home, device=device
    )


def _population(task: Task, text: Text, config: dict) -> Population:
    """All members before their first update."""
    device, fidelity = _device(config["device"]), config["fidelity"]
    settings = {name: float(config[name.split(".")[0]][name.split(".")[1]]) for name in SETTINGS}
    sweep = {"grid": config["sweep"]["grid"] or {}, "seeds": config["sweep"]["seeds"]}
    members = first_members(config["members"], seed=config["seed"], settings=settings, **sweep)
    seeds, phones = [member.seed for member in members], len(text.phones) + fidelity["special_phones"]
    generator = _generator(task, seeds, phones, config, device)
    other = config["discriminator"]
    discriminator = Discriminator(Noise(seeds, 0, device), phones=phones, channels=other["channels"], kernel=other["kernel"])
    rates = torch.zeros(len(members), device=device)  # the members have their own
    return Population(
        members,
        Player.of(generator, learning_rates=rates, weight_decay=0.0, **config["adam"]),
        Player.of(discriminator, learning_rates=rates, weight_decay=other["weight_decay"], **config["adam"]),
        Rules(padding_counts=fidelity["padding_counts"], joint_clipping=fidelity["joint_clipping"]),
        head_start=other["head_start"],
    )


def _generator(task: Task, seeds: list[int], phones: int, config: dict, device: torch.device) -> Generator:
    """The members' generators: random ones, or all the same that says what the warm start says."""
    wanted = dict(config["generator"])
    hears = wanted.pop("hears")
    del wanted["learning_rate"]
    inputs = task.inputs(hears)
    shape = {"phones": phones, "dim": inputs.flat.shape[1], **wanted}
    if hears == "segments":
        kind, shape = SegmentGenerator, shape | {"extra_output": config["fidelity"]["extra_output"]}
    else:
        targets = task.speech.n_targets or 1
        kind, shape = FrameGenerator, shape | {"targets": targets, "padding_counts": config["fidelity"]["padding_counts"]}
    if task.labels is None:
        return kind.drawn(Noise(seeds, 0, device, stream=GENERATOR_STREAM), **shape)
    one = kind.drawn(Noise(seeds[:1], 0, torch.device("cpu"), stream=GENERATOR_STREAM), **shape)
    one.acquaint(inputs)
    kernel = initial_kernel(
        one.hidden,
        inputs,
        task.labels,
        phones=phones,
        taps=wanted["kernel"],
        stride=one.stride,
        seed=config["seed"],
        **config["regression"],
    )
    one.kernel.data = kernel[None]
    return one.repeated(len(seeds)).to(device)


def _train(run: Run, batches: Batches, exam: Exam, config: dict, out_dir: Path) -> float:
    """All updates that are still to be made; returns how many were made per second, times members."""
    checkpoint, updates = out_dir / "checkpoints" / "last.safetensors", config["updates"]
    if checkpoint.exists():
        run.resume(checkpoint)
        say(f"going on after update {run.population.update:,}")
    # What was drawn after the checkpoint, or by a run that was killed before its first one, is drawn again.
    curves = SummaryWriter(str(out_dir / "curves"), purge_step=run.population.update + 1 if checkpoint.exists() else 0)
    if not checkpoint.exists():
        _validate(run, exam, config, curves, out_dir)
    began = saved = time.perf_counter()
    made = 0
    columns = partial(members_table, limit=max(4, console.height - 4))
    with curves, told_to_stop() as stopped, _precision(config) as cast:
        with track("gan_train", updates - run.population.update, "updates", table=lambda: columns(run.newest())) as advance:
            while run.population.update < updates and not stopped.is_set():
                with cast():
                    terms = run.population.train(batches.draw(run.population.seeds, run.population.update + 1))
                made += len(run.population.members)
                update = run.population.update
                if update % config["log_every"] < 2:  # a step of each player
                    _log(curves, run.population, terms)
                due = update % config["validation"]["every"] == 0 or update == updates
                if due:
                    _validate(run, exam, config, curves, out_dir)
                if due or time.perf_counter() - saved > config["checkpoint_minutes"] * 60:
                    run.save(checkpoint)
                    saved = time.perf_counter()
                advance(note=_standing(run))
        run.save(checkpoint)
    if stopped.is_set():
        raise KeyboardInterrupt
    return made / (time.perf_counter() - began)


def _validate(run: Run, exam: Exam, config: dict, curves: SummaryWriter, out_dir: Path) -> None:
    """Judge everybody, stop who is broken, give the places of the collapsed away."""
    _stop_broken(run)
    rows, labels = exam.take(run.population)
    run.note(rows)
    if config["keep"] == "all":
        _keep(run.population, out_dir / "generators")
    for row in rows:
        for name, value in row.items():
            if isinstance(value, float):
                curves.add_scalar(f"scores/{name}/{row['member']}", value, row["update"])
    if exam.theirs is not None:
        winner = rows.index(best(rows))
        _draw_confusion(curves, exam, labels[winner], rows[winner])
    if config["replace"] == "collapsed" and config["replace_after"] <= run.population.update < config["updates"]:
        _replace_collapsed(run, rows, config["mutation"])


def _keep(population: Population, folder: Path) -> None:
    """Write all generators as they are after this update."""
    weights = {name: value.cpu().numpy() for name, value in population.generator.network.state_dict().items()}
    about = described(population.generator.network) | {"members": [asdict(member) for member in population.members]}
    write_tensors(folder / f"{population.update:07d}.safetensors", weights, about)


def _draw_confusion(curves: SummaryWriter, exam: Exam, labels: Ragged, row: dict) -> None:
    """What the best member calls the phones of the warm start."""
    matrix = confusion(labels, exam.theirs, phones=exam.silence + 1)
    title = f"member {row['member']} (columns) against the warm start (rows), update {row['update']:,}"
    curves.add_image("confusion", heat_map(matrix, exam.phones, exam.phones, title), row["update"], dataformats="HWC")


def _stop_broken(run: Run) -> None:
    """Members that are no longer made of numbers are stopped, alone."""
    population = run.population
    sound = population.finite().tolist()
    for member, fine in zip(population.members, sound, strict=True):
        if not fine:
            run.stopped[member.number] = f"training broke down by update {population.update:,}: not finite"
            say(f"member {member.number} is stopped: {run.stopped[member.number]}; the others go on")
    if not any(sound):
        raise WavuError(
            f"training broke down by update {population.update:,}: no member's losses are finite; lower the learning rates, then run again with overwrite=true"
        )
    if not all(sound):
        population.keep([row for row, fine in enumerate(sound) if fine])


def _replace_collapsed(run: Run, rows: list[dict], factors: list[float]) -> None:
    """A collapsed member's place goes to a mutated copy of a good one, drawn by the number of the newcomer."""
    population = run.population
    good = [index for index, row in enumerate(rows) if not row["suspected_failed"]]
    for index, row in enumerate(rows):
        if not good or not row["suspected_failed"]:
            continue
        number = run.newcomer()
        parent_row = good[number % len(good)]
        child = mutated(population.members[parent_row], number=number, born=population.update, factors=factors)
        run.stopped[row["member"]] = row["suspected_failed"]
        say(
            f"member {row['member']} is stopped: {row['suspected_failed']}; member {number} takes its place, a copy of {child.parent}"
        )
        population.give_place(index, parent_row, child)
        run.note([rows[parent_row] | {"member": number}])


def _finish(run: Run, task: Task, text: Text, out_dir: Path) -> dict:
    """Write all generators and the best one, its labels of all utterances and everybody's scores; counts for stage.json."""
    row, weights = run.best, run.weights
    network = run.population.generator.network
    inputs = task.inputs(network.hears)
    about = {"phones": text.phones, **described(network), "cut": task.cut, "silence": task.silence}
    (labels,) = label(rebuilt(weights, about), inputs, silence=len(text.phones) - 1, batch_size=LABEL_BATCH)
    labels.write(out_dir, "labels")
    task.starts(network.hears, network.stride).write(out_dir, "starts")
    chosen = about | {"update": row["update"], "member": row["member"]}
    write_tensors(out_dir / "generator.safetensors", weights, chosen)
    write_json(out_dir / "generator.json", chosen)
    numbers = [member.number for member in run.population.members]
    everybody = {name: value.cpu().numpy() for name, value in network.state_dict().items()}
    verdicts = [entry["suspected_failed"] for entry in run.newest()]
    members = [asdict(member) | {"suspected_failed": why} for member, why in zip(run.population.members, verdicts, strict=True)]
    write_tensors(out_dir / "members.safetensors", everybody, about | {"members": members})
    table = [{**entry, "suspected_failed": entry["suspected_failed"] or ""} for entry in run.rows]
    write_table(out_dir / "scores.tsv", table, list(row))
    measured = {key: _rounded(value) for key, value in row.items() if key not in ("update", "member")}
    return {
        "utterances": len(labels),
        "segments": len(labels.flat),
        "segments_per_second": round(
            len(labels.flat) / (len(task.speech.frames.flat) * HOP_SECONDS), 2
        ),  # beside phones_per_second
        "updates": run.population.update,
        "members": len(numbers),
        "members_converged": sum(not why for why in verdicts),
        "members_stopped": len(run.stopped),
        "best_member": row["member"],
        "best_update": row["update"],
        **measured,
    }


def _rounded(value: object) -> object:
    """For stage.json; what is not known is null there."""
    return (round(value, 4) if np.isfinite(value) else None) if isinstance(value, float) else value


def _report(counts: dict, out_dir: Path) -> None:
    say(
        f"{counts['updates']:,} updates of {counts['members']} members, {counts['member_updates_per_second']:g} member-updates per second; "
        f"{counts['members_converged']} converged by their own looks, {counts['members_stopped']} stopped; best: member {counts['best_member']} "
        f"after {counts['best_update']:,}: perplexity {counts['lm_perplexity'] or np.inf:.2f}, {100 * counts['vocabulary_used']:.0f} % of the phones used -> {out_dir}"
    )
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); try more members, another seed, or more audio")


def _standing(run: Run) -> str:
    row = run.best
    return f"best score {row['score']:.3f}, member {row['member']} at {row['update']:,}"


def _log(curves: SummaryWriter, population: Population, terms: dict[str, torch.Tensor]) -> None:
    """Points of the loss curves, one curve per member."""
    for name, values in terms.items():
        for member, value in zip(population.members, values.tolist(), strict=True):
            curves.add_scalar(f"{name}/{member.number}", value, population.update)


@contextmanager
def _precision(config: dict) -> Iterator[Callable]:
    """How exactly products are computed; in bf16 the weights, their memory and the losses stay float32."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest" if config["precision"] == "float32" else "high")
    device = _device(config["device"]).type
    try:
        yield partial(torch.autocast, device, torch.bfloat16) if config["precision"] == "bf16" else nullcontext
    finally:
        torch.set_float32_matmul_precision(before)


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
