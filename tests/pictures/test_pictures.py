import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from sklearn.metrics import confusion_matrix

from wavu.pictures import pictures
from wavu.pictures.pictures import confusion, heat_map, scatter, write_picture
from wavu.ragged import Ragged

CELL, EDGE = (round(inches * pictures.DOTS_PER_INCH) for inches in (pictures.CELL, pictures.MARGIN))


def ragged(ids: np.ndarray) -> Ragged:
    """Two rows, as labels are on disk."""
    return Ragged(np.asarray(ids, np.int16), np.array([0, len(ids) // 2, len(ids)]))


def test_a_planted_permutation_is_found() -> None:
    names = np.array([2, 0, 3, 1])
    theirs = np.random.default_rng(0).integers(0, 4, 500)
    assert np.array_equal(confusion(ragged(names[theirs]), ragged(theirs), phones=4), np.eye(4)[names])


@pytest.mark.filterwarnings("ignore:A single label")
@settings(max_examples=30, deadline=None)
@given(st.data())
def test_shares_are_those_of_scikit_learn(data: st.DataObject) -> None:
    phones, segments = data.draw(st.integers(1, 300)), data.draw(st.integers(1, 50))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    ours, theirs = rng.integers(0, phones, (2, segments))
    expected = confusion_matrix(theirs, ours, labels=range(phones), normalize="true")
    found = confusion(ragged(ours), ragged(theirs), phones=phones)
    assert np.allclose(found, expected)
    assert np.allclose(found.sum(axis=1), np.isin(np.arange(phones), theirs))


def test_no_segment_no_share() -> None:
    assert not confusion(ragged([]), ragged([]), phones=3).any()


@pytest.mark.parametrize("n_phones", [4, 60])
def test_the_diagonal_is_bright(n_phones: int) -> None:
    names = [f"p{phone}" for phone in range(n_phones)]
    picture = heat_map(np.eye(n_phones), names, names, "as it should be")
    assert picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    inside = picture[EDGE:-EDGE, EDGE:-EDGE].reshape(n_phones, CELL, n_phones, CELL, 3).mean(axis=(1, 3, 4))
    assert inside.diagonal().min() > 150 and inside[~np.eye(n_phones, dtype=bool)].max() < 100
    assert picture[:EDGE].mean() > 240  # paper


def test_rows_and_columns_may_differ_in_number() -> None:
    height, width, _ = heat_map(np.zeros((3, 30)), list("abc"), [str(column) for column in range(30)], "wide").shape
    assert width > 2 * height


def test_a_small_confusion_can_be_seen() -> None:
    one_in_twenty, nothing = (heat_map(np.full((2, 2), share), list("ab"), list("ab"), "") for share in (0.05, 0.0))
    middle = EDGE + CELL // 2
    assert one_in_twenty[middle, middle].mean() > nothing[middle, middle].mean() + 20


def test_names_the_font_cannot_write_are_numbers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a missing glyph
        drawn = [heat_map(np.eye(2), names, names, "") for names in (["tʃ", "한"], ["tʃ", "1"], ["tʃ", "2"])]
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_the_same_again_gives_the_same_picture() -> None:
    first, second = (heat_map(np.eye(3), list("abc"), list("abc"), "title") for _ in range(2))
    assert np.array_equal(first, second)


def test_columns_without_names_never_outgrow_a_page() -> None:
    widths = [heat_map(np.zeros((3, columns)), list("abc"), None, "clusters").shape[1] for columns in (2, 200, 5000)]
    narrowest, widest = (inches * pictures.DOTS_PER_INCH + 2 * EDGE for inches in (pictures.NARROWEST, pictures.WIDEST))
    assert widths[0] == narrowest < widths[1] < widths[2] == widest


def test_a_picture_on_disk_is_the_picture(tmp_path: Path) -> None:
    picture = heat_map(np.eye(3), list("abc"), list("abc"), "title")
    write_picture(tmp_path / "new" / "picture.png", picture)
    assert np.array_equal((imread(tmp_path / "new" / "picture.png")[..., :3] * 255).round().astype(np.uint8), picture)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["picture.png"]


def drawn(points: np.ndarray, names: list[str], **more: list[str]) -> np.ndarray:
    return scatter(np.asarray(points, float), names, ["first", "second"], "title", **more)


def test_points_lie_as_far_apart_as_they_are() -> None:
    """One colour per point: their middles in the picture are where they are in the plane, on one scale."""
    points = np.array([[0, 0], [3, 0], [0, -1]])
    picture = drawn(points, ["", " ", "  "], kinds=["a", "b", "c"]).astype(int)
    middles = []
    for colour in ("C0", "C1", "C2"):
        red, green, blue = (round(255 * part) for part in to_rgb(colour))
        there = np.argwhere((np.abs(picture - [red, green, blue]) < 8).all(axis=-1))
        middles.append(there.mean(axis=0)[::-1] * [1, -1])  # rows are counted downwards
    scale = (middles[1] - middles[0])[0] / 3
    assert np.allclose(middles - middles[0], points * scale, atol=1.0)


def test_names_of_neighbours_do_not_cover_each_other(monkeypatch) -> None:
    """Side by side they have more ink than all on one side, each over the other."""
    points = np.concatenate([0.02 * np.eye(4), [[5, 5, 0, 0], [-5, -5, 0, 0]]])[:, :2]
    names = ["language one", "language two", "language six", "language ten", "", ""]

    def ink(written: list[str]) -> int:
        return (drawn(points, written) < 90).all(axis=-1).sum()

    nothing, apart = ink([""] * 6), ink(names)
    monkeypatch.setattr(pictures, "SIDES", dict([next(iter(pictures.SIDES.items()))]))
    assert apart - nothing > 1.2 * (ink(names) - nothing) > 0


def test_names_that_the_font_lacks_are_numbers_beside_points_too() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pictures = [drawn(np.eye(2), names) for names in (["a", "한"], ["a", "1"])]
    assert np.array_equal(*pictures)


def test_the_scale_of_shares_is_told() -> None:
    with_scale = heat_map(np.eye(3), list("abc"), list("abc"), "")
    assert (with_scale[EDGE:-EDGE, -EDGE + 5 :] < 200).any()
