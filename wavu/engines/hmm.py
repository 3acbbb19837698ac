"""A phone HMM behind a front end."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavu.acoustic.model import AcousticModel
from wavu.audio.frontend import FrontEnd
from wavu.decipher.grammar import Grammar
from wavu.decipher.hmm import Model, Sounds, unpacked
from wavu.decipher.viterbi import best_states, said
from wavu.device import find_device
from wavu.engines.engine import FramesEngine, Heard, heard_runs
from wavu.prepared import Speech
from wavu.ragged import Ragged
from wavu.store import read_tensors


@dataclass(frozen=True, eq=False)
class PhoneHmm:
    """A phone HMM behind a front end: over its units, or over gaussians of its frames. weights: of the search."""

    front_end: FrontEnd
    phones: list[str]
    sounds: Sounds
    grammar: Grammar
    weights: dict[str, float]

    @classmethod
    def read(cls, path: Path, front_end: FrontEnd) -> "PhoneHmm":
        """Open what self_train, or a warm start of gan_train, has written."""
        tensors, about = read_tensors(path)
        device = find_device()
        sounds = unpacked(tensors)[0].to(device) if "emission" in tensors else AcousticModel.unpacked(tensors, device)
        # The decipherment of a warm start knows no bonus.
        weights = {"grammar_weight": about["grammar_weight"], "phone_bonus": about.get("phone_bonus", 0.0)}
        return cls(front_end, about["phones"], sounds, Grammar.unpacked(tensors), weights)

    def hear(self, encoded: Ragged) -> tuple[Ragged, Ragged]:
        """Encoder frames (N, D) -> the sub-state v * n + i of each, and scores (N, V * n)."""
        seen = self.front_end.units(encoded) if self.of_units else self.front_end.frames(encoded)
        scores = self.sounds.log_likelihood(seen).cpu().numpy()
        return best_states(self.sounds, self.grammar, seen, **self.weights), Ragged(scores, encoded.offsets)

    @property
    def of_units(self) -> bool:
        """Whether it hears units; otherwise frames."""
        return isinstance(self.sounds, Model)

    def phones_of(self, speech: Speech) -> list[np.ndarray]:
        """Phones of all prepared utterances, without silence."""
        V, n = self.sounds.stay.shape
        states = best_states(self.sounds, self.grammar, speech.units if self.of_units else speech.frames, **self.weights)
        return [said(row, n_states=n, silence=V - 1)[:, 0] for row in states]


def read_hmm(folder: Path, front_end: FrontEnd) -> FramesEngine:
    """The HMM of a self_train folder: its Viterbi path."""
    hmm = PhoneHmm.read(folder / "hmm.safetensors", front_end)
    V, n = hmm.sounds.stay.shape

    def hear(encoded: Ragged) -> Iterator[Heard]:
        for states, scores in zip(*hmm.hear(encoded), strict=True):
            # Sounds count as much against each other as they do against the n-gram in the search.
            likely = np.logaddexp.reduce(scores.reshape(-1, V, n), axis=2) / hmm.weights["grammar_weight"]
            yield heard_runs(hmm.phones, said(states, n_states=n, silence=V - 1), likely, scores)

    stay = hmm.sounds.stay.cpu().double()
    return FramesEngine(front_end, hmm.phones[:-1], hear, (stay.log().numpy(), (1 - stay).log().numpy()))
