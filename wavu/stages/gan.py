"""Generators of phones, trained side by side and judged without labels."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from wavu.audio.frontend import FRONT_END, FrontEnd
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.gan.batches import Batches
from wavu.gan.generator import described, rebuilt
from wavu.gan.label import label
from wavu.gan.members import first_members
from wavu.gan.run import Run
from wavu.prepared import Speech, Text
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.settings.gan import GanTrain, HearsFrames
from wavu.stage import Stage, fingerprint, finished
from wavu.stages.contest import Schedule, play
from wavu.stages.decipherment import GanTask, take_over, warm_start, write_decipherment
from wavu.stages.exam import LABEL_BATCH, Exam
from wavu.stages.players import batches_of, population_of
from wavu.store import write_json, write_table, write_tensors
from wavu.units import HOP_SECONDS

MAKES = (
    *FRONT_END, *Ragged.files("labels", "starts"), "generator.json", "generator.safetensors", "members.safetensors", "scores.tsv",
    "checkpoints/*.safetensors", "generators/*.safetensors", "warm_start/*.npy", "warm_start/*.safetensors", "curves/events.*",
)  # fmt: skip


def gan_train(settings: GanTrain) -> None:
    """Train, label all utterances with the best generator, and say how far it can be trusted."""
    find_device(settings.device)  # one that is missing shows here, not after the decipherment
    records = {"audio": finished(settings.audio, "prepare_audio"), "text": finished(settings.text, "prepare_text")}
    speech, text = Speech.read(settings.audio), Text.read(settings.text)
    if settings.guesses_targets and speech.targets is None:
        raise WavuError(
            f"{settings.audio} has no targets for the auxiliary loss; run prepare_audio with targets.clusters=64, or give loss.auxiliary=0"
        )
    inputs = {name: fingerprint(record) for name, record in records.items()}
    if settings.self_trained:
        inputs["self_trained"] = fingerprint(_checked_self_trained(settings.self_trained, inputs))
    stage = Stage(settings, command="gan_train", inputs=inputs, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    if settings.batch_size > len(speech.ids):
        say(
            f"warning: batch_size={settings.batch_size} draws the {len(speech.ids)} utterances of {settings.audio} several times "
            f"for each update; give batch_size={len(speech.ids)} or less"
        )
    with stage.run() as counts:
        task = _task(speech, text, settings, stage.out_dir / "warm_start")
        run, batches, exam = _ready(task, text, settings)
        rate = play(run, batches, exam, _schedule(settings), stage.out_dir, precision=settings.precision)
        FrontEnd.read(settings.audio / "frontend").write(stage.out_dir / "frontend")  # with it, the folder can hear new files
        counts |= _finish(run, task, text, stage.out_dir) | {"member_updates_per_second": round(rate, 1)}
    _report(counts, stage.out_dir)


def _checked_self_trained(folder: Path, inputs: dict[str, str]) -> dict:
    """What self_train says of its folder; a second round on other speech or text than the first is refused."""
    record = finished(folder, "self_train")
    for name, now in inputs.items():
        if record["inputs"][name] != now:
            raise WavuError(f"{folder} learned from another {name} folder; give the {name}= that self_train was given")
    return record


def _task(speech: Speech, text: Text, settings: GanTrain, folder: Path) -> GanTask:
    """What the generators learn from; a warm start is made in ``folder``, unless it is there."""
    generator = settings.generator
    stride = generator.stride if isinstance(generator, HearsFrames) else 1
    if settings.warm_start == "none":
        return GanTask(speech, generator.hears, stride, None, settings.silence.plain(), settings.phones_per_second)
    if settings.self_trained:
        take_over(settings.self_trained, text.phones, speech.frames.offsets, folder)
    elif not (folder / "hmm.safetensors").exists():
        write_decipherment(speech, text, folder, **settings.decipher.plain(), seed=settings.seed)
    more = settings.plain("repool", "phones_per_second")
    return warm_start(folder, speech, text, kind=settings.warm_start, hears=generator.hears, stride=stride, **more)


def _ready(task: GanTask, text: Text, settings: GanTrain) -> tuple[Run, Batches, Exam]:
    """The members before their first update, what they learn from, and what they are judged by."""
    fidelity, device, seed = settings.fidelity, find_device(settings.device), settings.seed
    exam, rows = Exam.of(
        task,
        text,
        settings.text / "phones.arpa",
        **settings.validation.plain("utterances", "sentences", "order", "hmm"),
        selection=settings.selection.plain(),
        per_batch=fidelity.metric_per_batch,
        seed=seed,
    )
    batches = batches_of(
        task,
        text,
        rows,
        auxiliary=settings.guesses_targets,
        **fidelity.plain("special_phones", "repeated_phones"),
        **settings.plain("buckets", "batch_size"),
        seed=seed,
        device=device,
    )
    grid, seeds = settings.sweep.grid or {}, settings.sweep.seeds
    population = population_of(
        task,
        first_members(settings.members, seed=seed, settings=settings.own, grid=grid, seeds=seeds),
        phones=len(text.phones) + fidelity.special_phones,
        generator=settings.generator.model_dump(exclude={"hears", "learning_rate"}),
        **settings.plain("discriminator", "adam", "regression"),
        **fidelity.plain("extra_output", "padding_counts", "joint_clipping"),
        seed=seed,
        device=device,
    )
    return Run(population), batches, exam


def _schedule(settings: GanTrain) -> Schedule:
    return Schedule(
        **settings.plain("updates", "log_every", "checkpoint_minutes", "mutation"),
        validate_every=settings.validation.every,
        keep_all=settings.keep == "all",
        replace_after=settings.replace_after if settings.replace == "collapsed" else None,
    )


def _finish(run: Run, task: GanTask, text: Text, out_dir: Path) -> dict:
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
            len(labels.flat) / (task.speech.frames.offsets[-1] * HOP_SECONDS), 2
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
