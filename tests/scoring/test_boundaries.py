import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavu.errors import WavuError
from wavu.scoring.boundaries import BoundaryScore, boundaries, boundary_score


def most_pairs(found: list[float], true: list[float], tolerance: float) -> int:
    """Plain twin: the largest matching, by trying everything."""
    if not found or not true:
        return 0
    best = most_pairs(found[1:], true, tolerance)
    for index, time in enumerate(true):
        if abs(found[0] - time) <= tolerance:
            best = max(best, 1 + most_pairs(found[1:], true[:index] + true[index + 1 :], tolerance))
    return best


TIMES = st.lists(st.integers(0, 25), max_size=6, unique=True).map(sorted)


@settings(max_examples=100, deadline=None)
@given(TIMES, TIMES.filter(len), st.integers(0, 5))
def test_matching_is_one_to_one_and_the_largest(found: list[int], true: list[int], tolerance: int) -> None:
    score = boundary_score(
        {"a": [time / 100 for time in found]}, {"a": [time / 100 for time in true]}, tolerance_seconds=tolerance / 100
    )
    assert score == BoundaryScore(len(true), len(found), most_pairs(found, true, tolerance))


def test_perfect_boundaries_score_one() -> None:
    score = BoundaryScore(true=40, found=40, hits=40)
    assert score.precision == score.recall == score.f1 == score.r_value == 1


def test_the_r_value_is_that_of_the_paper() -> None:
    # Hit rate 75 %, over-segmentation 0: r1 = 25, r2 = -25 / sqrt(2), R = 1 - (25 + 17.678) / 200.
    assert BoundaryScore(true=100, found=100, hits=75).r_value == pytest.approx(0.78661, abs=1e-5)
    # Boundaries everywhere: every true one is hit, and the R-value is not fooled.
    everywhere = BoundaryScore(true=100, found=400, hits=100)
    assert everywhere.recall == 1 and everywhere.r_value < 0 < everywhere.f1


def test_nothing_found_scores_zero() -> None:
    score = boundary_score({"a": []}, {"a": [0.1, 0.2], "b": [0.3]}, tolerance_seconds=0.02)
    assert score == BoundaryScore(true=3, found=0, hits=0) and score.precision == score.f1 == 0


def test_no_true_boundary_is_an_error() -> None:
    with pytest.raises(WavuError, match="single phone"):
        boundary_score({"a": [0.1]}, {"a": []}, tolerance_seconds=0.02)


def test_boundaries_lie_between_phones() -> None:
    spans = [(0.0, 0.1, "<SIL>"), (0.1, 0.2, "t"), (0.2, 0.3, "a"), (0.3, 0.5, "<SIL>"), (0.5, 0.6, "t")]
    assert boundaries(spans) == [0.2, 0.3, 0.5]
    assert boundaries([(0, 1, "o")]) == []
    assert boundaries([(0, 0.3, "o"), (0.3000001, 1, "k")]) == [0.3]
