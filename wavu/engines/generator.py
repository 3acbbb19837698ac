"""A generator behind a front end, and what all members of its population say."""

from collections.abc import Iterator
from pathlib import Path

from wavu.audio.frontend import FrontEnd
from wavu.audio.pool import pool_runs
from wavu.decode.greedy import per_frame, runs
from wavu.engines.engine import FramesEngine, Heard, heard_runs
from wavu.engines.hmm import PhoneHmm
from wavu.gan.generator import rebuilt
from wavu.gan.label import label, log_posteriors, output_starts
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.store import read_tensors

TOGETHER = 64  # pieces of speech labelled at a time by a generator


def read_generator(folder: Path, front_end: FrontEnd) -> FramesEngine:
    """The generator of a gan_train folder: its best phone of each of its outputs.

    One that was warm-started knows segments that an HMM has cut; that HMM cuts the new ones too.
    """
    tensors, about = read_tensors(folder / "generator.safetensors")
    generator, phones = rebuilt(tensors, about), about["phones"]
    cut = PhoneHmm.read(folder / "warm_start" / f"{about['cut']}.safetensors", front_end) if about["cut"] else None

    def inputs(encoded: Ragged) -> tuple[Ragged, Ragged]:
        """What the generator hears, and the first frame of each of its outputs."""
        if about["hears"] == "frames":
            frames = front_end.frames(encoded)
            return frames, output_starts(frames, about["stride"])
        if cut:
            states, _ = cut.hear(encoded)
            labels = Ragged(states.flat // cut.sounds.stay.shape[1], states.offsets)
            return pool_runs(front_end.frames(encoded), labels)[:2]
        done = front_end.segment(encoded)
        return done.segments, done.starts

    def hear(encoded: Ragged) -> Iterator[Heard]:
        segments, starts = inputs(encoded)
        for *row, length in zip(log_posteriors(generator, segments, batch_size=TOGETHER), starts, encoded.lengths, strict=True):
            likely = per_frame(*row, length)
            labels = likely.argmax(axis=1).clip(max=len(phones) - 1)  # what no language has counts as silence
            yield heard_runs(phones, runs(labels, silence=len(phones) - 1), likely)

    return FramesEngine(front_end, phones[:-1], hear)


def members_labels(folder: Path, speech: Speech, places: list[int] | None = None) -> list[Ragged]:
    """What members of a gan_train folder, as they were in the end, say of what they were trained on: labels (S) of each.

    places: which of them, in the order of members.safetensors; None: all.
    """
    tensors, about = read_tensors(folder / "members.safetensors")
    if places is not None:
        tensors = {name: value[places] for name, value in tensors.items()}
    inputs = speech.frames if about["hears"] == "frames" else speech.segments
    if about["cut"]:  # the warm start's HMM, or its match, has cut the segments; the labels of the HMM bear no name
        inputs, _, _ = pool_runs(speech.frames, Ragged.read(folder / "warm_start", about["cut"].replace("hmm", "labels")))
    return label(rebuilt(tensors, about), inputs, silence=len(about["phones"]) - 1, batch_size=TOGETHER)
