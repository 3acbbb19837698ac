"""A toy language whose truth is known: five phones and silence, words from a small lexicon, speech of Gaussian segments."""

from pathlib import Path

import numpy as np

from wavu.audio.frontend import FrontEnd
from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.store import write_json, write_table
from wavu.text.ngram import estimate, write_arpa
from wavu.text.silence import phones_of, with_silence

PHONES = ["t", "a", "k", "i", "o", "<SIL>"]
WORDS = [[0, 1], [2, 3], [0, 4, 2], [3, 0, 1], [2, 1, 0, 3], [4, 0], [1, 2, 4]]
SHARES = np.array([8, 5, 4, 3, 2, 2, 1]) / 25
FRAMES = 4  # per segment, in a folder
UNITS = 2 * len(PHONES)


def toy_text(n_sentences: int, seed: int) -> Text:
    """Sentences of three to six words with Zipf-like shares, no word twice in a row."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n_sentences):
        words = [int(rng.choice(len(WORDS), p=SHARES))]
        while len(words) < 3 or (len(words) < 6 and rng.random() < 0.6):
            words.append((words[-1] + 1 + int(rng.choice(3, p=[0.6, 0.3, 0.1]))) % len(WORDS))
        lines.append(np.array(words))
    return Text(
        PHONES,
        [f"w{index}" for index in range(len(WORDS))],
        Ragged.of([np.array(word) for word in WORDS], np.int16),
        Ragged.of(lines, np.int32),
    )


def toy_speech(n_utterances: int, seed: int, *, dim: int = 8, noise: float = 0.25, twice: float = 0.2) -> tuple[Ragged, Ragged]:
    """Segments (S, d) of other sentences and the phone of each (S); a phone takes two segments with probability ``twice``."""
    rng = np.random.default_rng(seed + 1000)
    truth = with_silence(toy_text(n_utterances, seed + 1), probability=0.25, generator=rng, surround=True)
    repeats = 1 + (rng.random(len(truth.flat)) < twice)
    offsets = np.concatenate([[0], np.cumsum(repeats)])[truth.offsets]
    labels = Ragged(np.repeat(truth.flat, repeats), offsets)
    means = np.random.default_rng(seed).normal(size=(len(PHONES), dim))
    segments = means[labels.flat] + noise * rng.normal(size=(len(labels.flat), dim))
    return Ragged(segments.astype(np.float16), offsets), labels


def spoil(labels: Ragged, share: float, seed: int) -> Ragged:
    """Labels of which a share is drawn at random from the other phones."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(labels.flat)) < share
    shift = rng.integers(1, len(PHONES), len(labels.flat))
    return Ragged(np.where(wrong, (labels.flat + shift) % len(PHONES), labels.flat).astype(np.int16), labels.offsets)


def confuse(segments: Ragged, seed: int, shift: float) -> Ragged:
    """What a recogniser says whose idea of each phone is off by ``shift``: errors with a system, unlike :func:`spoil`'s."""
    dim = segments.flat.shape[1]
    means = np.random.default_rng(seed).normal(size=(len(PHONES), dim))
    believed = means + shift * np.random.default_rng(seed + 5).normal(size=means.shape)
    distances = ((segments.flat[:, None].astype(np.float32) - believed) ** 2).sum(-1)
    return Ragged(distances.argmin(-1).astype(np.int16), segments.offsets)


def bigram(text: Text):
    """log10 probability (B) of phone lines under an add-one bigram of the text; stands in for the n-gram of the text folder."""
    V = len(text.phones)

    def pairs(lines: Ragged) -> tuple[np.ndarray, np.ndarray]:
        ends = np.insert(lines.flat.astype(int), lines.offsets[1:], V)
        return np.concatenate([[V], ends[:-1]]), ends

    counts = np.ones((V + 1, V + 1))
    np.add.at(counts, pairs(phones_of(text)), 1)
    log10 = np.log10(counts / counts.sum(1, keepdims=True))

    def score(lines: Ragged) -> np.ndarray:
        before, now = pairs(lines)
        return np.add.reduceat(log10[before, now], lines.offsets[:-1] + np.arange(len(lines)))

    return score


def write_text_folder(folder: Path) -> None:
    """What prepare_text leaves for 300 sentences."""
    text = toy_text(300, 0)
    folder.mkdir()
    (folder / "phones.txt").write_text("".join(f"{phone}\n" for phone in PHONES))
    rows = [
        {"word": f"w{index}", "phones": " ".join(PHONES[phone] for phone in word), "count": 1} for index, word in enumerate(WORDS)
    ]
    write_table(folder / "lexicon.tsv", rows, ("word", "phones", "count"))
    text.lines.write(folder, "lines")
    write_arpa(estimate(phones_of(text), PHONES, order=3), folder / "phones.arpa")
    write_arpa(estimate(text.lines, text.words, order=2), folder / "words.arpa")
    write_json(
        folder / "stage.json",
        {"command": "prepare_text", "config": {"language": "toy", "units": "phone"}, "inputs": {}, "counts": {}},
    )


def write_audio_folder(folder: Path, n_utterances: int, seed: int, *, targets: int = 0) -> None:
    """What prepare_audio leaves for :func:`toy_speech`; a frame's unit is one of two of its phone, or any, one time in five.

    targets: if any, a frame's is its phone modulo so many.
    """
    segments, labels = toy_speech(n_utterances, seed)
    frames = Ragged(np.repeat(segments.flat, FRAMES, axis=0), segments.offsets * FRAMES)
    rng = np.random.default_rng(seed)
    own = 2 * np.repeat(labels.flat, FRAMES) + rng.integers(0, 2, len(frames.flat))
    units = np.where(rng.random(len(own)) < 0.8, own, rng.integers(0, UNITS, len(own)))
    shard = {
        "frames": frames,
        "segments": segments,
        "starts": Ragged.of([FRAMES * np.arange(len(row)) for row in segments], np.int32),
        "units": Ragged(units.astype(np.int16), frames.offsets),
    }
    counts = {"clusters": UNITS}
    if targets:
        shard["targets"] = Ragged((np.repeat(labels.flat, FRAMES) % targets).astype(np.int16), frames.offsets)
        counts["targets"] = targets
    for name, ragged in shard.items():
        ragged.write(folder / "shards" / "00000", name)
    dims, dim = 78, segments.flat.shape[1]
    front_end = FrontEnd({"encoder": {"kind": "mfcc"}}, np.zeros((UNITS, dims)), np.zeros(dims), np.zeros((dims, dim)))
    front_end.write(folder / "frontend")
    write_table(folder / "manifest.tsv", [{"id": f"u{index}"} for index in range(n_utterances)], ("id",))
    record = {"command": "prepare_audio", "config": {"seed": seed}, "inputs": {}, "counts": counts}
    write_json(folder / "stage.json", record)
