"""What hidden Markov models are to learn from: speech, text, and labels to begin with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from wavu.decipher.grammar import Grammar, with_optional_silence
from wavu.decipher.viterbi import begins
from wavu.decode.greedy import per_frame
from wavu.device import find_device
from wavu.engines.generator import members_labels
from wavu.errors import WavuError
from wavu.prepared import Speech, Text, check_starts
from wavu.ragged import Ragged
from wavu.selection import Judge
from wavu.store import read_json, read_table, read_tensors
from wavu.text.ngram import read_arpa
from wavu.text.silence import phones_of, with_silence


@dataclass(frozen=True, eq=False)
class HmmTask:
    """What all turns share.

    labels: the phone of each frame to begin with. grammar: of phones and silences, for the search; pairs: a bigram of them,
    for the evidence. judge: of phones without silence. shape: V and n. written: the folder of prepare_text. through_units:
    whether an HMM over units comes first: it repairs labels of generators, and knows too little of people's speech.
    """

    speech: Speech
    text: Text
    written: Path
    labels: Ragged
    grammar: Grammar
    pairs: Grammar
    judge: Judge
    shape: tuple[int, int]
    device: torch.device
    through_units: bool

    @classmethod
    def of(
        cls,
        speech: Speech,
        text: Text,
        written: Path,
        labels: Ragged,
        *,
        silence: float,
        order: int,
        states: int,
        selection: dict,
        seed: int,
        through_units: bool,
    ) -> "HmmTask":
        """silence: probability of one between two words. order: of the grammar. states: n. selection: the weight of each score."""
        noise, V = np.random.default_rng(seed), len(text.phones)
        lines = with_silence(text, generator=noise, probability=silence, surround=False)
        both = with_optional_silence(lines, V - 1)
        arpa = read_arpa(written / "phones.arpa")
        judge = Judge.of(
            phones_of(text), phones=V, log10_probability=lambda said: arpa.score(said, text.phones),
            sample=int(speech.segments.lengths.sum()), seed=seed, phones_per_second=None, weights=selection,
        )  # fmt: skip
        grammars = (Grammar.of(both, V, order=order), Grammar.of(both, V, order=2))
        return cls(speech, text, written, labels, *grammars, judge, (V, states), find_device(), through_units)

    def said(self, states: Ragged) -> Ragged:
        """The phones of paths, without silence."""
        phones = Ragged(states.flat // self.shape[1], states.offsets).keep(begins(states, self.shape[1]))
        return phones.keep(phones.flat != self.shape[0] - 1)

    def some(self, count: int) -> np.ndarray:
        """Rows of about ``count`` utterances, spread over all."""
        return np.arange(0, len(self.speech.ids), max(1, len(self.speech.ids) // count))


# Labels to begin with


def deciphered(folder: Path) -> bool:
    """Whether it is the folder of decipher_segments."""
    return (folder / "found.json").exists()


def first_labels(gan: Path, speech: Speech, voters: int) -> tuple[Ragged, dict]:
    """The phone of each frame, by the chosen generator or a majority of the best, and where they took silences to be."""
    about = read_json(gan / "found.json") if deciphered(gan) else read_tensors(gan / "generator.safetensors")[1]
    labels, starts = Ragged.read(gan, "labels", below=len(about["phones"])), Ragged.read(gan, "starts")
    check_starts(starts, speech.frames.lengths, gan)
    if not np.array_equal(labels.offsets, starts.offsets):
        raise WavuError(f"labels and starts in {gan} do not fit together; one is damaged: run the stage that writes them again")
    if voters > 1:
        others = _members_labels(gan, speech, voters - 1, about)
        if not all(np.array_equal(each.offsets, labels.offsets) for each in others):
            raise WavuError(
                f"{gan}/warm_start cuts other segments than {gan} has labels of; one is damaged: run wavu.gan_train again"
            )
        labels = _majority(labels, others, len(about["phones"]))
    rows = zip(labels, starts, speech.frames.lengths, strict=True)
    return Ragged.of([per_frame(*row) for row in rows], np.int16), about["silence"]


def _members_labels(gan: Path, speech: Speech, count: int, chosen: dict) -> list[Ragged]:
    """Labels of the segments by the best members beside the chosen one, judged by their last row of scores."""
    _, about = read_tensors(gan / "members.safetensors")
    last = {int(row["member"]): float(row["score"]) for row in read_table(gan / "scores.tsv", ["member", "score"])}
    places = {member["number"]: place for place, member in enumerate(about["members"])}
    others = sorted((last[number], place) for number, place in places.items() if number != chosen["member"])
    if len(others) < count:
        raise WavuError(f"{gan} has {1 + len(others)} members, too few for voters={count + 1}; give fewer voters, or train more")
    return members_labels(gan, speech, [place for _, place in others[:count]])


def _majority(chosen: Ragged, others: list[Ragged], n_phones: int) -> Ragged:
    """The label that most give each segment; of equals, the one chosen."""
    votes = np.zeros((len(chosen.flat), n_phones), np.float32)
    segment = np.arange(len(chosen.flat))
    for weight, labels in ((1.5, chosen), *((1.0, each) for each in others)):
        votes[segment, labels.flat] += weight
    return Ragged(votes.argmax(1).astype(np.int16), chosen.offsets)
