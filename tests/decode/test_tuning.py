from pathlib import Path

import numpy as np
import pytest

from wavu.decode.topology import Topology
from wavu.decode.tuning import NothingSaid, tune
from wavu.decode.words import WordDecoder
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.selection import disagreement, tuning_score
from wavu.text.ngram import estimate, write_arpa

WORDS, SPELLED = ["ta", "ki", "taki", "o"], Ragged.of([[0, 1], [2, 3], [0, 1, 2, 3], [4]], np.int16)
LINES = Ragged.of([[0, 3], [1, 3], [2, 3], [3, 2], [3, 0], [0, 1]], np.int32)
START = {"acoustic_scale": 1.0, "lm_weight": 1.0, "word_score": 0.0, "silence_score": 0.0}


@pytest.fixture
def decoder(tmp_path: Path) -> WordDecoder:
    write_arpa(estimate(LINES, WORDS, order=2), tmp_path / "words.arpa")
    return WordDecoder(
        WORDS, SPELLED, tmp_path / "words.arpa", Topology.ctc(5, blank=0), **START, beam=16.0, max_active=1000, cache=tmp_path
    )


def noisy(seed: int, noise: float) -> tuple[list[np.ndarray], Ragged]:
    """Scores of the sentences' phones, two frames each, and the phones."""
    rng = np.random.default_rng(seed)
    phones = [SPELLED.take(line).flat for line in LINES]
    scores = []
    for row in phones:
        frames = np.repeat(row + 1, 2)
        clean = np.zeros((len(frames), 6))
        clean[np.arange(len(frames)), frames] = 3.0
        scores.append(clean + noise * rng.normal(size=clean.shape))
    return scores, Ragged.of(phones, np.int16)


def test_what_was_chosen_is_the_best_that_was_tried(decoder: WordDecoder) -> None:
    scores, greedy = noisy(0, 1.5)
    ngram = estimate(LINES, WORDS, order=2)

    def judge(words: Ragged, phones: Ragged) -> float:
        perplexity = float(10 ** (-ngram.score(words, WORDS).sum() / (len(phones.flat) + len(phones))))
        return tuning_score(perplexity, disagreement(phones, greedy), least_perplexity=1.1, least_disagreement=0.02)

    grid = {"acoustic_scale": [0.1, 0.3, 1.0, 3.0], "word_score": [-3, 0, 3]}
    seen: list[dict] = []
    weights, tried = tune(decoder, scores, judge, grid=grid, report=seen.append)
    assert seen == tried and tried[0] | START == tried[0]
    best = min(tried, key=lambda row: row["score"])
    assert weights == {name: best[name] for name in START}
    assert len({tuple(row.values()) for row in tried}) == len(tried)
    for name, values in grid.items():
        assert {row[name] for row in tried if all(row[other] == weights[other] for other in START if other != name)} >= set(
            values
        )
    assert decoder.acoustic_scale == 1.0


def test_the_judge_hears_what_the_decoder_says_under_the_weights(decoder: WordDecoder) -> None:
    scores, _ = noisy(1, 0.1)
    heard = []

    def judge(words: Ragged, phones: Ragged) -> float:
        heard.append([row.tolist() for row in words])
        assert [SPELLED.take(row).flat.tolist() for row in words] == [row.tolist() for row in phones]
        return len(words.flat)

    weights, tried = tune(decoder, scores, judge, grid={"word_score": [-9.0, 9.0]})
    assert weights["word_score"] == -9.0 and [row["score"] for row in tried] == [sum(map(len, said)) for said in heard]
    by_score = {row["word_score"]: said for row, said in zip(tried, heard, strict=True)}
    # Where every word costs, ta ki becomes taki.
    assert by_score[-9.0][5] == [2] and by_score[9.0][5][:2] != [2]


def test_silence_cannot_be_tuned_on(decoder: WordDecoder) -> None:
    silent = [np.log(np.eye(6)[[0, 0, 0]] + 1e-9)]
    with pytest.raises(NothingSaid, match="nothing was said"):
        tune(decoder, silent, lambda words, phones: 0.0 if len(words.flat) else np.inf, grid={"word_score": [0.0]})


@pytest.mark.parametrize(
    ("grid", "message"), [({"lm": [1.0]}, "'lm' is no weight"), ({"word_score": []}, "no values to try for word_score")]
)
def test_a_wrong_grid_is_refused(decoder: WordDecoder, grid: dict, message: str) -> None:
    with pytest.raises(WavuError, match=message):
        tune(decoder, [], lambda words, phones: 0.0, grid=grid)
