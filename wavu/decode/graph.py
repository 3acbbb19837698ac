"""The search graph of words: lexicon and n-gram composed, determinised, minimised, and put behind the columns of a recogniser.

Kaldi's HLG (Mohri et al. 2008) with kaldifst, kept on disk under the fingerprint of all it is made of. The n-gram G backs
off over empty arcs, as in Kaldi; a path may take one where the n-gram itself forbids it, so that no sentence costs more in
the graph than it should and a few cost less. What searches the graph has to know.
Shapes: W words, V phones, A arcs, K_n n-grams of order n, M marks.
"""

import hashlib
from collections import Counter
from pathlib import Path

import kaldifst
import numpy as np

from wavu.decode.grammar import grammar_fst
from wavu.decode.topology import Topology, compiled
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.stage import fingerprint
from wavu.store import atomic
from wavu.text.ngram import NGram, read_arpa

VERSION = 2  # of the graphs this module builds
DIGEST_BYTES = 32
# How far weights may differ and still be one while states are merged; Kaldi's 1/1024 would be seen in the scores.
SAME_WEIGHT = 1e-5


def graph(words: list[str], pronunciations: Ragged, arpa: Path, topology: Topology, *, cache: Path) -> kaldifst.StdConstFst:
    """The graph of a lexicon and an n-gram, from the folder ``cache`` if it was built before. Word w is label w + 1.

    Raises:
        WavuError: the lexicon is empty, or a word has phones that the topology has not; the n-gram cannot be read or used;
            the cache cannot be written.
    """
    check(words, pronunciations, topology)
    path = cache / f"{_fingerprint(words, pronunciations, arpa, topology)}.fst"
    found = _read(path)
    if found is None:
        built = build(words, pronunciations, read_arpa(arpa), topology)
        if built is None:
            raise WavuError(f"{arpa} has no </s>, so no sentence can end; make it with python -m wavu.prepare_text")
        with atomic(path) as temporary:
            built.write(str(temporary))
            with open(temporary, "ab") as file:
                file.write(_digest(temporary.read_bytes()))
        found = _read(path)
    return found


def _fingerprint(words: list[str], pronunciations: Ragged, arpa: Path, topology: Topology) -> str:
    try:
        with open(arpa, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WavuError(f"{arpa} is missing or cannot be read ({error.strerror}); check the path") from error
    return fingerprint(VERSION, words, [row.tolist() for row in pronunciations], digest, topology.shape)


def _read(path: Path) -> kaldifst.StdConstFst | None:
    """A graph that was written before; None where there is none, or not as it was written: a wrong arc would lead out of memory."""
    try:
        content = path.read_bytes()
        whole = _digest(content[:-DIGEST_BYTES]) == content[-DIGEST_BYTES:]
        return kaldifst.StdConstFst.read(str(path)) if whole else None
    except (OSError, RuntimeError):
        return None


def _digest(content: bytes) -> bytes:
    """What stands behind a graph in its file, where Kaldi does not look."""
    return hashlib.sha256(content).digest()


def check(words: list[str], pronunciations: Ragged, topology: Topology) -> None:
    """Refuse a lexicon that cannot be decoded.

    Raises:
        WavuError: it is empty, or a word has no phones or phones that the topology has not.
    """
    if not len(words):
        raise WavuError("the lexicon has no words; run python -m wavu.prepare_text on sentences of the language")
    if len(words) != len(pronunciations):
        raise WavuError(f"{len(words):,} words but {len(pronunciations):,} pronunciations; are they of one lexicon?")
    known = topology.n_phones if topology.silence is None else topology.silence
    for word, row in zip(words, pronunciations, strict=True):
        if not len(row):
            raise WavuError(f"the word '{word}' of the lexicon has no phones; take it out")
        if row.min() < 0 or row.max() >= known:
            wrong = next(int(phone) for phone in row if not 0 <= phone < known)
            raise WavuError(
                f"the word '{word}' has phone number {wrong}, the recogniser has {known} phones; "
                "are lexicon and recogniser of the same wavu.prepare_text?"
            )


def build(words: list[str], pronunciations: Ragged, ngram: NGram, topology: Topology) -> kaldifst.StdConstFst | None:
    """The same, built afresh; None where no sentence can end."""
    marks = disambiguation(pronunciations)
    lexicon = lexicon_fst(pronunciations, marks, topology)
    word_graph = kaldifst.compose(_sorted(lexicon, "olabel"), _sorted(grammar_fst(words, ngram), "ilabel"))
    if word_graph.start < 0:
        return None
    kaldifst.determinize_star(word_graph, delta=SAME_WEIGHT)
    kaldifst.minimize_encoded(word_graph, delta=SAME_WEIGHT)
    # Marks: the first for backing off, the second for silence, the rest for words that are said alike.
    return behind(topology, word_graph, n_marks=2 + int(marks.max(initial=0)))


def behind(topology: Topology, phone_graph: kaldifst.StdVectorFst, *, n_marks: int) -> kaldifst.StdConstFst:
    """A graph that reads phones, made one that reads columns of scores."""
    columns = _sorted(topology.transducer(n_marks), "olabel")
    return kaldifst.StdConstFst(kaldifst.compose(columns, _sorted(phone_graph, "ilabel")))


def _sorted(fst: kaldifst.StdVectorFst, by: str) -> kaldifst.StdVectorFst:
    kaldifst.arcsort(fst, sort_type=by)
    return fst


def disambiguation(pronunciations: Ragged) -> np.ndarray:
    """The mark at the end of each word (W): 0 for none, else words that are said alike have different ones.

    A word needs one where its phones are those of another word, or how another begins (Mohri et al. 2008, section 4.1).

    >>> disambiguation(Ragged.of([[1], [1, 2], [1, 2], [3]], int)).tolist()
    [1, 1, 2, 0]
    """
    spelled = [tuple(row.tolist()) for row in pronunciations]
    beginnings = {row[:length] for row in spelled for length in range(1, len(row))}
    alike, before = Counter(spelled), Counter[tuple]()
    marks = np.zeros(len(spelled), int)
    for word, row in enumerate(spelled):
        if alike[row] > 1 or row in beginnings:
            before[row] += 1
            marks[word] = before[row]
    return marks


def lexicon_fst(pronunciations: Ragged, marks: np.ndarray, topology: Topology) -> kaldifst.StdVectorFst:
    """L: phones in, words out, with an optional silence before, between and after words where there is a phone for it.

    State 0 follows a word, in state 1 the next may begin. Label W + 1 is the mark of backing off.
    """
    W, backing_off = len(pronunciations), topology.n_phones + 1
    arcs = [(0, 1, 0, 0), (1, 1, backing_off, W + 1)]
    if topology.silence is not None:
        arcs += [(0, 2, topology.silence + 1, 0), (2, 1, backing_off + 1, 0)]
    free = 3
    for word, (row, mark) in enumerate(zip(pronunciations, marks.tolist(), strict=True), 1):
        labels = (row.astype(int) + 1).tolist() + ([backing_off + 1 + mark] if mark else [])
        states = [1, *range(free, free + len(labels) - 1), 0]
        arcs += zip(states, states[1:], labels, [word] + [0] * (len(labels) - 1), strict=False)
        free += len(labels) - 1
    return compiled(np.array(arcs), finals=np.array([1]))
