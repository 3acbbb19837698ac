"""A speech encoder from recordings without a word of text: objectives, their turns, and training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import PartialState
from torch.utils.tensorboard import SummaryWriter
from transformers import PreTrainedModel

from wavu import hub
from wavu.audio.encoder import load_encoder
from wavu.audio.files import Recording, in_pieces, recordings_fingerprint, recordings_in, sources_of
from wavu.audio.kmeans import assign, check_installed, fit_kmeans
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.pretraining.contrastive import Contrastive
from wavu.pretraining.crops import CropBatch
from wavu.pretraining.network import WEIGHTS, continued, new_network, write_network
from wavu.pretraining.units import MaskedUnits
from wavu.progress import console, say, track
from wavu.ragged import Ragged
from wavu.settings.pretraining import Hubert, Pretrain, Teacher, Wav2Vec2
from wavu.settings.training import Training
from wavu.stage import Stage, below
from wavu.stages.corpus import Corpus
from wavu.store import read_json, write_json, write_table
from wavu.training import Numbers, Trainer, best, restore_weights, train
from wavu.units import FRAME_RATE_HZ, duration_words, samples

ORIGIN = "pretraining.json"  # beside the network: how it was made
NETWORK = ("config.json", "preprocessor_config.json", WEIGHTS, "checkpoint.safetensors", "scores.tsv", "curves/events.*")
MAKES = (ORIGIN, *NETWORK, *below("turn[0-9]*", (*NETWORK, *Ragged.files("units"))), *Ragged.files("units"))
TOGETHER = 64  # recordings heard by a teacher at a time; changes no result


def pretrain(settings: Pretrain) -> None:
    """Find the recordings, refuse what cannot work, then train."""
    sources = sources_of(settings.audio)
    if isinstance(settings.objective, Hubert):
        check_installed()
    recordings = {
        language: _recordings(source, **settings.plain("piece_seconds", "min_seconds")) for language, source in sources.items()
    }
    marks = {f"recordings {language}".rstrip(): recordings_fingerprint(rows) for language, rows in recordings.items()}
    stage = Stage(settings, command="pretrain", inputs=marks, makes=MAKES)
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    with _in_turn(stage) as counts:
        corpus = Corpus.of(recordings, **settings.plain("held_out_minutes", "memory_hours", "seed"))
        learn = _units_then_units if isinstance(settings.objective, Hubert) else _codes
        counts |= corpus.counts() | learn(corpus, settings, stage.out_dir)
        if PartialState().is_main_process:
            write_json(stage.out_dir / ORIGIN, _origin(settings, list(sources), counts))
    say(_in_words(counts, stage.out_dir))


def _recordings(source: Path, *, piece_seconds: float, min_seconds: float) -> list[Recording]:
    """Those of a folder or a manifest that are long enough, long ones in pieces."""
    found = recordings_in(source)
    usable = [part for part in in_pieces(found, max_seconds=piece_seconds) if part.seconds >= min_seconds]
    if not usable:
        raise WavuError(f"none of the {len(found):,} recordings in {source} has min_seconds={min_seconds:g} of audio")
    return usable


@contextmanager
def _in_turn(stage: Stage) -> Iterator[dict]:
    """The stage's run in the main process; the others begin when its folder is there, and leave the folder alone."""
    state = PartialState(cpu=find_device().type == "cpu")
    if state.is_main_process:
        with stage.run() as counts:
            state.wait_for_everyone()
            yield counts
    else:
        console.quiet = True  # one of them is enough
        state.wait_for_everyone()
        yield {}


# Objectives


def _codes(corpus: Corpus, settings: Pretrain, out_dir: Path) -> dict:
    """wav2vec 2.0."""
    torch.manual_seed(settings.seed)
    task = Contrastive(_model(settings), **settings.objective.settings.plain())
    codebook = {"codebooks": task.model.config.num_codevector_groups, "codes": task.model.config.num_codevectors_per_group}
    return codebook | _train(task, corpus, None, settings, settings.pretrain.training, out_dir)


def _units_then_units(corpus: Corpus, settings: Pretrain, out_dir: Path) -> dict:
    """HuBERT: each turn learns the units of its teacher; the last one's network is the result."""
    *before, last = settings.objective.turns
    for turn, teacher in enumerate(before, start=1):
        folder = out_dir / f"turn{turn}"
        if not (folder / WEIGHTS).exists():
            _turn(corpus, teacher, out_dir / f"turn{turn - 1}", settings, folder)
    return _turn(corpus, last, out_dir / f"turn{len(before)}", settings, out_dir)


def _turn(corpus: Corpus, teacher: Teacher, before: Path, settings: Pretrain, folder: Path) -> dict:
    """Learn units of MFCC, or of a layer of the network that the turn before has left."""
    units = _units(corpus, teacher, before, settings, folder)
    torch.manual_seed(settings.seed)
    task = MaskedUnits(_model(settings), units=teacher.clusters, **settings.objective.settings.plain())
    training = settings.pretrain.training
    part = training.model_copy(update={"updates": round(teacher.share * training.updates)})
    return _train(task, corpus, units, settings, part, folder)


def _model(settings: Pretrain) -> PreTrainedModel:
    """The network to train: a new one, or the one to go on from."""
    kind, start, size = settings.objective.kind, settings.start_from, settings.pretrain
    if start:
        return hub.load(start, partial(continued, kind), what=f"start_from={start}")
    codebook = size.codebook.plain() if isinstance(settings.objective, Wav2Vec2) else {}
    return new_network(kind, size.network.plain() | codebook)


def _units(corpus: Corpus, teacher: Teacher, before: Path, settings: Pretrain, folder: Path) -> Ragged:
    """The unit of each frame of all recordings: what a run before this one left, or k-means of the teacher's frames."""
    if not (folder / "units.offsets.npy").exists() and PartialState().is_main_process:
        if teacher.teacher == "mfcc":
            encoder = load_encoder(kind="mfcc")
        else:
            layer = min(teacher.teacher, read_json(before / "config.json")["num_hidden_layers"])
            encoder = load_encoder(kind="huggingface", model=str(before), layer=layer, batch_seconds=120, precision="bfloat16")
        _find_units(corpus, encoder.encode, teacher.clusters, settings).write(folder, "units")
    PartialState().wait_for_everyone()
    return Ragged.read(folder, "units")


def _find_units(
    corpus: Corpus, encode: Callable[[list[np.ndarray]], list[np.ndarray]], clusters: int, settings: Pretrain
) -> Ragged:
    """k-means fitted to a sample of recordings, then the unit of each frame of all of them."""
    seed, count, kmeans = settings.seed, settings.objective.sample_frames, settings.objective.kmeans.plain()
    places = np.arange(len(corpus.recordings))
    order = np.random.default_rng(seed).permutation(places)
    lengths = np.array([corpus.recordings[place].seconds for place in order]) * FRAME_RATE_HZ
    wanted = int(np.searchsorted(lengths.cumsum(), count)) + 1
    sample = np.concatenate(list(_heard(corpus, order[:wanted], encode, "hearing a sample")))[:count]
    centroids = fit_kmeans(sample, clusters=clusters, seed=seed, **kmeans)
    rows = [assign(frames, centroids) for frames in _heard(corpus, places, encode, "finding units")]
    return Ragged.of(rows, np.int16)


def _heard(
    corpus: Corpus, places: np.ndarray, encode: Callable[[list[np.ndarray]], list[np.ndarray]], what: str
) -> Iterator[np.ndarray]:
    """Frames (N, D) of each of some recordings, many heard at a time."""
    with track(what, len(places), "recordings") as advance:
        for at in range(0, len(places), TOGETHER):
            some = places[at : at + TOGETHER]
            yield from encode([corpus.part(int(place), 0, samples(corpus.recordings[place].seconds)) for place in some])
            advance(len(some))


# Training


def _train(
    task: Contrastive | MaskedUnits, corpus: Corpus, units: Ragged | None, settings: Pretrain, training: Training, folder: Path
) -> dict:
    """Train to the end and write the network that was best on the recordings held out; what it can do there."""
    sizes, seed = settings.pretrain.plain("longest", "batch"), settings.seed
    crops = corpus.crops(corpus.learned, units, **sizes, **settings.pretrain.plain("augment"), alpha=settings.alpha)
    trainer = Trainer(task, crops, task.learn, seed=seed, **training.plain())
    exam = corpus.crops(corpus.held, units, **sizes, augment=None, alpha=1.0)
    batches = [exam.read(plan) for plan in exam.epoch(np.random.default_rng(seed))]
    checkpoint, main = folder / "checkpoint.safetensors", trainer.accelerator.is_main_process
    before = judged(task, batches, seed)
    with SummaryWriter(str(folder / "curves")) if main else nullcontext() as curves:
        weights, rows = train(
            trainer, lambda: judged(task, batches, seed), checkpoint, what="pretrain", every=settings.pretrain.every,
            patience=None, report=partial(_draw, curves),
        )  # fmt: skip
    restore_weights(task, weights)
    if main:
        write_table(folder / "scores.tsv", rows, list(rows[0]))
        write_network(task.model, folder)
        checkpoint.unlink(missing_ok=True)
    kept = best(rows)
    numbers = {name.removeprefix("held_out/"): round(value, 4) for name, value in kept.items() if name.startswith("held_out/")}
    millions = sum(weight.numel() for weight in task.model.parameters()) / 1e6
    return {"updates": trainer.done, "kept": kept["update"], "millions_of_weights": round(millions, 2), "held_out": numbers} | {
        "before_training": {name.removeprefix("held_out/"): round(value, 4) for name, value in before.items() if "/" in name}
    }


@torch.no_grad()
def judged(task: Contrastive | MaskedUnits, batches: list[CropBatch], seed: int) -> Numbers:
    """How well hidden frames are guessed in batches that are not learned from, always the same frames hidden. Score: less gain."""
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - transformers draws its masks from it
    task.eval()
    rows = []
    for batch in batches:
        loss, numbers = task.learn(task, batch, 1.0)
        rows.append({"loss": loss.item()} | numbers)
    share = np.array([len(batch.waveforms) * batch.waveforms.shape[1] for batch in batches], float)
    means = {name: float(np.average([row[name] for row in rows], weights=share)) for name in rows[0]}
    return {f"held_out/{name}": value for name, value in means.items()} | {"score": -means["gain"]}


def _draw(curves: SummaryWriter | None, row: dict) -> None:
    for name, value in row.items() if curves else ():
        curves.add_scalar(name if "/" in name else f"learned/{name}", value, row["update"])


def _origin(settings: Pretrain, languages: list[str], counts: dict) -> dict:
    """Where an encoder comes from, for whoever finds its folder."""
    about = settings.plain("start_from", "objective", "seed", "alpha")
    return {"languages": [name for name in languages if name], **about, "training": settings.pretrain.training.plain(), **counts}


def _in_words(counts: dict, out_dir: Path) -> str:
    """The outcome as one line."""
    held, before = counts["held_out"], counts["before_training"]
    line = (
        f"{counts['updates']:,} updates on {duration_words(counts['audio_seconds'])} of speech, {counts['millions_of_weights']:g} million weights; "
        f"hidden frames of speech held out: accuracy {held['accuracy']:.3f} (chance {held['chance']:.3f}, before {before['accuracy']:.3f}), "
        f"{held['gain']:.2f} nats better than chance"
    )
    if "perplexity" in held:
        line += (
            f"; codebook perplexity {held['perplexity']:.1f} (before {before['perplexity']:.1f}, all codes alike "
            f"{counts['codebooks'] * counts['codes']}, collapsed {counts['codebooks']})"
        )
    return f"{line} -> {out_dir}"
