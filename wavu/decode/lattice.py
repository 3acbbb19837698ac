"""The different sentences of a lattice, best first, each with the cost of its best path and of what was heard on it."""

from collections.abc import Iterator

import kaldifst

Sentence = tuple[int, ...]


def sentences(lattice: kaldifst.Lattice, most: int) -> Iterator[tuple[Sentence, float, float]]:
    """At most ``most`` sequences of output labels with their whole cost and its acoustic part, the lowest whole cost first.

    A path's weight has two parts, of the graph and of what was heard. With the labels given, neither depends on the choice
    made for the other, so the best path is the best in both and its parts can be looked for one at a time.
    """
    lines = [line.split() for line in lattice.to_str(show_weight_one=True, fst_field_separator=" ").splitlines()]
    whole, heard = (_acceptor(lines, parts) for parts in ((0, 1), (1,)))
    step, end = _steps(heard)
    for path in kaldifst.convert_nbest_to_vector(kaldifst.shortest_path(whole, n=most)):
        _, labels, _, weight = kaldifst.get_linear_symbol_sequence(path)
        state, acoustic = heard.start, 0.0
        for label in labels:
            state, cost = step[state, label]
            acoustic += cost
        yield tuple(labels), weight.value, acoustic + end[state]


def _acceptor(lines: list[list[str]], parts: tuple[int, ...]) -> kaldifst.StdVectorFst:
    """Lines of a lattice's text -> its output labels, each sequence once, weighed by the sum of these parts of the weights."""
    text = []
    for *states, weight in lines:
        numbers = weight.split(",")
        cost = sum(float(numbers[part]) for part in parts)
        labels = [states.pop()] * 2 if len(states) == 4 else []
        text.append(" ".join([*states[:2], *labels, f"{cost:.9g}"]))
    fst = kaldifst.compile("\n".join(text) + "\n")
    kaldifst.determinize_star(fst, delta=1e-6)
    return fst


def _steps(fst: kaldifst.StdVectorFst) -> tuple[dict[tuple[int, int], tuple[int, float]], dict[int, float]]:
    """(state, label) -> (next state, cost), and the cost of ending in each final state."""
    step, end = {}, {}
    for line in fst.to_str(show_weight_one=True, fst_field_separator=" ").splitlines():
        fields = line.split()
        if len(fields) == 2:
            end[int(fields[0])] = float(fields[1])
        else:
            step[int(fields[0]), int(fields[2])] = int(fields[1]), float(fields[4])
    return step, end
