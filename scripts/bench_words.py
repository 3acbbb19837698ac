"""How fast and how exact the word search is, beside flashlight-text where it is installed.

    python scripts/bench_words.py            # lexicons of 250 to 20,000 invented words, a few minutes
    python scripts/bench_words.py --quick    # 250 words, seconds

Sentences are drawn word by word, their scores are of a CTC recogniser that hears most frames well. The graph is built in a
process of its own, so that its memory is its own. "Below the best" counts sentences whose score, by the n-gram and the best
path, is below that of the widest search; flashlight-text is judged by the same rule. Writes runs/bench/words.json.
"""

import argparse
import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from wavu.decode.topology import Topology
from wavu.decode.words import WordDecoder
from wavu.ragged import Ragged
from wavu.store import write_json
from wavu.text.ngram import estimate, read_arpa, write_arpa

PHONES, HOP_SECONDS = 40, 0.02
WEIGHTS = {"acoustic_scale": 1.0, "lm_weight": 1.0, "word_score": 0.0, "silence_score": 0.0}
UTTERANCES = 50
WIDEST = {"beam": 20.0, "max_active": 20_000}
BEAMS = (8.0, 10.0, 13.0)
SENTENCES_OF_TEXT = {250: 10_000, 2_000: 30_000, 20_000: 60_000}


@dataclass(frozen=True)
class Task:
    """A language: words and how they are said, an n-gram of it on disk, and scores (N, 1 + PHONES) of sentences of it."""

    words: list[str]
    spelled: Ragged
    arpa: Path
    scores: list[np.ndarray]


@dataclass(frozen=True)
class Row:
    """What was measured of one search."""

    words: int
    search: str
    utterances_per_second: float
    frames_per_second: float
    real_time_factor: float
    below_the_best: float
    word_errors: float


def invent(n_words: int, folder: Path, n_utterances: int) -> tuple[Task, list[list[int]]]:
    """A task and what is said in it. One word in twenty sounds like another, and many begin like another."""
    rng = np.random.default_rng(n_words)
    spelled = [rng.integers(PHONES, size=rng.integers(1 + (word > 9), 9)) for word in range(n_words)]
    for word in rng.choice(n_words, n_words // 20, replace=False):
        spelled[word] = spelled[rng.integers(n_words)]
    words = [f"w{word}" for word in range(n_words)]
    follows = rng.integers(n_words, size=(n_words, 8))
    zipf = np.cumsum(1 / (np.arange(n_words) + 3.0))

    def sentence() -> list[int]:
        said = [int(np.searchsorted(zipf, rng.random() * zipf[-1]))]
        for fresh in rng.random(rng.integers(3, 14)) < 0.4:
            said.append(int(np.searchsorted(zipf, rng.random() * zipf[-1]) if fresh else follows[said[-1], rng.integers(8)]))
        return said

    text = [sentence() for _ in range(SENTENCES_OF_TEXT[n_words])]
    arpa = folder / f"{n_words}.arpa"
    write_arpa(estimate(Ragged.of(text, np.int32), words, order=3), arpa)
    said = [sentence() for _ in range(n_utterances)]
    task = Task(words, Ragged.of(spelled, np.int16), arpa, [hear([spelled[word] for word in each], rng) for each in said])
    return task, said


def hear(phones: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Log softmax of frames: each phone for one to three frames, a blank after most."""
    columns = []
    for phone in np.concatenate(phones):
        columns += [phone + 1] * rng.integers(1, 4)
        columns += [0] * (rng.integers(3) or bool(columns[-1:] == [phone + 1]))
    scores = rng.normal(size=(len(columns), PHONES + 1))
    scores[np.arange(len(columns)), columns] += rng.normal(5, 2, len(columns))
    return (scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)).astype(np.float32)


def decoder(task: Task, cache: Path, **search: float) -> WordDecoder:
    """The search that ships."""
    topology = Topology.ctc(PHONES, blank=0)
    return WordDecoder(task.words, task.spelled, task.arpa, topology, **WEIGHTS, **search, cache=cache)


def build(task: Task, cache: Path, queue: multiprocessing.Queue) -> None:
    """Build a graph and say how long it took, and how many MB more were in use than before."""
    read_arpa(task.arpa)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    decoder(task, cache, **WIDEST)
    seconds = time.perf_counter() - start
    queue.put((seconds, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024))


def flashlight(task: Task, beam: int) -> Callable[[np.ndarray], list[int]] | None:
    """flashlight-text's lexicon decoder; its words end in a blank of their own, as it lets no last phone last otherwise."""
    try:
        from flashlight.lib.text.decoder import CriterionType, LexiconDecoder, LexiconDecoderOptions, SmearingMode, Trie
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError:
        return None
    dictionary = Dictionary()
    for word in [*task.words, "<unk>"]:
        dictionary.add_entry(word)
    lm, separator = KenLM(str(task.arpa), dictionary), PHONES + 1
    trie = Trie(PHONES + 2, separator)
    for word, row in enumerate(task.spelled):
        trie.insert([*(row + 1).tolist(), separator], word, lm.score(lm.start(False), word)[1])
    trie.smear(SmearingMode.MAX)
    ln10 = math.log(10)
    options = LexiconDecoderOptions(beam, PHONES + 2, 200.0, ln10, 0.0, -math.inf, 0.0, False, CriterionType.CTC)
    search = LexiconDecoder(options, trie, lm, separator, 0, len(task.words), [], False)

    def decode(scores: np.ndarray) -> list[int]:
        columns = np.ascontiguousarray(np.concatenate([scores, scores[:, :1]], axis=1), np.float32)
        found = search.decode(columns.ctypes.data, *columns.shape)
        return [word for word in found[0].words if word >= 0] if found else []

    return decode


def measure(
    task: Task, said: list[list[int]], name: str, decode: Callable[[np.ndarray], list[int]], judge: WordDecoder, best: list[float]
) -> Row:
    """Time a search and compare its sentences with the best ones."""
    start = time.perf_counter()
    found = [decode(scores) for scores in task.scores]
    seconds = time.perf_counter() - start
    frames = sum(map(len, task.scores))
    reached = [worth(judge, scores, tuple(words)) for scores, words in zip(task.scores, found, strict=True)]
    below = sum(score < top - 1e-2 for score, top in zip(reached, best, strict=True))
    wrong = sum(words != truth for words, truth in zip(found, said, strict=True))
    return Row(
        len(task.words), name, len(found) / seconds, frames / seconds, seconds / frames / HOP_SECONDS,
        below / len(found), wrong / len(found),
    )  # fmt: skip


def worth(judge: WordDecoder, scores: np.ndarray, words: tuple[int, ...]) -> float:
    """The score of a sentence."""
    found = judge.hypothesis(scores, words)
    return -math.inf if found is None else found.score


def report(rows: list[Row], graphs: list[dict], out: Path) -> None:
    """Tables on the terminal, all numbers in a file."""
    console = Console()
    table = Table("words", "search", "utterances/s", "frames/s", "real-time factor", "below the best", "sentences wrong")
    for row in rows:
        table.add_row(
            f"{row.words:,}", row.search, f"{row.utterances_per_second:.0f}", f"{row.frames_per_second:,.0f}",
            f"{row.real_time_factor:.5f}", f"{row.below_the_best:.1%}", f"{row.word_errors:.1%}",
        )  # fmt: skip
    console.print(table)
    for each in graphs:
        console.print(
            "graph of {words:,} words: {seconds:.1f} s to build, {megabytes:.0f} MB, {on_disk:.0f} MB on disk".format(**each)
        )
    write_json(out, {"rows": [asdict(row) for row in rows], "graphs": graphs})


def graph_of(task: Task, cache: Path) -> dict:
    """Seconds and MB that building a graph takes, in a process of its own."""
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=build, args=(task, cache, queue))
    process.start()
    seconds, megabytes = queue.get()
    process.join()
    on_disk = sum(file.stat().st_size for file in cache.iterdir()) / 2**20
    return {"words": len(task.words), "seconds": seconds, "megabytes": megabytes, "on_disk": on_disk}


def searches(task: Task, cache: Path) -> Iterator[tuple[str, Callable[[np.ndarray], list[int]]]]:
    """The searches that are compared."""
    for beam in BEAMS:
        made = decoder(task, cache, beam=beam, max_active=WIDEST["max_active"])
        yield f"kaldi, beam {beam:.0f}", lambda scores, made=made: [word.word for word in made.decode(scores)]
    for beam in (50, 250):
        decode = flashlight(task, beam)
        if decode:
            yield f"flashlight, beam {beam}", decode


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="250 words only")
    sizes = [250] if parser.parse_args().quick else list(SENTENCES_OF_TEXT)
    rows, graphs = [], []
    with tempfile.TemporaryDirectory() as name:
        for n_words in sizes:
            cache = Path(name) / str(n_words)
            task, said = invent(n_words, Path(name), UTTERANCES)
            graphs.append(graph_of(task, cache))
            judge = decoder(task, cache, **WIDEST)
            best = [worth(judge, scores, tuple(word.word for word in judge.decode(scores))) for scores in task.scores]
            rows += [measure(task, said, name, decode, judge, best) for name, decode in searches(task, cache)]
    report(rows, graphs, Path("runs/bench/words.json"))


if __name__ == "__main__":
    main()
