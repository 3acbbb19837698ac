"""Scores of a recogniser in, words out: the best sentences of a lexicon under an n-gram.

A sentence is worth ``acoustic_scale`` * its best path through the scores + ``lm_weight`` * log P(words, </s>) +
``word_score`` per word + ``silence_score`` per silence, natural logarithms. The search is Kaldi's token passing on the
graph of wavu.decode.graph, where backing off is optional, so what a sentence costs there is never more than it should
(Allauzen et al. 2003, section 3.1). ``decode`` gives the best path there, as Kaldi does: in 2 of 97 recordings of people
another sentence was better, and to look for it took 70 times as long. ``nbest`` looks, and is exact within the beam.
Shapes: N frames, P columns, W words, V phones.
"""

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import kaldifst
import numpy as np
from kaldi_decoder import (
    DecodableCtc,
    FasterDecoder,
    FasterDecoderOptions,
    LatticeSimpleDecoder,
    LatticeSimpleDecoderConfig,
)

from wavu.decode import graph
from wavu.decode.align import LEAST_ACTIVE, NO_LIMIT, line
from wavu.decode.lattice import sentences
from wavu.decode.topology import Topology, compiled
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.text.ngram import NGram, read_arpa

LN10 = float(np.log(10))
WORST = -1e4  # stands for minus infinity: sums of it stay numbers
MOST_SENTENCES = 4096  # looked at in one lattice
NARROW = 6.0  # nats behind the best, where the search for an n-best list begins
WIDENINGS = 12  # of the beam, each by four, until something ends well


@dataclass(frozen=True)
class Word:
    """A word that was said. word: its row in the lexicon. start, end: its first frame, and the one after its last.

    confidence: 0 to 1, the geometric mean over its frames of the posterior of the phone heard there, all phones being as
    likely beforehand. It knows nothing of other words that fit as well.
    """

    word: int
    start: int
    end: int
    confidence: float


@dataclass(frozen=True)
class Hypothesis:
    """A sentence that may have been said. words: rows of the lexicon. score: what is maximised.

    acoustic: of its best path, scaled, with its silences. lm: natural log P(words, </s>), not weighted.
    """

    words: tuple[int, ...]
    acoustic: float
    lm: float
    score: float


class WordDecoder:
    """Finds the words of scores.

    The weights may be changed without building the graph again (``reweighted``). The beam is in nats of the n-gram: what is
    further behind than ``beam`` * ``lm_weight`` in score is given up. Where nothing in the beam ends well it is widened.
    """

    def __init__(
        self,
        words: list[str],
        pronunciations: Ragged,
        arpa: Path,
        topology: Topology,
        *,
        acoustic_scale: float,
        lm_weight: float,
        word_score: float,
        silence_score: float,
        beam: float,
        max_active: int,
        cache: Path,
    ) -> None:
        """Build the graph, or read it from ``cache``.

        words, pronunciations: W words and their phone ids. arpa: n-gram of words; one it does not know counts as <unk>.
        max_active: how many states at most are followed from frame to frame.

        Raises:
            WavuError: the lexicon is empty or has phones that the topology has not; the n-gram cannot be read; weights out
                of range.
        """
        if not (beam > 0 and max_active > LEAST_ACTIVE):
            raise WavuError(f"beam={beam} must be above 0 and max_active={max_active} above {LEAST_ACTIVE}")
        self.words, self.pronunciations, self.topology = words, pronunciations, topology
        self.beam, self.max_active = beam, max_active
        self._plain = graph.graph(words, pronunciations, arpa, topology, cache=cache)
        self._arpa = arpa
        self._weigh(acoustic_scale, lm_weight, word_score, silence_score)

    def reweighted(self, *, acoustic_scale: float, lm_weight: float, word_score: float, silence_score: float) -> "WordDecoder":
        """The same decoder under other weights."""
        other = copy(self)
        other._weigh(acoustic_scale, lm_weight, word_score, silence_score)
        return other

    def _weigh(self, acoustic_scale: float, lm_weight: float, word_score: float, silence_score: float) -> None:
        """Costs within the graph are those of the n-gram: everything else is divided by its weight."""
        finite = np.isfinite([acoustic_scale, lm_weight, word_score, silence_score]).all()
        if not (finite and acoustic_scale > 0 and lm_weight > 0):
            raise WavuError(
                f"acoustic_scale={acoustic_scale} and lm_weight={lm_weight} must be above 0, "
                f"word_score={word_score} and silence_score={silence_score} any finite numbers"
            )
        self.acoustic_scale, self.lm_weight = acoustic_scale, lm_weight
        self.word_score, self.silence_score = word_score, silence_score
        self._graph = self._plain if not word_score else self._with_word_cost(-word_score / lm_weight)

    def _with_word_cost(self, cost: float) -> kaldifst.StdConstFst:
        """The graph with a cost on every word."""
        word = np.arange(len(self.words)) + 1
        loops = compiled(np.stack([0 * word, 0 * word, word, word], 1), costs=np.full(len(word), cost), finals=np.zeros(1, int))
        kaldifst.arcsort(loops, sort_type="ilabel")
        return kaldifst.StdConstFst(kaldifst.compose(self._plain, loops, match_side="right"))

    def decode(self, scores: np.ndarray) -> list[Word]:
        """The words of the best path in the graph, with their times; none where nothing is said or the scores (N, P) are too few.

        Raises:
            WavuError: wrong number of columns, or a score that is not a number.
        """
        found = self._search(self._graph, self._laid_out(scores))
        return [] if found is None else self._timed(found[1], found[0], scores)

    def nbest(self, scores: np.ndarray, n: int) -> list[Hypothesis]:
        """The n best different sentences of scores (N, P), best first; fewer where the beam holds no more."""
        laid_out = self._laid_out(scores)
        return self._ranked(laid_out, n, NARROW) if len(laid_out) >= self.topology.n_states else []

    def align(self, scores: np.ndarray, words: tuple[int, ...]) -> list[Word]:
        """Where words (rows of the lexicon) were said in scores (N, P), if they and nothing else were."""
        found = self._search(self._line(words), self._laid_out(scores))
        return [] if found is None else self._timed(words, found[0], scores)

    def hypothesis(self, scores: np.ndarray, words: tuple[int, ...]) -> Hypothesis | None:
        """What words (rows of the lexicon) are worth as the sentence of scores (N, P); None where they do not fit in."""
        found = self._search(self._line(words), self._laid_out(scores))
        return None if found is None else self._hypotheses([words], [found[3]])[0]

    def columns(self, scores: np.ndarray) -> np.ndarray:
        """The column of scores (N, P) that the best path in the graph passes in each frame (N); none where no path is this short."""
        found = self._search(self._graph, self._laid_out(scores))
        return np.zeros(0, np.int64) if found is None else (np.array(found[0]) - 1) % self.topology.n_columns

    def phones(self, words: list[Word] | tuple[int, ...]) -> np.ndarray:
        """Phone ids of words, joined."""
        rows = np.array([word.word if isinstance(word, Word) else word for word in words], int)
        return self.pronunciations.take(rows).flat

    def _laid_out(self, scores: np.ndarray) -> np.ndarray:
        """Scores (N, P) as the graph reads them, weighed against the n-gram."""
        scores = np.asarray(scores, np.float64)
        if scores.ndim != 2 or scores.shape[1] != self.topology.n_columns:
            raise WavuError(
                f"scores of shape {scores.shape}, expected (frames, {self.topology.n_columns}); are they of the recogniser the decoder was made for?"
            )
        if np.isnan(scores).any() or (scores == np.inf).any():
            raise WavuError("scores are not numbers; has the recogniser broken down?")
        columns = self.topology.columns(np.maximum(scores, WORST)) * self.acoustic_scale
        if self.topology.silence is not None:
            columns[:, self.topology.silence * self.topology.n_states] += self.silence_score
        return (columns / self.lm_weight).astype(np.float32)

    def _search(self, fst: kaldifst.StdConstFst, laid_out: np.ndarray) -> tuple[list[int], tuple[int, ...], float, float] | None:
        """Labels of the best path (N), its words, and its cost in graph and scores; None where no path is this short."""
        if len(laid_out) < self.topology.n_states:
            return None
        for widening in range(WIDENINGS):
            # More states first: where many words fit about as well, a wide beam without a limit follows millions of them.
            limit = min(self.max_active * 4**widening, NO_LIMIT)
            decoder = FasterDecoder(fst, FasterDecoderOptions(self.beam * 2**widening, limit, LEAST_ACTIVE))
            decoder.decode(DecodableCtc(laid_out))
            if decoder.reached_final():
                _, labels, words, weight = kaldifst.get_linear_symbol_sequence(decoder.get_best_path()[1])
                return labels, tuple(word - 1 for word in words), weight.value1, weight.value2
        return None

    def _ranked(self, laid_out: np.ndarray, n: int, width: float) -> list[Hypothesis]:
        """The n best sentences. A lattice holds those that cost up to ``width`` more than the best, perhaps too little."""
        while True:
            found = list(sentences(self._lattice(laid_out, width), MOST_SENTENCES))
            said = [tuple(label - 1 for label in labels) for labels, _, _ in found]
            hypotheses = sorted(self._hypotheses(said, [heard for _, _, heard in found]), key=lambda each: -each.score)
            full, (_, least, _), (_, most, _) = len(found) == MOST_SENTENCES, found[0], found[-1]
            # Sentences that are not in the lattice cost this much at least.
            bound = -self.lm_weight * (most if full else least + width)
            if full or width >= self.beam or (len(found) >= n and hypotheses[n - 1].score >= bound):
                return hypotheses[:n]
            width = min(2 * width, self.beam)

    def _hypotheses(self, sentences: list[tuple[int, ...]], heard: list[float]) -> list[Hypothesis]:
        """Sentences with what the n-gram really says about them. heard: the costs of their paths through the scores."""
        hypotheses = []
        for words, cost, lm_cost in zip(sentences, heard, self._lm_cost(sentences), strict=True):
            acoustic, lm = -self.lm_weight * cost, -float(lm_cost)
            score = acoustic + self.lm_weight * lm + self.word_score * len(words)
            hypotheses.append(Hypothesis(words, acoustic, lm, score))
        return hypotheses

    def _lattice(self, laid_out: np.ndarray, width: float) -> kaldifst.Lattice:
        """All paths that cost up to ``width`` more than the best."""
        for widening in range(WIDENINGS):
            beam = self.beam * 4**widening
            decoder = LatticeSimpleDecoder(self._graph, LatticeSimpleDecoderConfig(beam=beam, lattice_beam=width))
            decoder.decode(DecodableCtc(laid_out))
            if np.isfinite(decoder.final_relative_cost()):
                break
        return decoder.get_raw_lattice()[1]

    @cached_property
    def _ngram(self) -> tuple[NGram, np.ndarray]:
        """The n-gram and the row of each word in it, read when first asked for: the best path needs the graph alone."""
        ngram = read_arpa(self._arpa)
        return ngram, ngram.rows(self.words)

    def _lm_cost(self, sentences: list[tuple[int, ...]]) -> np.ndarray:
        """-log P(words, </s>) of B sentences (B), natural."""
        ngram, rows = self._ngram
        return -LN10 * ngram.score_rows(Ragged.of(sentences, np.int64), rows)

    def _line(self, words: tuple[int, ...]) -> kaldifst.StdConstFst:
        """A graph of one sentence."""
        return line([self.pronunciations[word] for word in words], self.topology)

    def _timed(self, words: tuple[int, ...], labels: list[int], scores: np.ndarray) -> list[Word]:
        """Words with the times and posteriors of their phones, which are those of the path in their order."""
        runs = self.topology.phones(labels)
        heard = self.topology.posteriors(np.maximum(np.asarray(scores, np.float64), WORST))
        logs = np.array([heard[start:end, phone].sum() for phone, start, end in runs])
        frames = runs[:, 2] - runs[:, 1]
        found, first = [], 0
        for word in words:
            last = first + len(self.pronunciations[word])
            confidence = float(np.exp(logs[first:last].sum() / frames[first:last].sum()))
            found.append(Word(int(word), int(runs[first, 1]), int(runs[last - 1, 2]), confidence))
            first = last
        return found
