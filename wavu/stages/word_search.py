"""Speech as words of the text, or as its phones, and the weights of either search, found without labels."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np

from wavu.acoustic.model import AcousticModel, parts
from wavu.decipher.hmm import Sounds
from wavu.decipher.viterbi import best_states
from wavu.decode.topology import Topology
from wavu.decode.tuning import tune
from wavu.decode.words import WordDecoder
from wavu.ragged import Ragged
from wavu.selection import disagreement, perplexity, tuning_score
from wavu.stages.hmm_task import HmmTask


def hmm_topology(model: AcousticModel, task: HmmTask) -> Topology:
    """Of phones that last as long as the model says."""
    stay = model.stay.double().cpu()
    return Topology.hmm(*task.shape, log_stay=stay.log().numpy(), log_leave=(1 - stay).log().numpy())


def word_decoder(task: HmmTask, topology: Topology, settings: dict, cache: Path) -> WordDecoder:
    """The search through the lexicon, among phones without silence in a network of phones alone.

    settings: of :class:`~wavu.decode.words.WordDecoder`. cache: where its graph is kept.
    """
    return WordDecoder(task.text.words, task.text.pronunciations, task.written / "words.arpa", topology, **settings, cache=cache)


def through_words(decoder: WordDecoder, model: AcousticModel, task: HmmTask) -> Ragged:
    """The sub-states (N) of the best words of each utterance; silence where there is none."""
    found = []
    for rows in parts(task.speech.frames):
        frames = task.speech.frames.take(rows)
        for scores in Ragged(model.log_likelihood(frames).cpu().numpy(), frames.offsets):
            path = decoder.columns(scores)
            found.append(path if len(path) else np.full(len(scores), (task.shape[0] - 1) * task.shape[1]))
    return Ragged.of(found, np.int16)


# Weights


def tuning_judge(before: Ragged, task: HmmTask, least_disagreement: float) -> Callable[[Ragged], float]:
    """Judges phones (B lines) without silence by the text and by the labels they are to replace, as the original does.

    Nothing is to be more predictable than the text itself, and labels with errors cannot tell who is nearest to the truth.
    """

    def score(said: Ragged) -> float:
        return tuning_score(
            perplexity(said, task.judge.log10_probability), disagreement(said, before),
            least_perplexity=task.judge.text_perplexity, least_disagreement=least_disagreement,
        )  # fmt: skip

    return score


def tune_words(
    decoder: WordDecoder,
    model: AcousticModel,
    before: Ragged,
    task: HmmTask,
    *,
    utterances: int,
    least_disagreement: float,
    grid: dict,
) -> dict:
    """Weights of the word search, judged on so many utterances by the sub-states (N) that were found before."""
    rows = task.some(utterances)
    judge = tuning_judge(task.said(before.take(rows)), task, least_disagreement)
    frames = task.speech.frames.take(rows)
    scores = list(Ragged(model.log_likelihood(frames).cpu().numpy(), frames.offsets))
    weights, _ = tune(decoder, scores, lambda _, phones: judge(phones), grid=grid)
    return weights


def tune_phones(
    model: Sounds, heard: Ragged, found: Ragged, task: HmmTask, *, utterances: int, least_disagreement: float, grid: dict
) -> dict:
    """Weights of the phone search, for those who decode without words. found: the sub-states (N) of what was heard."""
    rows = task.some(utterances)
    heard, judge = heard.take(rows), tuning_judge(task.said(found.take(rows)), task, least_disagreement)

    def score(point: dict) -> float:
        return judge(task.said(best_states(model, task.grammar, heard, **point)))

    names, values = zip(*grid.items(), strict=True)
    return min((dict(zip(names, point, strict=True)) for point in product(*values)), key=score)
