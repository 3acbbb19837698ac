"""Batches: padding by index equals padding by loop, lines equal lines put together one phone at a time, rows are drawn alike."""

from itertools import groupby

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from tests.gan.crowd import CPU, SILENCE, batches, frames_with_targets, sentences
from tests.gan.toy import toy_speech, toy_text
from wavu.errors import WavuError
from wavu.gan.batches import BATCH_STREAM, Buckets, padded
from wavu.gan.noise import Noise
from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.text.silence import spelled, with_silence


def draw(update: int, *seeds: int) -> Noise:
    return Noise(seeds or [0], update, CPU, stream=BATCH_STREAM)


def lines_of(text: Text, count: int, **changes) -> list[list[int]]:
    """So many lines of a text with one bucket."""
    drawn, lengths = sentences(text, buckets=1, **changes).draw(draw(1), count, 0)
    return [line[:length].tolist() for line, length in zip(drawn[0], lengths[0], strict=True)]


def without_repeats(line: list[int]) -> list[int]:
    return [phone for phone, _ in groupby(line)]


@pytest.mark.parametrize("fill", [0, -1])
def test_padded_equals_a_loop(fill: int) -> None:
    rng = np.random.default_rng(0)
    ragged = Ragged.of([rng.normal(size=(length, 3)) for length in (4, 0, 1, 7, 2)], np.float16)
    rows = torch.tensor([[3, 0], [2, 1]])
    values, lengths = padded(torch.from_numpy(ragged.flat), torch.from_numpy(ragged.offsets), rows, 7, fill=fill)
    assert values.shape == (2, 2, 7, 3) and lengths.tolist() == [[7, 4], [1, 0]]
    for place in np.ndindex(2, 2):
        own = torch.from_numpy(ragged[int(rows[place])])
        assert torch.equal(values[place][: len(own)], own) and (values[place][len(own) :] == fill).all()


# Buckets


def test_buckets_share_all_rows_by_length_and_draw_each_alike() -> None:
    lengths = np.random.default_rng(0).permutation(100)
    rows = np.flatnonzero(lengths >= 20)
    buckets = Buckets(lengths, rows, 8, CPU)
    seen = []
    for bucket in range(len(buckets)):
        picked = buckets.pick(draw(1), 8000, bucket).flatten().numpy()
        own, counts = np.unique(picked, return_counts=True)
        assert chisquare(counts).pvalue > 1e-3
        assert buckets.longest(bucket) == lengths[own].max() and np.ptp(lengths[own]) == 9
        seen += own.tolist()
    assert sorted(seen) == rows.tolist()


@pytest.mark.parametrize("count", [1, 3, 8])
def test_with_fewer_rows_than_buckets_some_share_theirs(count: int) -> None:
    buckets = Buckets(np.array([5, 9, 7]), np.arange(3), count, CPU)
    picked = [set(buckets.pick(draw(1), 100, bucket).flatten().tolist()) for bucket in range(count)]
    assert set.union(*picked) == {0, 1, 2} and all(picked)
    assert [buckets.longest(bucket) for bucket in range(count)] == [max([5, 9, 7][row] for row in rows) for rows in picked]


def test_utterances_of_all_lengths_are_drawn_equally_often_and_with_their_like() -> None:
    lengths = np.arange(3, 67)
    drawn = batches(Ragged.of([np.full((n, 1), n) for n in lengths], np.float16), lines=sentences(toy_text(50, 0), buckets=8))
    counts = np.zeros(67)
    for update in range(1, 401):
        batch = drawn.draw([0, 1], update)
        assert torch.equal(batch.inputs[..., 0].amax(-1).long(), batch.lengths)
        assert batch.lengths.max() - batch.lengths.min() < 8
        np.add.at(counts, batch.lengths.numpy(), 1)
    each = counts[3:]
    assert each.sum() == 6400 and each.min() > 40 and each.max() < 170  # 100 +- 17: which bucket comes is drawn too


# Sentences


def plain_line(phones: list[int], silent: list[bool], *, begins: bool, ends: bool, repeats: bool) -> list[int]:
    line = [SILENCE] * begins
    before = None
    for phone, pause in zip(phones, silent, strict=True):
        if pause:
            line.append(SILENCE)
        if pause or repeats or phone != before:
            line.append(phone)
        before = phone
    return line + [SILENCE] * ends


@settings(max_examples=80, deadline=None)
@given(
    lines=st.lists(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=7), min_size=1, max_size=4),
    ends=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=4, max_size=4),
    repeats=st.booleans(),
    probability=st.sampled_from([0.0, 0.25, 1.0]),
)
def test_lines_are_put_together_as_in_a_loop(lines, ends: list[tuple[bool, bool]], repeats: bool, probability: float) -> None:
    """With a probability of 0 no room is left for silences between words: such a line loses its end, but not the silence there."""
    drawn = sentences(toy_text(20, 0), probability=probability, padding=9, repeats=repeats, before=0.5, after=0.5)
    width, ends = max(map(len, lines)), ends[: len(lines)]
    lengths = torch.tensor([[len(line) for line in lines]])
    phones, silent = torch.full((1, len(lines), width), -1), torch.zeros(1, len(lines), width, dtype=torch.bool)
    for row, line in enumerate(lines):
        line[0] = (line[0][0], False)  # no silence before the first word but that at the end of the line
        phones[0, row, : len(line)], silent[0, row, : len(line)] = torch.tensor(line).T
    made, sizes = drawn._with_silences(phones, silent, torch.arange(width) < lengths[..., None], *torch.tensor([ends]).unbind(-1))
    size = made.shape[-1]
    for row, line in enumerate(lines):
        begins, stops = ends[row]
        plain = plain_line(*zip(*line, strict=True), begins=begins, ends=stops, repeats=repeats)
        if len(plain) > size:
            plain = plain[: size - 1] + [SILENCE] if stops else plain[:size]
        assert sizes[0, row] == len(plain)
        assert made[0, row].tolist() == plain + [9] * (size - len(plain))


@pytest.mark.parametrize("probability", [0.0, 0.25, 0.8])
@pytest.mark.parametrize("surround", [False, True])
def test_lines_are_those_that_the_host_would_draw(probability: float, surround: bool) -> None:
    text = toy_text(200, 0)
    drawn = lines_of(text, 6000, repeats=True, probability=probability, before=float(surround), after=float(surround))
    generator = np.random.default_rng(0)
    theirs = [
        row.tolist()
        for _ in range(30)
        for row in with_silence(text, generator=generator, probability=probability, surround=surround)
    ]
    spoken = {tuple(row.tolist()) for row in spelled(text)[0]}
    assert {tuple(phone for phone in line if phone != SILENCE) for line in drawn} == spoken
    for count in (len, lambda line: line.count(SILENCE), lambda line: line[0] == line[-1] == SILENCE):
        ours, plain = ([count(line) for line in lines] for lines in (drawn, theirs))
        assert abs(np.mean(ours) - np.mean(plain)) <= 5 * np.std(ours) / len(ours) ** 0.5
    boundaries = len(text.lines.flat) / len(text.lines) - 1
    pauses = np.mean([line.count(SILENCE) for line in drawn]) - 2 * surround
    assert abs(pauses / boundaries - probability) < 0.02


def test_silence_is_at_the_ends_as_often_as_told() -> None:
    lines = lines_of(toy_text(200, 0), 6000, before=0.3, after=0.8)
    begins, ends = (np.array([line[place] == SILENCE for line in lines]) for place in (0, -1))
    assert abs(begins.mean() - 0.3) < 0.03 and abs(ends.mean() - 0.8) < 0.03
    assert abs(np.mean(begins & ends) - 0.3 * 0.8) < 0.03  # independent of each other


def test_no_phone_follows_itself_unless_it_may() -> None:
    text = toy_text(200, 0)
    lines, original = lines_of(text, 2000), lines_of(text, 2000, repeats=True)
    assert all(line == without_repeats(line) for line in lines)
    assert any(line != without_repeats(line) for line in original)
    spoken = {tuple(without_repeats(row.tolist())) for row in spelled(text)[0]}
    assert {tuple(without_repeats([phone for phone in line if phone != SILENCE])) for line in lines} == spoken


def test_text_without_a_phone_is_refused() -> None:
    text = toy_text(3, 0)
    nothing = Text(text.phones, text.words, text.pronunciations, Ragged.of([np.zeros(0)], np.int32))
    with pytest.raises(WavuError, match="no sentence with a phone"):
        sentences(nothing)


def test_empty_sentences_are_never_drawn() -> None:
    text = toy_text(6, 0)
    holes = Ragged.of([np.zeros(0), *text.lines, np.zeros(0)], np.int32)
    lines = lines_of(Text(text.phones, text.words, text.pronunciations, holes), 500)
    assert min(map(len, lines)) > 2


# Both


def test_the_same_seed_draws_the_same_batch_and_another_update_another() -> None:
    drawn = batches(toy_speech(20, 0)[0])
    first, again, later = (drawn.draw([3], update) for update in (1, 1, 2))
    assert torch.equal(first.inputs, again.inputs) and torch.equal(first.phones, again.phones)
    assert first.inputs.shape != later.inputs.shape or not torch.equal(first.inputs, later.inputs)


def test_a_member_draws_the_same_alone_and_in_company() -> None:
    frames, targets = frames_with_targets(20, 0)
    drawn = batches(frames, targets=targets)
    for update in range(1, 6):
        alone, company = drawn.draw([5], update), drawn.draw([4, 5, 6], update)
        assert all(torch.equal(own[0], value[1]) for own, value in zip(vars(alone).values(), vars(company).values(), strict=True))


def test_targets_are_those_of_the_very_frames() -> None:
    frames, targets = frames_with_targets(20, 0)
    marked = Ragged(targets.flat[:, None].astype(np.float16), frames.offsets)  # a frame that says its own target
    batch = batches(marked, targets=targets).draw([0, 1], 1)
    valid = torch.arange(batch.inputs.shape[2]) < batch.lengths[..., None]
    assert torch.equal(batch.inputs[..., 0][valid].long(), batch.targets[valid]) and batch.targets[~valid].eq(-1).all()
    assert batch.targets.dtype == torch.int64


def test_utterances_shorter_than_three_segments_train_nobody() -> None:
    rows = [np.full((length, 2), length) for length in (1, 2, 3, 5)]
    drawn = batches(Ragged.of(rows, np.float16), batch_size=64)
    assert {length for update in range(1, 9) for length in drawn.draw([0], update).lengths.flatten().tolist()} == {3, 5}


def test_nothing_long_enough_is_refused() -> None:
    with pytest.raises(WavuError, match="3 segments or more"):
        batches(Ragged.of([np.zeros((2, 2))], np.float16))


def test_a_batch_from_afar_is_the_batch_drawn_at_home() -> None:
    frames, targets = frames_with_targets(20, 0)
    near = batches(frames, targets=targets)
    far = batches(frames, targets=targets, device=torch.device("cpu", 0))  # another name, hence another device
    for seeds, update in (([1], 1), ([1], 2), ([1], 3), ([1, 2], 4), ([1, 2], 5), ([1, 2], 2)):
        one, other = near.draw(seeds, update), far.draw(seeds, update)
        assert all(torch.equal(*pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True))
