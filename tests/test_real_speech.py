"""The scripts that score recordings of people: planted phones, boundaries and ceilings are found."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.gan.toy import PHONES, toy_speech
from wavu.ragged import Ragged
from wavu.store import write_json, write_table

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def scripts() -> tuple:
    """real_speech and ceilings, which import each other as scripts do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        import ceilings
        import real_speech
    return real_speech, ceilings


def test_repeats_and_silence_are_no_phones(scripts: tuple, text_folder: Path, speech_folder: Path, tmp_path: Path) -> None:
    real_speech, _ = scripts
    Ragged.of([np.array([0, 0, 5, 1]), np.array([5, 2, 3])], np.int16).write(tmp_path / "found", "labels")
    said = real_speech.phones_in(tmp_path / "found", text_folder)
    assert [row.tolist() for row in said] == [[0, 1], [2, 3]]
    truth = {"a": ["t", "a"], "b": ["k", "o"]}
    assert real_speech.rate(said, speech_folder, text_folder, truth) == 0.25


def test_boundaries_of_segments_are_found_where_the_pause_was_cut_out(
    scripts: tuple, speech_folder: Path, tmp_path: Path
) -> None:
    real_speech, _ = scripts
    for shard, spans in enumerate(([[0.5, 0.58]], [[0.0, 0.02], [0.3, 0.4]])):  # what was kept of the file, in seconds
        Ragged.of([np.array(spans)], np.float32).write(speech_folder / "shards" / f"{shard:05d}", "spans")
    rows = [("a", 0.5, 0.54, "t"), ("a", 0.54, 0.58, "a"), ("b", 0.0, 0.32, "k"), ("b", 0.32, 0.4, "i")]
    names = ("id", "start", "end", "phone")
    write_table(tmp_path / "true.tsv", [dict(zip(names, row, strict=True)) for row in rows], names)
    assert real_speech.boundary_f1(speech_folder, tmp_path / "true.tsv") == 1.0


def test_ceilings_know_planted_phones_and_no_noise(scripts: tuple, tmp_path: Path) -> None:
    _, ceilings = scripts
    segments, labels = toy_speech(80, 0, noise=0.3, twice=0.0)
    rng = np.random.default_rng(0)
    said = [[PHONES[phone] for phone in row if phone < len(PHONES) - 1] for row in labels]
    text = tmp_path / "text"
    text.mkdir()
    (text / "phones.txt").write_text("\n".join(PHONES) + "\n")
    write_table(text / "lexicon.tsv", [{"word": "ta", "phones": "t a", "count": 1}], ("word", "phones", "count"))
    Ragged.of([np.array([0])], np.int32).write(text, "lines")
    write_json(text / "stage.json", {"command": "prepare_text", "config": {"language": "", "units": "char"}, "counts": {}})
    references = [{"id": f"u{row}", "phones": " ".join(phones)} for row, phones in enumerate(said)]
    write_table(tmp_path / "references.tsv", references, ("id", "phones"))
    for name, values in (("speech", segments.flat), ("noise", rng.normal(size=segments.flat.shape))):
        audio = tmp_path / name
        write_table(
            audio / "manifest.tsv",
            [{"id": f"u{row}", "path": "", "speaker": "x"} for row in range(80)],
            ("id", "path", "speaker"),
        )
        where = audio / "shards" / "00000"
        frames = Ragged(np.repeat(values, 3, axis=0).astype(np.float16), segments.offsets * 3)
        frames.write(where, "frames")
        Ragged(np.zeros(len(frames.flat), np.int16), frames.offsets).write(where, "units")
        Ragged(values.astype(np.float16), segments.offsets).write(where, "segments")
        Ragged.of([3 * np.arange(n) for n in segments.lengths], np.int32).write(where, "starts")
        write_json(audio / "stage.json", {"command": "prepare_audio", "counts": {"clusters": 1}})
    knows = ceilings.ceilings(tmp_path / "speech", text, tmp_path / "references.tsv")
    noise = ceilings.ceilings(tmp_path / "noise", text, tmp_path / "references.tsv")
    assert knows["linear_probe"] < 0.15 and knows["best_table"] < 0.35  # silence has no name in the table
    assert min(noise.values()) > 0.5
