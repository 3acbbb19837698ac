from pathlib import Path

import kaldifst
import numpy as np
import pytest

from wavu.decode import graph
from wavu.decode.topology import Topology
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.text.ngram import estimate, write_arpa

WORDS = ["tak", "ki", "o"]
SPELLED = Ragged.of([[0, 1, 2], [2, 3], [4]], np.int16)
CTC = Topology.ctc(5, blank=0)


@pytest.fixture
def arpa(tmp_path: Path) -> Path:
    write_arpa(estimate(Ragged.of([[0, 1], [2]], np.int32), WORDS, order=2), tmp_path / "words.arpa")
    return tmp_path / "words.arpa"


def test_a_graph_is_built_once(arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")
    monkeypatch.setattr(graph, "build", lambda *_: pytest.fail("built again"))
    again = graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")
    assert kaldifst.StdVectorFst(again).to_str() == kaldifst.StdVectorFst(first).to_str()


@pytest.mark.parametrize("change", ["words", "phones", "arpa", "topology"])
def test_another_graph_for_anything_else(change: str, arpa: Path, tmp_path: Path) -> None:
    graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")
    words = ["tok", "ki", "o"] if change == "words" else WORDS
    spelled = Ragged.of([[0, 1, 1], [2, 3], [4]], np.int16) if change == "phones" else SPELLED
    if change == "arpa":
        write_arpa(estimate(Ragged.of([[0, 2], [2]], np.int32), WORDS, order=2), arpa)
    topology = Topology.ctc(5, blank=5) if change == "topology" else CTC
    graph.graph(words, spelled, arpa, topology, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_transition_probabilities_are_no_part_of_it(arpa: Path, tmp_path: Path) -> None:
    for stay in (0.3, 0.6):
        logs = np.full((6, 2), np.log(stay))
        graph.graph(WORDS, SPELLED, arpa, Topology.hmm(6, 2, log_stay=logs, log_leave=logs), cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_half_a_graph_is_never_left(arpa: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, path: str) -> None:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(graph, "build", lambda *_: Full())
    with pytest.raises(WavuError, match="No space left"):
        graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_damaged_graph_is_built_again(arpa: Path, tmp_path: Path) -> None:
    whole = kaldifst.StdVectorFst(graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")).to_str()
    (file,) = (tmp_path / "cache").iterdir()
    file.write_bytes(b"not a graph")
    assert kaldifst.StdVectorFst(graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")).to_str() == whole


@pytest.mark.parametrize(
    ("words", "rows", "message"),
    [
        ([], [], "the lexicon has no words"),
        (["a"], [[0], [1]], "1 words but 2 pronunciations"),
        (["a", "b"], [[0], []], "the word 'b' of the lexicon has no phones"),
        (["a", "b"], [[0], [1, 5]], "the word 'b' has phone number 5, the recogniser has 5 phones"),
    ],
)
def test_a_lexicon_that_cannot_be_decoded_is_refused(words: list, rows: list, message: str, arpa: Path, tmp_path: Path) -> None:
    with pytest.raises(WavuError, match=message):
        graph.graph(words, Ragged.of(rows, np.int16), arpa, CTC, cache=tmp_path)


def test_no_word_has_a_silence(arpa: Path, tmp_path: Path) -> None:
    logs = np.zeros((5, 1))
    with pytest.raises(WavuError, match="'o' has phone number 4, the recogniser has 4 phones"):
        graph.graph(WORDS, SPELLED, arpa, Topology.hmm(5, 1, log_stay=logs, log_leave=logs), cache=tmp_path)


def test_an_ngram_without_an_end_of_sentences_is_refused(arpa: Path, tmp_path: Path) -> None:
    lines = [line for line in arpa.read_text().split("\n") if "</s>" not in line]
    arpa.write_text("\n".join(lines))
    with pytest.raises(WavuError, match="words.arpa has no </s>"):
        graph.graph(WORDS, SPELLED, arpa, CTC, cache=tmp_path / "cache")


def test_a_missing_ngram_is_named(tmp_path: Path) -> None:
    with pytest.raises(WavuError, match="words.arpa is missing"):
        graph.graph(WORDS, SPELLED, tmp_path / "words.arpa", CTC, cache=tmp_path)
