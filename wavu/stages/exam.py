"""What generators are judged by while they are trained: utterances held out, looked at without labels."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wavu.decipher.grammar import Grammar, with_optional_silence
from wavu.decipher.hmm import likelihood_of
from wavu.decode.greedy import per_frame
from wavu.gan.label import label
from wavu.gan.population import Population
from wavu.gan.runs import spoken
from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.selection import Judge, agreement, weighted_perplexity_per_batch
from wavu.stages.decipherment import GanTask
from wavu.text.ngram import NGram, estimate, read_arpa
from wavu.text.silence import phones_of, with_silence
from wavu.units import HOP_SECONDS

LABEL_BATCH = 256  # utterances labelled at a time; changes no result
ORIGINAL_BATCH = 160  # utterances per validation batch, over which the original averages its vocabulary


@dataclass(frozen=True, eq=False)
class Exam:
    """Utterances to be judged by, without labels.

    inputs: of the generators. starts: first frame of each of their outputs. units: of the speech, for the likelihood of
    ``explained`` utterances under the HMM that labels speak for: with this grammar, and these settings of
    :func:`~wavu.decipher.hmm.likelihood_of`. per_batch: whether the original's metric is measured too. theirs: the warm
    start's labels, or None. phones: V symbols.
    """

    judge: Judge
    inputs: Ragged
    starts: Ragged
    units: Ragged
    explained: int
    grammar: Grammar
    hmm: dict
    per_batch: bool
    theirs: Ragged | None
    phones: list[str]

    @classmethod
    def of(
        cls,
        task: GanTask,
        text: Text,
        arpa: Path,
        *,
        utterances: int,
        sentences: int,
        order: int,
        hmm: dict,
        selection: dict,
        per_batch: bool,
        seed: int,
    ) -> tuple["Exam", np.ndarray]:
        """An exam on some utterances, and the rows of those that are left to train on.

        arpa: the text's n-gram of phones; per_batch has one of its own, of this order, over silences too. utterances: held out,
        unless there are too few. sentences: to learn what n-grams a language has. hmm: its ``utterances`` and ``order``, and how
        labels become one. selection: the weight of each score.
        """
        shuffled = np.random.default_rng(seed).permutation(len(task.speech.ids))
        held, rest = np.split(shuffled, [utterances])
        if len(shuffled) < 10 * utterances:  # too few to give any away, and no label that could be learned by heart
            held = rest = shuffled
        held = np.sort(held)
        some = np.random.default_rng(seed).permutation(len(text.lines))[:sentences]
        lines, inputs = replace(text, lines=text.lines.take(some)), task.inputs.take(held)
        model = _model_with_silences(task, text, order, seed) if per_batch else read_arpa(arpa)
        judge = Judge.of(
            phones_of(lines),
            phones=len(text.phones),
            log10_probability=lambda lines: model.score(lines, text.phones),
            sample=len(inputs.flat),
            seed=seed,
            phones_per_second=task.phones_per_second,
            weights={"weighted_perplexity_per_batch": 1.0} if per_batch else selection,
        )
        likeness = {"n_states": hmm["n_states"], "smoothing": hmm["smoothing"], "n_units": task.speech.n_units}
        exam = cls(
            judge=judge,
            inputs=inputs,
            starts=task.starts.take(held),
            units=task.speech.units.take(held),
            explained=hmm["utterances"],
            grammar=_grammar(task, lines, hmm["order"], seed),
            hmm=likeness,
            per_batch=per_batch,
            theirs=None if task.labels is None else task.labels.take(held),
            phones=text.phones,
        )
        return exam, np.sort(rest)

    @property
    def silence(self) -> int:
        """Number of ``<SIL>``."""
        return len(self.phones) - 1

    def take(self, population: Population) -> tuple[list[dict], list[Ragged]]:
        """A row of scores for each member, and its labels (S)."""
        labels = label(population.generator.network, self.inputs, silence=self.silence, batch_size=LABEL_BATCH)
        alike = agreement(labels, self.silence)
        smoothed = {name: value.tolist() for name, value in population.losses.items()}
        rows = []
        for index, member in enumerate(population.members):
            losses = {name: values[index] for name, values in smoothed.items()}
            row = {"update": population.update, "member": member.number, **self._scores(labels[index], float(alike[index]))}
            rows.append(row | {"suspected_failed": self.judge.suspect(row, losses)})
        return rows, labels

    def _scores(self, labels: Ragged, alike: float) -> dict[str, float]:
        said = spoken(labels, self.silence)
        measured = {"agreement": alike, "log_likelihood": self._log_likelihood(labels)}
        if self.per_batch:
            measured["weighted_perplexity_per_batch"] = weighted_perplexity_per_batch(
                said, ORIGINAL_BATCH, self.judge.log10_probability, self.silence + 1
            )
        return self.judge.score(said, seconds=len(self.units.flat) * HOP_SECONDS, **measured)

    def _log_likelihood(self, labels: Ragged) -> float:
        some = slice(None, self.explained)
        parts = zip(list(labels)[some], list(self.starts)[some], self.units.lengths[some], strict=True)
        frames = Ragged.of([per_frame(*part) for part in parts], np.int16)
        units = self.units.take(np.arange(len(frames)))
        return likelihood_of(frames, units, self.grammar, **self.hmm)


def _grammar(task: GanTask, text: Text, order: int, seed: int) -> Grammar:
    """Of phones and silences, as speech has them."""
    noise = np.random.default_rng(seed)
    lines = with_silence(text, generator=noise, probability=task.silence["probability"], surround=False)
    return Grammar.of(with_optional_silence(lines, len(text.phones) - 1), len(text.phones), order=order)


def _model_with_silences(task: GanTask, text: Text, order: int, seed: int) -> NGram:
    """The language model of the original, which has seen text with silences."""
    noise, surround = np.random.default_rng(seed), task.silence["before"] > 0.5
    lines = with_silence(text, generator=noise, probability=task.silence["probability"], surround=surround)
    return estimate(lines, text.phones, order=order)
