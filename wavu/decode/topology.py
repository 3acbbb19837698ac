"""What the columns of a recogniser's scores mean: blank and phones of a CTC student, or the sub-states of phone HMMs.

A graph of words does not know the difference: ``transducer`` turns columns into phones, ``columns`` lays the scores out for
it, ``phones`` reads a path. Labels of a graph are columns counted from 1, as 0 stands for nothing (OpenFst).
Shapes: N frames, P columns, V phones, n sub-states, R phones found.
"""

from dataclasses import dataclass

import kaldifst
import numpy as np

from wavu.errors import WavuError

Arcs = np.ndarray  # (A, 4) int64: from, to, label in, label out


@dataclass(frozen=True, eq=False)
class Topology:
    """How columns of scores make a phone; made by ``ctc`` or ``hmm``.

    n_phones: V. n_states: of each phone. blank: its column, None in an HMM. log_stay, log_leave: (V, n) natural logarithms,
    of one more frame in a sub-state and of going on; empty for CTC. silence: the phone no word has, None in CTC.
    """

    n_phones: int
    n_states: int
    blank: int | None
    log_stay: np.ndarray
    log_leave: np.ndarray

    @classmethod
    def ctc(cls, n_phones: int, *, blank: int) -> "Topology":
        """V phones without silence and a blank, P = V + 1 columns: the phones fill the columns beside ``blank`` in order.

        What is maximised is the best path (Graves et al. 2006, section 3.2), not the sum over all paths of a sentence.
        """
        if not 0 <= blank <= n_phones:
            raise WavuError(f"blank={blank} is not one of the {n_phones + 1} columns of {n_phones} phones and a blank")
        return cls(n_phones, 1, blank, np.zeros((0, 1)), np.zeros((0, 1)))

    @classmethod
    def hmm(cls, n_phones: int, n_states: int, *, log_stay: np.ndarray, log_leave: np.ndarray) -> "Topology":
        """V phones, the last of them silence, each of n sub-states passed from left to right; P = V * n columns."""
        shape = (n_phones, n_states)
        if np.shape(log_stay) != shape or np.shape(log_leave) != shape:
            raise WavuError(f"log_stay {np.shape(log_stay)} and log_leave {np.shape(log_leave)} must both be {shape}")
        return cls(n_phones, n_states, None, np.asarray(log_stay, float), np.asarray(log_leave, float))

    @property
    def silence(self) -> int | None:
        """The phone that may stand between words."""
        return self.n_phones - 1 if self.blank is None else None

    @property
    def n_columns(self) -> int:
        """P."""
        return self.n_phones * self.n_states + (self.blank is not None)

    @property
    def shape(self) -> list:
        """All that a graph depends on: the scores bring the transition probabilities."""
        return [self.n_phones, self.n_states, self.blank]

    def columns(self, scores: np.ndarray) -> np.ndarray:
        """Scores (N, P) as the graph reads them: of an HMM (N, 2 P), first of entering a sub-state, then of staying in it."""
        if self.blank is not None:
            return scores
        return np.concatenate([scores + self.log_leave.ravel(), scores + self.log_stay.ravel()], axis=1)

    def phones(self, labels: np.ndarray) -> np.ndarray:
        """The labels (N) of a path -> (R, 3) int64: phone, first frame, and the frame after the last; no silence."""
        columns = np.asarray(labels, np.int64) - 1
        if self.blank is None:
            starts = np.flatnonzero((columns < self.n_columns) & (columns % self.n_states == 0))
            phones = columns[starts] // self.n_states
        else:
            starts = np.flatnonzero(np.diff(columns, prepend=-1))
            phones = columns[starts] - (columns[starts] > self.blank)
        ends = np.append(starts, len(columns))[1:]
        said = phones != self.silence if self.blank is None else columns[starts] != self.blank
        return np.stack([phones, starts, ends], axis=1)[said]

    def posteriors(self, scores: np.ndarray) -> np.ndarray:
        """Log posterior of each phone in each frame (N, V), every column being as likely beforehand; blank is one, and left out."""
        scores = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
        if self.blank is not None:
            return np.delete(scores, self.blank, axis=1)
        return np.logaddexp.reduce(scores.reshape(len(scores), self.n_phones, self.n_states), axis=2)

    def transducer(self, n_marks: int) -> kaldifst.StdVectorFst:
        """Labels of columns in, phones out: phone p is p + 1, followed by ``n_marks`` symbols that take no frame."""
        arcs = self._ctc_arcs() if self.blank is not None else self._hmm_arcs()
        marks = self.n_phones + 1 + np.arange(n_marks)
        # A mark between two equal phones of CTC must not spare them the blank: the state is kept.
        states = np.arange(self.n_phones + 1 if self.blank is not None else 1)
        state, mark = np.repeat(states, n_marks), np.tile(marks, len(states))
        loops = np.stack([state, state, np.zeros_like(mark), mark], 1)
        return compiled(np.concatenate([arcs, loops]), finals=states)

    def _ctc_arcs(self) -> Arcs:
        """State 0 follows a blank, state p + 1 phone p; a phone is said on entering its state."""
        V = self.n_phones
        phones = np.arange(V)
        labels = phones + (phones >= self.blank) + 1
        before, after = np.divmod(np.arange((V + 1) * V), V)
        entering = np.stack([before, after + 1, labels[after], after + 1], 1)[before != after + 1]
        staying = np.stack([phones + 1, phones + 1, labels, np.zeros(V, int)], 1)
        resting = np.array([[state, 0, self.blank + 1, 0] for state in range(V + 1)])
        return np.concatenate([resting, entering, staying])

    def _hmm_arcs(self) -> Arcs:
        """State 0 is between phones, state 1 + c in the sub-state of column c; a phone is said on entering its first."""
        column = np.arange(self.n_columns)
        first, last = column % self.n_states == 0, column % self.n_states == self.n_states - 1
        said = np.where(first, column // self.n_states + 1, 0)
        entering = np.stack([np.where(first, 0, column), column + 1, column + 1, said], 1)
        staying = np.stack([column + 1, column + 1, column + 1 + self.n_columns, np.zeros_like(column)], 1)
        ending = np.stack([column + 1, *3 * [np.zeros_like(column)]], 1)[last]
        return np.concatenate([entering, staying, ending])


def compiled(
    arcs: Arcs, *, finals: np.ndarray, costs: np.ndarray | None = None, final_costs: np.ndarray | None = None
) -> kaldifst.StdVectorFst:
    """A transducer that starts in state 0. costs (A), final_costs: negated natural logarithms, nothing where None.

    What costs infinitely much is left out: with infinities in its sums a determinisation never ends.
    """
    costs = np.zeros(len(arcs)) if costs is None else costs
    final_costs = np.zeros(len(finals)) if final_costs is None else final_costs
    arcs, costs = arcs[np.isfinite(costs)], costs[np.isfinite(costs)]
    finals, final_costs = finals[np.isfinite(final_costs)], final_costs[np.isfinite(final_costs)]
    order = np.argsort(arcs[:, 0] != 0, kind="stable")  # the first line tells the start
    rows = zip(*arcs[order].T.tolist(), costs[order].tolist(), strict=True)
    lines = [f"{one} {other} {said} {meant} {cost:.9g}\n" for one, other, said, meant, cost in rows]
    ends = [f"{state} {cost:.9g}\n" for state, cost in zip(finals.tolist(), final_costs.tolist(), strict=True)]
    return kaldifst.compile("".join(lines + ends))
