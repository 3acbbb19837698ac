"""Hidden Markov models turn by turn: each learns from what the one before found, as long as the evidence gets better."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from wavu.acoustic.model import parts
from wavu.decipher.hmm import Sounds, cut, model_of, train
from wavu.decipher.viterbi import best_states
from wavu.progress import track
from wavu.ragged import Ragged
from wavu.stages.evidence import evidence_of, gaussians_of
from wavu.stages.hmm_task import HmmTask
from wavu.stages.word_search import hmm_topology, through_words, tune_phones, tune_words, word_decoder

Judged = Callable[[Ragged], float]  # sub-states (N) -> how good they are


@dataclass(frozen=True, eq=False)
class Turn:
    """A model, what it heard and the sub-states (N) it found. evidence: see :func:`~wavu.stages.evidence.evidence_of`."""

    name: str
    model: Sounds
    heard: Ragged
    states: Ragged
    evidence: float


def all_turns(
    task: HmmTask, cache: Path, *, hmm: dict, gaussians: dict, search: str, words: dict, tuning: dict, evidence: dict, seed: int
) -> tuple[list[Turn], dict]:
    """All turns, and the weights of the word search. A turn that is no better evidence than the one before is the last.

    cache: where the graph of words is kept. hmm, gaussians: of the first turn and of the others. search: words or phones; words:
    where its weights start. tuning: of the weights. evidence: what a turn is judged by.
    """
    judged = partial(evidence_of, task=task, **evidence, gaussians=gaussians, seed=seed)
    weights, count = {}, gaussians["turns"]
    with track("self_train", hmm["iterations"] + count, "turns") as advance:
        turns = [_first_turn(task, hmm, gaussians, judged, lambda value: advance(note=f"log likelihood {value:.4f} per frame"))]
        while len(turns) <= count:
            model = gaussians_of(turns[-1].states, task, gaussians)
            if search == "words":
                decoder = word_decoder(task, hmm_topology(model, task), weights.get("words", words), cache)
                if not weights:
                    tuned = tune_words(decoder, model, turns[-1].states, task, **_of_grid(tuning, "words"))
                    decoder, weights["words"] = decoder.reweighted(**tuned), words | tuned
                states = through_words(decoder, model, task)
            else:
                states = best_states(model, task.grammar, task.speech.frames, grammar_weight=1.0, phone_bonus=0.0)
            turns.append(Turn(f"gaussians {len(turns)}", model, task.speech.frames, states, judged(states)))
            advance(note=f"evidence {turns[-1].evidence:.3f}")
            if turns[-1].evidence <= turns[-2].evidence:
                break
    kept = max(turns, key=lambda turn: turn.evidence)
    weights["phones"] = tune_phones(kept.model, kept.heard, kept.states, task, **_of_grid(tuning, "phones"))
    return turns, weights


def _of_grid(tuning: dict, search: str) -> dict:
    """Settings of tuning for one of the searches."""
    return {"utterances": tuning["utterances"], "least_disagreement": tuning["least_disagreement"], "grid": tuning[search]}


def _first_turn(task: HmmTask, hmm: dict, gaussians: dict, judged: Judged, report: Callable[[float], None]) -> Turn:
    """The labels as they are, each phone cut evenly into sub-states; through units, what an HMM makes of them."""
    if task.through_units:
        return _units_turn(task, judged, report, iterations=hmm["iterations"], smoothing=hmm["smoothing"])
    states = cut(task.labels, task.shape[1])
    return Turn("segments", gaussians_of(states, task, gaussians), task.speech.frames, states, judged(states))


def _units_turn(task: HmmTask, judged: Judged, report: Callable[[float], None], *, iterations: int, smoothing: float) -> Turn:
    """Phones that sound like units, by Baum-Welch from the generator's labels."""
    units, (V, n) = task.speech.units, task.shape
    model = model_of(task.labels, units, n_phones=V, n_units=task.speech.n_units, n_states=n, smoothing=smoothing)
    model, _ = train(model.to(task.device), task.grammar, units, iterations=iterations, smoothing=smoothing, report=report)
    states = best_states(model, task.grammar, units, grammar_weight=1.0, phone_bonus=0.0)
    return Turn("units", model, units, states, judged(states))


def confidence(kept: Turn, task: HmmTask, scale: float) -> np.ndarray:
    """For each utterance the geometric mean, over its frames, of the posterior of the phone found there; 0 where nothing is.

    All sub-states are as likely beforehand. scale: of the log likelihoods, whose frames are not as independent as they say.
    """
    V, n = task.shape
    sums = np.zeros(len(kept.heard))
    for rows in parts(kept.heard):
        heard, phones = kept.heard.take(rows), kept.states.take(rows).flat // n
        scores = (scale * kept.model.log_likelihood(heard)).log_softmax(-1).view(-1, V, n).logsumexp(-1).cpu()
        found = scores[torch.arange(len(phones)), torch.from_numpy(phones.astype(np.int64))].double().numpy()
        sums[rows] = np.bincount(np.repeat(np.arange(len(rows)), heard.lengths), found, minlength=len(rows))
    lengths = kept.heard.lengths
    return np.where(lengths, np.exp(sums / np.maximum(lengths, 1)), 0.0).astype(np.float32)
