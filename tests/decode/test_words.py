from dataclasses import replace
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from wavu.decode.topology import Topology
from wavu.decode.words import WordDecoder
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.text.counts import BEGIN, END
from wavu.text.ngram import NGram, estimate, read_arpa, write_arpa

WEIGHTS = {"acoustic_scale": 1.0, "lm_weight": 1.0, "word_score": 0.0, "silence_score": 0.0}
WIDE = {"beam": 1000.0, "max_active": 100_000}


def chain(topology: Topology, words: list[list[int]]) -> tuple[list[int], list[int], list[int], set[tuple[int, int]]]:
    """The states S of a sentence: their columns, where a path may begin and end, and the ways (S, S) between them."""
    if topology.blank is not None:
        columns = [topology.blank]
        for phone in [phone for word in words for phone in word]:
            columns += [phone + (phone >= topology.blank), topology.blank]
        S = len(columns)
        skips = {(i, i + 2) for i in range(1, S - 2, 2) if columns[i] != columns[i + 2]}
        return columns, [0, 1][:S], [S - 2, S - 1][-S:], {(i, i + 1) for i in range(S - 1)} | skips
    n, silence = topology.n_states, topology.silence
    phones = [silence] + [phone for word in words for phone in [*word, silence]]
    columns = [phone * n + i for phone in phones for i in range(n)]
    S = len(columns)
    ways = {(i, i + 1) for i in range(S - 1)}
    ways |= {(k * n - 1, k * n + n) for k in range(1, len(phones) - 1) if phones[k] == silence}
    silent = len(phones) == 1
    return columns, [0] if silent else [0, n], [S - 1] if silent else [S - n - 1, S - 1], ways


def viterbi(topology: Topology, scores: np.ndarray, words: list[list[int]], silence_score: float) -> float:
    """Best path of words through the scores, state by state; -inf where there are too few frames."""
    columns, starts, ends, ways = chain(topology, words)
    S = len(columns)
    move = np.full((S, S), -np.inf)
    move[tuple(zip(*ways, strict=True)) if ways else ([], [])] = 0.0
    enter, stay = np.zeros(S), np.zeros(S)
    if topology.blank is None:
        enter, stay = topology.log_leave.ravel()[columns].copy(), topology.log_stay.ravel()[columns]
        enter[np.array(columns) == topology.silence * topology.n_states] += silence_score
    best = np.full(S, -np.inf)
    best[starts] = (enter + scores[0, columns])[starts]
    for row in scores[1:, columns]:
        best = np.maximum((best[:, None] + move).max(0) + enter, best + stay) + row
    return max(best[ends])


def price(arpa: NGram, words: list[str], sentence: tuple[int, ...]) -> float:
    """Natural log probability of a sentence where back-off weights may be paid whenever that pays, as in the graph."""

    def row_of(symbols: tuple[int, ...]) -> int:
        row = symbols[0]
        for n, symbol in enumerate(symbols[1:], 1):
            row = int(arpa.find(n, np.array([row]), np.array([symbol]))[0]) if row >= 0 and n < len(arpa.keys) else -1
        return row

    def shortened(context: tuple[int, ...], total: float) -> dict[tuple[int, ...], float]:
        return {context[k:]: total + sum(arpa.log10_backoffs[len(context[j:]) - 1][row_of(context[j:])] for j in range(k))
                for k in range(len(context) + 1)}  # fmt: skip

    best = {(BEGIN,): 0.0}
    for symbol in [*arpa.rows(words)[list(sentence)], END]:
        after: dict[tuple[int, ...], float] = {}
        for context, total in best.items():
            for shorter, paid in shortened(context, total).items():
                if len(shorter) < len(arpa.keys) and (row := row_of((*shorter, symbol))) >= 0:
                    then, log10 = (*shorter, int(symbol)), paid + arpa.log10_probs[len(shorter)][row]
                    if len(then) == len(arpa.keys):  # contexts are shorter than the longest n-grams
                        then = next(then[k:] for k in range(1, len(then) + 1) if k == len(then) or row_of(then[k:]) >= 0)
                    after[then] = max(after.get(then, -np.inf), log10)
        best = after
    return max(best.values()) * np.log(10)


def every_sentence(decoder_arguments: tuple, arpa: NGram, scores: np.ndarray, weights: dict) -> dict[tuple[int, ...], float]:
    """The score of every sentence that fits into the frames."""
    words, pronunciations, topology = decoder_arguments
    room = len(scores) // topology.n_states
    spelled = [row.tolist() for row in pronunciations]
    totals = {}
    for length in range(room + 1):
        for sentence in product(range(len(words)), repeat=length):
            phones = [spelled[word] for word in sentence]
            if sum(map(len, phones)) <= room:
                acoustic = viterbi(topology, scores * weights["acoustic_scale"], phones, weights["silence_score"])
                lm = arpa.score(Ragged.of([sentence], np.int64), words)[0] * np.log(10)
                totals[sentence] = acoustic + weights["lm_weight"] * lm + weights["word_score"] * length
    return totals


def scaled(topology: Topology, by: float) -> Topology:
    return replace(topology, log_stay=topology.log_stay * by, log_leave=topology.log_leave * by)


def any_topology(rng: np.random.Generator, kind: str, phones: int) -> Topology:
    if kind == "ctc":
        return Topology.ctc(phones, blank=int(rng.integers(phones + 1)))
    states = int(rng.integers(1, 3))
    stay = rng.uniform(0.05, 0.95, (phones + 1, states))
    return Topology.hmm(phones + 1, states, log_stay=np.log(stay), log_leave=np.log(1 - stay))


def any_arpa(rng: np.random.Generator, words: list[str], order: int, spite: float, path: Path) -> NGram:
    """An n-gram of random sentences. spite: how far its numbers are from ones that make sense: then backing off may pay."""
    known = words[: max(1, len(words) - int(rng.integers(2)))]
    lines = Ragged.of([rng.integers(len(known), size=rng.integers(1, 5)) for _ in range(8)], np.int32)
    model = estimate(lines, known, order=order)
    probs = [log10 - spite * rng.random(len(log10)) for log10 in model.log10_probs]
    backoffs = [log10 + spite * rng.normal(size=len(log10)) for log10 in model.log10_backoffs]
    backoffs[-1] *= 0
    write_arpa(replace(model, log10_probs=probs, log10_backoffs=backoffs), path)
    return read_arpa(path)


def any_lexicon(rng: np.random.Generator, phones: int) -> tuple[list[str], Ragged]:
    """With homophones, words that begin others, and words of one phone."""
    rows = [rng.integers(phones, size=rng.integers(1, 4)) for _ in range(rng.integers(1, 4))]
    rows += [rows[0][:1], rows[0]][: rng.integers(0, 3)]
    return [f"w{index}" for index in range(len(rows))], Ragged.of(rows, np.int16)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["ctc", "hmm"]), st.integers(1, 3), st.integers(1, 6),
    st.sampled_from([0.0, 1.0]), st.booleans(),
)  # fmt: skip
@example(175, "hmm", 3, 4, 0.0, False)  # a context that leaves nothing to back off with: the graph was never finished
def test_the_best_sentence_is_that_of_brute_force(seed: int, kind: str, order: int, frames: int, spite: float, weighted: bool):
    rng = np.random.default_rng(seed)
    phones = int(rng.integers(1, 4))
    words, pronunciations = any_lexicon(rng, phones)
    topology = any_topology(rng, kind, phones)
    drawn = {"acoustic_scale": rng.uniform(0.3, 2), "lm_weight": rng.uniform(0.3, 2)}
    drawn |= {name: rng.normal() for name in ("word_score", "silence_score")}
    weights = drawn if weighted else WEIGHTS
    scores = rng.normal(size=(frames, topology.n_columns)) * 2
    with TemporaryDirectory() as folder:
        arpa = any_arpa(rng, words, order, spite, Path(folder) / "words.arpa")
        decoder = WordDecoder(
            words, pronunciations, Path(folder) / "words.arpa", topology, **weights, **WIDE, cache=Path(folder) / "cache"
        )
        truth = every_sentence((words, pronunciations, scaled(topology, weights["acoustic_scale"])), arpa, scores, weights)
        ranked = sorted(truth.values(), reverse=True)
        said = tuple(word.word for word in decoder.decode(scores))
        if frames < topology.n_states:
            assert said == ()
            return
        paid = {
            sentence: score
            + weights["lm_weight"]
            * (price(arpa, words, sentence) - float(arpa.score(Ragged.of([sentence], np.int64), words)[0]) * np.log(10))
            for sentence, score in truth.items()
        }
        assert paid[said] == pytest.approx(max(paid.values()), abs=1e-3)
        possible = [score for score in ranked if score > -np.inf]
        found = decoder.nbest(scores, 4)
        assert [each.score for each in found] == pytest.approx(possible[:4], abs=2e-3)
        for each in found:
            assert each.score == pytest.approx(truth[each.words], abs=2e-3)
            alone = decoder.hypothesis(scores, each.words)
            assert (alone.acoustic, alone.lm, alone.score) == pytest.approx((each.acoustic, each.lm, each.score), abs=2e-3)


@pytest.fixture
def decoder(tmp_path: Path) -> WordDecoder:
    """Of a CTC student with five phones and its blank in column 0; the words tak, ki and o."""
    write_arpa(estimate(Ragged.of([[0, 1], [0, 2], [1, 0]], np.int32), ["tak", "ki", "o"], order=2), tmp_path / "words.arpa")
    return WordDecoder(
        ["tak", "ki", "o"], Ragged.of([[0, 1, 2], [2, 3], [4]], np.int16), tmp_path / "words.arpa", Topology.ctc(5, blank=0),
        **WEIGHTS, beam=16.0, max_active=1000, cache=tmp_path,
    )  # fmt: skip


def heard(columns: str, n_columns: int) -> np.ndarray:
    """Log softmax of frames that are fairly sure of one column each, given by digits."""
    scores = np.zeros((len(columns), n_columns))
    scores[np.arange(len(columns)), [int(column) for column in columns]] = 5.0
    return scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)


def test_words_have_times_and_confidence(decoder: WordDecoder) -> None:
    scores = heard("001122333003440", 6)
    scores[11] = -np.log(6)  # the frame in which the k of ki begins says nothing
    found = decoder.decode(scores)
    assert [(word.word, word.start, word.end) for word in found] == [(0, 2, 9), (1, 11, 14)]
    sure = np.exp(5) / (np.exp(5) + 5)
    assert found[0].confidence == pytest.approx(sure)
    assert found[1].confidence == pytest.approx((sure**2 / 6) ** (1 / 3))
    assert decoder.align(scores, (0, 1)) == found
    assert decoder.phones(found).tolist() == decoder.phones((0, 1)).tolist() == [0, 1, 2, 2, 3]


def test_nothing_said_is_no_words(decoder: WordDecoder) -> None:
    assert decoder.decode(heard("0000", 6)) == []
    assert decoder.decode(np.zeros((0, 6))) == [] and decoder.nbest(np.zeros((0, 6)), 3) == []
    assert decoder.align(heard("11", 6), (0,)) == [] and decoder.hypothesis(heard("11", 6), (0,)) is None


def test_where_the_beam_loses_everything_it_is_widened(decoder: WordDecoder) -> None:
    narrow = decoder.reweighted(**WEIGHTS | {"word_score": -20.0})
    narrow.beam, narrow.max_active = 0.01, 21
    assert [word.word for word in narrow.decode(heard("112233", 6) * 100)] == [0]


def test_a_sentence_of_minus_infinities_still_ends(decoder: WordDecoder) -> None:
    scores = np.full((6, 6), -np.inf)
    scores[np.arange(6), [1, 1, 2, 3, 3, 0]] = 0.0
    assert [word.word for word in decoder.decode(scores)] == [0]


def test_reweighted_is_a_decoder_made_with_these_weights(decoder: WordDecoder, tmp_path: Path) -> None:
    weights = {"acoustic_scale": 0.3, "lm_weight": 1.7, "word_score": 2.0, "silence_score": 1.0}
    made = WordDecoder(
        decoder.words, decoder.pronunciations, tmp_path / "words.arpa", decoder.topology, **weights, **WIDE, cache=tmp_path
    )
    scores = np.random.default_rng(0).normal(size=(9, 6))
    assert decoder.reweighted(**weights).nbest(scores, 3) == made.nbest(scores, 3)
    assert decoder.word_score == 0.0


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((4, 5)), r"scores of shape \(4, 5\), expected \(frames, 6\)"),
        (np.zeros(6), r"scores of shape \(6,\)"),
        (np.full((4, 6), np.nan), "scores are not numbers"),
    ],
)
def test_wrong_scores_are_refused(decoder: WordDecoder, scores: np.ndarray, message: str) -> None:
    for method in (decoder.decode, lambda scores: decoder.nbest(scores, 2), lambda scores: decoder.align(scores, (0,))):
        with pytest.raises(WavuError, match=message):
            method(scores)


@pytest.mark.parametrize("wrong", [{"acoustic_scale": 0.0}, {"lm_weight": -1.0}, {"word_score": np.inf}])
def test_weights_out_of_range_are_refused(decoder: WordDecoder, wrong: dict) -> None:
    with pytest.raises(WavuError, match="must be above 0"):
        decoder.reweighted(**WEIGHTS | wrong)


@pytest.mark.parametrize("wrong", [{"beam": 0.0}, {"max_active": 20}])
def test_a_search_that_cannot_search_is_refused(decoder: WordDecoder, tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(WavuError, match="must be above 0 and max_active=.* above 20"):
        WordDecoder(
            decoder.words, decoder.pronunciations, tmp_path / "words.arpa", decoder.topology, **WEIGHTS, **WIDE | wrong,
            cache=tmp_path,
        )  # fmt: skip
