"""From speech and text that have nothing to do with each other to phones: match, refine, match again.

How fast the speakers talk and how often they pause is not known. Each guess gives the text other statistics and so another
match; the match with the least surprise decides. A hidden Markov model started from it finds how long each phone really
lasts, with which the text can be spoken better and matched again. The likelihood of the speech chooses among the rounds.
Nothing here knows a transcript.

Shapes: V phones, the last of them silence; K units; R restarts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavu.decipher import hmm, matching
from wavu.decipher.grammar import Grammar, with_optional_silence
from wavu.decipher.viterbi import decode
from wavu.ragged import Ragged


@dataclass(frozen=True)
class Round:
    """One turn of matching and Baum-Welch.

    frames_per_phone (V): durations the text was spoken with. surprise (R): nats of each restart of the match, least first.
    matched, model: before and after Baum-Welch. log_likelihood: of the speech, nats per frame.
    """

    frames_per_phone: np.ndarray
    surprise: list[float]
    matched: hmm.Model
    model: hmm.Model
    log_likelihood: float


@dataclass(frozen=True)
class Deciphered:
    """text: which of the texts offered was taken. rounds in order; best: the one whose model explains the speech best."""

    text: int
    grammar: Grammar
    rounds: list[Round]
    best: Round


class Matcher:
    """Matches one body of speech against text spoken in different ways."""

    def __init__(
        self,
        units: Ragged,
        *,
        n_units: int,
        lags: list[int],
        positions: int,
        longest_silence: int,
        regularity: float,
        restarts: int,
        steps: int,
        learning_rate: float,
        seed: int,
    ) -> None:
        """units: one of K clusters per frame. lags, positions, longest_silence: frames. regularity: see ``matching.speak``."""
        self.counted = {"lags": lags, "positions": positions, "margin": longest_silence}
        self.fitted = {"restarts": restarts, "steps": steps, "learning_rate": learning_rate, "longest_silence": longest_silence}
        self.regularity = regularity
        self.noise, self.starts = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.heard = matching.skipgrams(units, n_units, **self.counted)
        self.frequency = torch.from_numpy(np.bincount(units.flat, minlength=n_units) / len(units.flat)).float()

    def match(self, lines: Ragged, frames_per_phone: np.ndarray) -> tuple[Tensor, list[float]]:
        """Best emission (V, K) for text spoken with these durations (V), and the surprise of all restarts, least first."""
        frames = matching.speak(lines, frames_per_phone, regularity=self.regularity, generator=self.noise)
        spoken = matching.skipgrams(frames, len(frames_per_phone), **self.counted)
        emission, surprise = matching.match(self.heard, spoken, self.frequency, generator=self.starts, **self.fitted)
        return emission[0], surprise.tolist()

    def surprise_by_frequency(self) -> float:
        """Surprise, nats, of a text that knows nothing of the speech but how frequent each unit is."""
        ends = torch.ones(1, 2, self.counted["positions"], 1)
        said = matching.Skipgrams(torch.ones(len(self.counted["lags"]), 1, 1), ends)
        return matching.surprise(self.frequency[None, None], ends, self.heard, said).item()


def decipher(
    units: Ragged,
    texts: list[Ragged],
    *,
    matcher: Matcher,
    n_phones: int,
    frames_per_phone: list[float],
    frames_per_silence: float,
    rounds: int,
    order: int,
    states: int,
    iterations: int,
    smoothing: float,
    report: Callable[[str], None],
) -> Deciphered:
    """Learn what each phone sounds like.

    units: one of K clusters per frame. texts: phone ids of sentences, one text for each guess where silences are between
    words; none at the ends of a sentence.
    frames_per_phone: guesses of the mean duration. frames_per_silence: a first value. order, states, iterations,
    smoothing: see ``hmm``. report: called after each match and each Baum-Welch iteration, ``n_reports`` times.
    """
    guesses = []
    for text, lines in enumerate(texts):
        for rate in frames_per_phone:
            durations = np.append(np.full(n_phones - 1, float(rate)), frames_per_silence)
            guesses.append((*matcher.match(lines, durations), text, durations))
            report(f"surprise {min(surprise[0] for _, surprise, _, _ in guesses):.4f} nats")
    emission, surprise, text, durations = min(guesses, key=lambda guess: guess[1][0])
    phones = Grammar.of(with_optional_silence(texts[text], n_phones - 1), n_phones, order=order)
    done: list[Round] = []
    while True:
        matched = hmm.initial_model(emission, float(durations[:-1].mean()), n_states=states)
        model, log_likelihood = hmm.train(
            matched, phones, units, iterations=iterations, smoothing=smoothing,
            report=lambda value: report(f"log likelihood {value:.4f} per frame"),
        )  # fmt: skip
        done.append(Round(durations, surprise, matched, model, log_likelihood))
        if len(done) == rounds:
            return Deciphered(text, phones, done, max(done, key=lambda turn: turn.log_likelihood))
        durations = durations_heard(decode(model, phones, units, grammar_weight=1.0), durations)
        emission, surprise = matcher.match(texts[text], durations)
        report(f"surprise {surprise[0]:.4f} nats")


def n_reports(*, guesses: int, rounds: int, iterations: int) -> int:
    """How often ``decipher`` reports."""
    return guesses + rounds - 1 + rounds * iterations


def durations_heard(labels: Ragged, before: np.ndarray) -> np.ndarray:
    """Mean length (V) in frames of the runs of each phone, drawn towards ``before`` by five runs of it."""
    runs = np.bincount(labels.flat[labels.run_starts()], minlength=len(before))
    frames = np.bincount(labels.flat, minlength=len(before))
    return (frames + 5 * before) / (runs + 5)
