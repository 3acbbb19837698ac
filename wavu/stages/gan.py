"""Generators of phones, trained side by side and judged without labels."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from wavu.audio.frontend import FrontEnd
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.gan.batches import Batches
from wavu.gan.generator import described, rebuilt
from wavu.gan.label import label
from wavu.gan.members import Member, first_members
from wavu.gan.run import Run
from wavu.gan.train import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from wavu.prepared import Speech, Text
from wavu.progress import say
from wavu.stage import Stage, fingerprint, finished
from wavu.stages.contest import Schedule, play
from wavu.stages.decipherment import Task, take_over, warm_start, write_decipherment
from wavu.stages.exam import LABEL_BATCH, Exam
from wavu.stages.players import batches_of, population_of
from wavu.store import write_json, write_table, write_tensors
from wavu.units import HOP_SECONDS

RATES = ("generator.learning_rate", "discriminator.learning_rate")
SETTINGS = (*RATES, *(f"loss.{term}" for term in DISCRIMINATOR_TERMS + GENERATOR_TERMS))  # what each member has its own of


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
        task = _task(speech, text, config, stage.out_dir / "warm_start")
        run, batches, exam = _ready(task, text, config)
        rate = play(run, batches, exam, _schedule(config), stage.out_dir, precision=config["precision"])
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


def _task(speech: Speech, text: Text, config: dict, folder: Path) -> Task:
    """What the generators learn from; a warm start is made in ``folder``, unless it is there."""
    hears, stride = config["generator"]["hears"], config["generator"].get("stride", 1)
    if config["warm_start"] == "none":
        return Task(speech, hears, stride, None, config["silence"], config["phones_per_second"])
    if config["self_trained"]:
        take_over(Path(config["self_trained"]), text.phones, folder)
    elif not (folder / "hmm.safetensors").exists():
        write_decipherment(speech, text, folder, **config["decipher"], seed=config["seed"])
    settings = {name: config[name] for name in ("repool", "phones_per_second")}
    return warm_start(folder, speech, text, kind=config["warm_start"], hears=hears, stride=stride, **settings)


def _ready(task: Task, text: Text, config: dict) -> tuple[Run, Batches, Exam]:
    """The members before their first update, what they learn from, and what they are judged by."""
    fidelity, device, seed = config["fidelity"], find_device(config["device"]), config["seed"]
    exam, rows = Exam.of(
        task,
        text,
        Path(config["text"]) / "phones.arpa",
        **{name: config["validation"][name] for name in ("utterances", "sentences", "order", "hmm")},
        selection=config["selection"],
        per_batch=fidelity["metric_per_batch"],
        seed=seed,
    )
    batches = batches_of(
        task,
        text,
        rows,
        auxiliary=_guesses_targets(config),
        **{name: fidelity[name] for name in ("special_phones", "repeated_phones")},
        **{name: config[name] for name in ("buckets", "batch_size")},
        seed=seed,
        device=device,
    )
    population = population_of(
        task,
        _members(config),
        phones=len(text.phones) + fidelity["special_phones"],
        generator={name: value for name, value in config["generator"].items() if name not in ("hears", "learning_rate")},
        **{name: config[name] for name in ("discriminator", "adam", "regression")},
        **{name: fidelity[name] for name in ("extra_output", "padding_counts", "joint_clipping")},
        seed=seed,
        device=device,
    )
    return Run(population), batches, exam


def _members(config: dict) -> list[Member]:
    """Those that the run begins with."""
    settings = {name: float(config[name.split(".")[0]][name.split(".")[1]]) for name in SETTINGS}
    grid, seeds = config["sweep"]["grid"] or {}, config["sweep"]["seeds"]
    return first_members(config["members"], seed=config["seed"], settings=settings, grid=grid, seeds=seeds)


def _schedule(config: dict) -> Schedule:
    return Schedule(
        **{name: config[name] for name in ("updates", "log_every", "checkpoint_minutes", "mutation")},
        validate_every=config["validation"]["every"],
        keep_all=config["keep"] == "all",
        replace_after=config["replace_after"] if config["replace"] == "collapsed" else None,
    )


def _finish(run: Run, task: Task, text: Text, out_dir: Path) -> dict:
    """Write all generators and the best one, its labels of all utterances and everybody's scores; counts for stage.json."""
    row, weights = run.best, run.weights
    network = run.population.generator.network
    about = {"phones": text.phones, **described(network), "cut": task.cut, "silence": task.silence}
    (labels,) = label(rebuilt(weights, about), task.inputs, silence=len(text.phones) - 1, batch_size=LABEL_BATCH)
    labels.write(out_dir, "labels")
    task.starts.write(out_dir, "starts")
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
