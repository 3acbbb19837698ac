"""Batches: padding by index equals padding by loop, draws repeat with their seed, short utterances stay out."""

import numpy as np
import pytest
import torch

from tests.gan.toy import PHONES, sentences, toy_speech, toy_text
from wavu.errors import WavuError
from wavu.gan.batches import Batches, padded
from wavu.gan.noise import Noise
from wavu.store import Ragged

CPU = torch.device("cpu")


def batches(segments: Ragged, **changes) -> Batches:
    settings = {"phones": len(PHONES), "batch_size": 8, "device": CPU} | changes
    return Batches(segments, sentences(toy_text(50, 0)), **settings)


def test_padded_equals_a_loop() -> None:
    rng = np.random.default_rng(0)
    ragged = Ragged.of([rng.normal(size=(length, 3)) for length in (4, 0, 1, 7, 2)], np.float16)
    rows = np.array([[3, 0], [2, 1]])
    values, lengths = padded(torch.from_numpy(ragged.flat), ragged.offsets, rows)
    assert values.shape == (2, 2, 7, 3) and lengths.tolist() == [[7, 4], [1, 0]]
    for place in np.ndindex(2, 2):
        own = torch.from_numpy(ragged[rows[place]])
        assert torch.equal(values[place][: len(own)], own) and not values[place][len(own) :].any()


def test_the_same_noise_draws_the_same_batch_and_another_update_another() -> None:
    drawn = batches(toy_speech(20, 0)[0])
    first, again, later = (drawn.draw(Noise([3], update, CPU)) for update in (1, 1, 2))
    assert torch.equal(first.segments, again.segments) and torch.equal(first.phones, again.phones)
    assert first.segments.shape != later.segments.shape or not torch.equal(first.segments, later.segments)


def test_a_member_draws_the_same_alone_and_in_company() -> None:
    drawn = batches(toy_speech(20, 0)[0])
    alone, company = drawn.draw(Noise([5], 1, CPU)), drawn.draw(Noise([4, 5, 6], 1, CPU))
    assert torch.equal(alone.lengths[0], company.lengths[1]) and torch.equal(alone.phone_lengths[0], company.phone_lengths[1])
    size = alone.segments.shape[2]
    assert torch.equal(alone.segments[0], company.segments[1, :, :size])


def test_utterances_shorter_than_three_segments_train_nobody() -> None:
    rows = [np.full((length, 2), length) for length in (1, 2, 3, 5)]
    drawn = batches(Ragged.of(rows, np.float16), batch_size=64).draw(Noise([0], 1, CPU))
    assert set(drawn.lengths.flatten().tolist()) == {3, 5}


def test_nothing_long_enough_is_refused() -> None:
    with pytest.raises(WavuError, match="3 segments or more"):
        batches(Ragged.of([np.zeros((2, 2))], np.float16))


def test_text_is_one_hot_begins_and_ends_with_silence_and_repeats_no_phone() -> None:
    batch = batches(toy_speech(20, 0)[0], batch_size=32).draw(Noise([0], 1, CPU))
    for line, length in zip(batch.phones[0], batch.phone_lengths[0], strict=True):
        ids = line[:length].argmax(-1)
        assert line[:length].sum(-1).eq(1).all() and not line[length:].any()
        assert ids[0] == ids[-1] == len(PHONES) - 1
        assert ids[1:].ne(ids[:-1]).all()
