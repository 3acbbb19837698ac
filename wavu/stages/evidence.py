"""How good labels are that nobody can check: phones that sound like gaussians learn from them, and hear other speech."""

from dataclasses import replace

import numpy as np

from wavu.acoustic.model import AcousticModel, fit_mixtures, fit_transform, stays
from wavu.acoustic.transform import unchanged
from wavu.decipher.hmm import evidence
from wavu.ragged import Ragged
from wavu.stages.hmm_task import HmmTask


def gaussians_of(states: Ragged, task: HmmTask, settings: dict) -> AcousticModel:
    """Phones that sound like gaussians of linear discriminants, learned from the sub-states of frames (N)."""
    frames, S = task.speech.frames, task.shape[0] * task.shape[1]
    transform = fit_transform(frames, states, n_states=S, device=task.device, **settings["transform"])
    mixtures = fit_mixtures(transform, frames, states, n_states=S, **settings["mixtures"])
    return AcousticModel(transform, mixtures, stays(states, task.shape, task.device))


def evidence_of(states: Ragged, task: HmmTask, *, by: str, utterances: int, mixtures: dict, gaussians: dict, seed: int) -> float:
    """How well sub-states (N) go with speech that was not learned from: what a turn is judged by.

    by: likelihood, with such mixtures; or agreement, with such gaussians. utterances: heard.
    """
    if by == "agreement":
        return _agreement(states, task, utterances, gaussians, seed)
    return _likelihood(states, task, utterances, mixtures)


def _likelihood(states: Ragged, task: HmmTask, utterances: int, mixtures: dict) -> float:
    """How well labels explain speech that was not looked at: log likelihood per frame under the HMM that they speak for.

    Its gaussians learn from half of the utterances and hear ``utterances`` of the others, as prepare_audio left them, whatever
    found the labels: so the labels of all turns can be compared. Labels must go with the sounds, and in an order that the
    bigram of the text expects.
    """
    learned = np.arange(0, len(states), 2)
    others = np.arange(1, len(states), 2)[:utterances]
    if not len(others):
        others = learned
    frames, some = task.speech.frames.take(learned), states.take(learned)
    density = fit_mixtures(
        unchanged(frames.flat.shape[1], task.device), frames, some, n_states=task.shape[0] * task.shape[1], **mixtures
    )  # fmt: skip
    model = AcousticModel(unchanged(frames.flat.shape[1], task.device), density, stays(some, task.shape, task.device))
    return evidence(model, task.pairs, task.speech.frames.take(others))


def _agreement(states: Ragged, task: HmmTask, utterances: int, settings: dict, seed: int) -> float:
    """Share of the frames in which the phone that sounds likeliest by itself is the one that was found there in its context.

    The gaussians learn from half of the utterances, drawn at random as speakers may take turns, and hear others. Phones that go
    with the sounds are heard again in speech that was not learned from; phones that only make words of the text are not.
    """
    learned, others = np.array_split(np.random.default_rng(seed).permutation(len(states)), 2)
    others = others[:utterances]
    if not len(others):
        others = learned
    (V, n), frames = task.shape, task.speech.frames
    half = replace(task, speech=replace(task.speech, frames=frames.take(learned)))
    model = gaussians_of(states.take(learned), half, settings)
    heard = model.log_likelihood(frames.take(others)).view(-1, V, n).logsumexp(-1).argmax(-1).cpu().numpy()
    found = states.take(others).flat // n
    spoken = found != V - 1
    return float((heard == found)[spoken].mean()) if spoken.any() else 0.0
