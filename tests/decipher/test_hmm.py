"""The HMM against every path written out, one by one; what it learns against what was planted."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decipher.paths import SHAPES, UNITS, UTTERANCES, drawn, paths, some_grammar, some_model
from wavu.decipher import hmm
from wavu.decipher.grammar import Grammar
from wavu.decipher.viterbi import best_states, decode
from wavu.ragged import Ragged


def emitted_by(model: hmm.Model, grammar: Grammar, units: Ragged) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Expected count of each unit in each sub-state (V, n, K), the stay that follows (V, n), log likelihood per frame."""
    counts = torch.zeros(UNITS, model.stay.numel())
    stay, log_likelihood = hmm.expect(
        model, grammar, units, lambda heard, occupied: counts.index_add_(0, torch.from_numpy(heard.flat).long(), occupied)
    )
    return counts.T.view(model.emission.shape), stay, log_likelihood


def plain_expect(model: hmm.Model, grammar: Grammar, units: Ragged) -> tuple[np.ndarray, np.ndarray, float]:
    """``hmm.expect`` path by path: emitted (V, n, K), stayed (V, n), log likelihood of all utterances that can be said."""
    V, n, _ = model.emission.shape
    emitted, stayed, total = np.zeros((V, n, UNITS)), np.zeros((V, n)), 0.0
    for row in units:
        found = list(paths(model, grammar, row)) if len(row) else []
        likelihood = sum(probability for probability, _, _ in found)
        total += np.log(likelihood) if found else 0.0
        for probability, states, stays in found:
            for t, (v, i) in enumerate(states):
                emitted[v, i, row[t]] += probability / likelihood
                stayed[v, i] += probability / likelihood * (t < len(stays) and stays[t])
    return emitted, stayed, total


@pytest.mark.parametrize(("order", "V", "n"), SHAPES)
def test_expectations_are_those_of_all_paths(order: int, V: int, n: int) -> None:
    model, grammar = some_model(V, n), some_grammar(order, V)
    units = UTTERANCES.take(np.flatnonzero((UTTERANCES.lengths == 0) | (UTTERANCES.lengths >= n)))
    emitted, stay, log_likelihood = emitted_by(model, grammar, units)
    plain_emitted, plain_stayed, total = plain_expect(model, grammar, units)
    assert np.allclose(emitted, plain_emitted, atol=1e-5)
    assert np.allclose(stay, (plain_stayed + 1) / (plain_emitted.sum(-1) + 2), atol=1e-5)
    assert log_likelihood * len(units.flat) == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize(("order", "V", "n"), SHAPES)
def test_the_evidence_is_the_likelihood_of_the_expectations(order: int, V: int, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, grammar = some_model(V, n), some_grammar(order, V)
    expected = emitted_by(model, grammar, UTTERANCES)[-1]  # some are too short to end
    assert hmm.evidence(model, grammar, UTTERANCES) == pytest.approx(expected, abs=1e-9)
    monkeypatch.setattr(hmm, "_BATCH_FLOATS", 1)
    assert hmm.evidence(model, grammar, UTTERANCES) == pytest.approx(expected, abs=1e-6)


class Table:
    """Scores that are simply known: ``heard`` is the row of each frame in them."""

    def __init__(self, scores: torch.Tensor, stay: torch.Tensor) -> None:
        self.scores, self.stay = scores, stay

    def log_likelihood(self, heard: Ragged) -> torch.Tensor:
        return self.scores[torch.from_numpy(heard.flat)]


@pytest.mark.parametrize("order", [2, 3])
def test_any_scores_do_as_units_do(order: int) -> None:
    """A number that is added to all scores of a frame changes the likelihood by it, and nothing else."""
    model, grammar = some_model(3, 2), some_grammar(order, 3)
    louder = torch.linspace(-400, 900, len(UTTERANCES.flat))[:, None]
    table = Table(model.log_likelihood(UTTERANCES) + louder, model.stay)
    frames = Ragged(np.arange(len(UTTERANCES.flat)), UTTERANCES.offsets)
    learned = []
    stay, log_likelihood = hmm.expect(table, grammar, frames, lambda heard, occupied: learned.append((heard.flat, occupied)))
    emitted, plain_stay, plain = emitted_by(model, grammar, UTTERANCES)
    assert torch.allclose(stay, plain_stay, atol=1e-5)
    assert log_likelihood == pytest.approx(plain + louder.mean().item(), abs=1e-4)
    counts = torch.zeros(UNITS, model.stay.numel())
    for places, occupied in learned:
        counts.index_add_(0, torch.from_numpy(UTTERANCES.flat[places]).long(), occupied)
    assert torch.allclose(counts.T.view(emitted.shape), emitted, atol=1e-4)
    paths_found = [
        best_states(each, grammar, rows, grammar_weight=2.0, phone_bonus=0.1)
        for each, rows in ((table, frames), (model, UTTERANCES))
    ]
    assert np.array_equal(paths_found[0].flat, paths_found[1].flat)


@pytest.mark.parametrize("order", [2, 3])
def test_the_size_of_batches_changes_nothing(order: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model, grammar = some_model(3, 2), some_grammar(order, 3)
    whole, path = emitted_by(model, grammar, UTTERANCES), decode(model, grammar, UTTERANCES, grammar_weight=1.0)
    monkeypatch.setattr(hmm, "_BATCH_FLOATS", 1)
    assert len(list(hmm.batches(UTTERANCES, 1))) == 5
    split = emitted_by(model, grammar, UTTERANCES)
    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(whole, split, strict=True))
    assert np.array_equal(decode(model, grammar, UTTERANCES, grammar_weight=1.0).flat, path.flat)


def test_batches_hold_every_frame_once() -> None:
    (batch,) = hmm.batches(UTTERANCES, 1)
    assert batch.active == [5, 5, 4, 3, 2]
    frames = np.split(batch.heard.flat[batch.places], np.cumsum(batch.active)[:-1])
    for column, row in enumerate(batch.rows):
        assert [frame[column] for frame in frames if column < len(frame)] == UTTERANCES[row].tolist()


@given(seed=st.integers(0, 10_000), order=st.sampled_from([2, 3]), n=st.integers(1, 3), smoothing=st.sampled_from([0.01, 2.0]))
@settings(max_examples=15, deadline=None)
def test_every_iteration_explains_the_speech_better(seed: int, order: int, n: int, smoothing: float) -> None:
    """What Baum-Welch raises is the likelihood times the prior that the pseudo-counts stand for."""
    rng = np.random.default_rng(seed)
    units = Ragged.of([rng.integers(0, UNITS, rng.integers(1, 20)) for _ in range(20)], np.int16)
    frequency = torch.from_numpy(np.bincount(units.flat, minlength=UNITS) / len(units.flat)).float()
    model, grammar = some_model(3, n, seed=seed), some_grammar(order, 3, seed=seed)
    before = -np.inf
    for _ in range(6):
        prior = smoothing * (frequency * model.emission.log()).sum() + (model.stay.log() + (1 - model.stay).log()).sum()
        model, log_likelihood = hmm.train(model, grammar, units, iterations=1, smoothing=smoothing)
        objective = log_likelihood * len(units.flat) + prior.item()
        assert objective > before - 1e-3
        before = objective


def planted(V: int, n_utterances: int, seed: int) -> tuple[Ragged, Ragged, Ragged]:
    """A language in which phone v is followed by v + 1 or v + 2: lines, frames' phones, frames' units (nine times in ten v)."""
    rng = np.random.default_rng(seed)
    lines = [np.cumsum(rng.integers(1, 3, rng.integers(5, 12))) % V for _ in range(n_utterances)]
    labels = Ragged.of([np.repeat(line, rng.integers(2, 6, len(line))) for line in lines], np.int16)
    other = rng.integers(0, V, len(labels.flat))
    units = np.where(rng.random(len(labels.flat)) < 0.9, labels.flat, other)
    return Ragged.of(lines, np.int16), labels, Ragged(units, labels.offsets)


@pytest.mark.parametrize("order", [2, 3])
def test_spoiled_labels_are_corrected(order: int) -> None:
    lines, truth, units = planted(6, 60, 0)
    grammar = Grammar.of(planted(6, 200, 1)[0], 6, order=order)
    rng = np.random.default_rng(0)
    spoiled = Ragged(np.where(rng.random(len(truth.flat)) < 0.4, rng.integers(0, 6, len(truth.flat)), truth.flat), truth.offsets)
    model = hmm.model_of(spoiled, units, n_phones=6, n_units=6, n_states=2, smoothing=1.0)
    reports = []
    model, log_likelihood = hmm.train(model, grammar, units, iterations=5, smoothing=1.0, report=reports.append)
    assert len(reports) == 5 and reports[-1] == log_likelihood and reports[0] < reports[-1]
    assert (decode(model, grammar, units, grammar_weight=1.0).flat == truth.flat).mean() > 0.95
    frames = 1 / (1 - model.stay).numpy()
    assert np.allclose(frames.sum(-1), 3.5, atol=0.5)  # 2 to 5 frames were planted


def spoil_runs(labels: Ragged, share: float, V: int, seed: int) -> Ragged:
    """Each run becomes another phone with probability ``share``."""
    rng = np.random.default_rng(seed)
    starts = labels.run_starts()
    shift = np.where(rng.random(starts.sum()) < share, rng.integers(1, V, starts.sum()), 0)
    return Ragged(((labels.flat + shift[np.cumsum(starts) - 1]) % V).astype(np.int16), labels.offsets)


@given(seed=st.integers(0, 10_000), order=st.sampled_from([2, 3]), n=st.integers(1, 2))
@settings(max_examples=8, deadline=None)
def test_better_labels_are_likelier(seed: int, order: int, n: int) -> None:
    _, truth, units = planted(6, 150, seed)
    grammar = Grammar.of(planted(6, 300, seed + 1)[0], 6, order=order)
    sizes = {"n_units": 6, "n_states": n, "smoothing": 1.0}
    shares = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)
    likelihoods = [hmm.likelihood_of(spoil_runs(truth, share, 6, seed), units, grammar, **sizes) for share in shares]
    assert (np.diff(likelihoods) < -0.002).all()
    swapped = Ragged(np.array([1, 0, 2, 3, 4, 5])[truth.flat], truth.offsets)  # go with the sounds, in no order of the text's
    merged = Ragged(truth.flat // 2 * 2, truth.offsets)
    for wrong in (swapped, merged):
        assert hmm.likelihood_of(wrong, units, grammar, **sizes) < likelihoods[0] - 0.05


@pytest.mark.parametrize("order", [2, 3])
def test_labels_that_know_nothing_explain_no_more_than_frequencies(order: int) -> None:
    """Of eight phones one is used, or all at random: neither says anything about the units."""
    _, truth, units = planted(6, 300, 0)
    grammar = Grammar.of(planted(8, 300, 1)[0], 8, order=order)
    frequency = np.bincount(units.flat) / len(units.flat)
    unigram = (frequency * np.log(frequency)).sum()
    one, any_ = np.full(len(units.flat), 7), np.random.default_rng(0).integers(0, 8, len(units.flat))
    for flat in (one, any_):
        found = hmm.likelihood_of(Ragged(flat, units.offsets), units, grammar, n_units=6, n_states=2, smoothing=1.0)
        assert unigram - 0.25 < found < unigram  # below, for utterances also have to end where they do
    assert hmm.likelihood_of(truth, units, grammar, n_units=6, n_states=2, smoothing=1.0) > found + 0.3


def test_an_utterance_too_short_for_a_phone_is_labelled_and_teaches_nothing() -> None:
    model, grammar = some_model(2, 3), some_grammar(3, 2)
    short, long = np.array([1, 2]), np.array([0, 3, 1, 1])
    both = emitted_by(model, grammar, Ragged.of([short, long], np.int16))
    alone = emitted_by(model, grammar, Ragged.of([long], np.int16))
    assert all(torch.allclose(one, other) for one, other in zip(both[:2], alone[:2], strict=True))
    assert np.isfinite(both[2])
    labels = decode(model, grammar, Ragged.of([short, long], np.int16), grammar_weight=1.0)
    assert len(set(labels[0].tolist())) == 1


# Models from counts


@given(seed=st.integers(0, 10_000), n=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_a_model_of_labels_counts_what_they_say(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    rows = [np.repeat(rng.integers(0, 3, 4), rng.integers(1, 6, 4)) for _ in range(3)] + [np.zeros(0)]
    labels = Ragged.of(rows, np.int16)
    units = Ragged(rng.integers(0, UNITS, len(labels.flat)).astype(np.int16), labels.offsets)
    counts = 0.5 * np.bincount(units.flat, minlength=UNITS) / len(units.flat) * np.ones((3, n, 1))
    runs = np.zeros(3)
    for label_row, unit_row in zip(labels, units, strict=True):
        edges = [0, *(t for t, (a, b) in enumerate(pairwise(label_row), 1) if a != b), len(label_row)]
        for begin, end in pairwise(edges):
            runs[label_row[begin : begin + 1]] += 1
            for t in range(begin, end):
                counts[label_row[t], (t - begin) * n // (end - begin), unit_row[t]] += 1
    model = hmm.model_of(labels, units, n_phones=3, n_units=UNITS, n_states=n, smoothing=0.5)
    assert np.allclose(model.emission, counts / counts.sum(-1, keepdims=True), atol=1e-5)
    frames = counts.sum(-1) - 0.5
    at_least = np.maximum(frames, runs[:, None])
    assert np.allclose(model.stay, (at_least - runs[:, None] + 1) / (at_least + 2), atol=1e-5)


def test_a_first_model_lasts_as_long_as_asked() -> None:
    emission = drawn(3, UNITS, seed=0)
    model = hmm.initial_model(emission, 6.0, n_states=3)
    assert torch.equal(model.emission[:, 1], emission)
    assert np.allclose((1 / (1 - model.stay)).sum(-1), 6.0, atol=1e-4)
    assert (hmm.initial_model(emission, 2.0, n_states=3).stay == 0.05).all()


def test_a_packed_model_comes_back() -> None:
    model, grammar = some_model(3, 2), some_grammar(3, 3)
    back = hmm.unpacked(hmm.packed(model, grammar))
    for one, other in zip((model, grammar), back, strict=True):
        assert all(torch.equal(value, vars(other)[name]) for name, value in vars(one).items())
