"""Points where a reader expects them."""

from wavu.page import charts
from wavu.page.charts import Line, chart

ROWS = [
    {"update": 0.0, "member": 0.0, "score": 5.0, "weighted_lm_perplexity": 9.0, "jsd": 0.5},
    {"update": 0.0, "member": 1.0, "score": 6.0, "weighted_lm_perplexity": 8.0, "jsd": 0.6},
    {"update": 100.0, "member": 0.0, "score": 2.0, "weighted_lm_perplexity": 4.0, "jsd": 0.1},
    {"update": 100.0, "member": 1.0},  # broken: its numbers are not finite
]


def test_more_is_higher_and_later_is_further_right() -> None:
    (line,) = chart("", "", "", [Line("", [(0, 1.0), (10, 3.0)])]).lines
    (x0, y0), (x1, y1) = line.points
    assert x0 < x1 and y0 > y1


def test_everything_lies_within_the_axes() -> None:
    drawn = chart("", "", "", [Line("", [(-5, 0.001), (7, 0.002)])])
    for x, y in drawn.lines[0].points:
        assert drawn.left <= x <= drawn.right and drawn.top <= y <= drawn.bottom
    assert all(drawn.left <= x <= drawn.right for x, _ in drawn.xticks) and len(drawn.xticks) >= 3
    assert all(drawn.top <= y <= drawn.bottom for y, _ in drawn.yticks) and len(drawn.yticks) >= 3


def test_one_point_and_none() -> None:
    assert chart("", "", "", [Line("", [(3.0, 0.0)])]).lines[0].points
    assert chart("", "", "", [Line("", [])]) is None


def test_the_chosen_one_is_drawn_last_and_a_broken_one_as_far_as_it_came() -> None:
    drawn = charts.learning(ROWS, best=0)
    assert [(line.name, len(line.points)) for line in drawn.lines] == [("member 1", 1), ("member 0", 2)]
    assert drawn.lines[-1].chosen


def test_the_kept_look_among_all() -> None:
    drawn = charts.selection(ROWS, (0, 100))
    everybody, kept = drawn.lines
    assert len(everybody.points) == 3 and kept.points == [everybody.points[2]] and "divergence" in drawn.ylabel


def test_no_gan_no_chart() -> None:
    assert charts.learning([], None) is None and charts.selection([], (None, None)) is None


def test_turns_have_names() -> None:
    drawn = charts.evidence({"segments": 0.7, "gaussians 1": 0.8})
    assert [name for _, name in drawn.xticks] == ["segments", "gaussians 1"]
    assert charts.evidence({"segments": 0.7}) is None
