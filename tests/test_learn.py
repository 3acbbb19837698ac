"""One command from recordings and sentences to a recogniser; stopped and started again it goes on."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from wavu import learn
from wavu.demo import make_corpus
from wavu.store import read_json, read_table

Typed = Callable[..., tuple[int, str]]
QUICK = (
    "encoder=mfcc", "stages.prepare_audio=['kmeans.clusters=32']",
    "stages.decipher_segments=['reading.sentences=60','reading.turns=5']",
    "stages.self_train=['student=head','gaussians.turns=1','student.training.updates=120','student.validation.every=60']",
)  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder, seed=3, utterances=60, held_out=2, sentences=400, lexicon=40, voices=2, words_per_minute=140)
    return folder


def given(corpus: Path, out_dir: Path) -> list[str]:
    return [f"audio_dir={corpus}/audio", f"text={corpus}/sentences.txt", "language=es", f"out_dir={out_dir}", *QUICK]


def test_it_goes_from_recordings_to_words_and_on_where_it_was_stopped(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    out = tmp_path / "run"
    code, told = typed(learn, *given(corpus, out), "examples=3")
    assert code == 0, told
    assert all(f"[{number}/4] {name}" in told for number, name in enumerate(learn.WORK, 1))
    assert "predicted PER" in told.splitlines()[-2] + told.splitlines()[-3] and f"{out}/model" in told.splitlines()[-1]
    assert "predicted PER" in (out / "report.html").read_text(encoding="utf-8")
    rows = read_table(out / "examples.tsv", ["id", "path", "words", "phones"])
    assert len(rows) == 3 and all(Path(row["path"]).exists() and row["words"] and row["phones"] for row in rows)
    assert set(" ".join(row["words"] for row in rows).split()) <= {
        row["word"] for row in read_table(out / "text" / "lexicon.tsv", ["word"])
    }
    shutil.rmtree(out / "model")
    (out / "examples.tsv").unlink()
    code, again = typed(learn, *given(corpus, out), "examples=3")
    assert code == 0 and again.count("is complete") == 3
    assert read_table(out / "examples.tsv", ["id", "path", "words", "phones"]) == rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("stages.self_train=['student.trainin.updates=3']", "did you mean 'student.training"),
        ("stages.prepare_audio=['encoder.model=x']", "setting of wavu learn itself"),
        ("language=xx", "xx"),
        ("text=nothing.txt", "nothing.txt does not exist"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_written(
    corpus: Path, tmp_path: Path, typed: Typed, change: str, message: str
) -> None:
    code, told = typed(learn, *given(corpus, tmp_path / "run"), change)
    assert code == 1 and message in told.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_results_do_not_go_among_the_recordings(corpus: Path, typed: Typed) -> None:
    code, told = typed(learn, *given(corpus, corpus / "audio" / "run"))
    assert code == 1 and "lies among the recordings" in told
    assert not (corpus / "audio" / "run").exists()


def test_settings_of_stages_are_those_of_the_commands(corpus: Path, tmp_path: Path, typed: Typed) -> None:
    """A folder that learn began is the folder that the command alone would have begun."""
    from wavu import prepare_text

    assert typed(learn, *given(corpus, tmp_path), "voice=qq")[0] == 1
    alone = (f"text={corpus}/sentences.txt", "language=es", f"out_dir={tmp_path}/text")
    code, told = typed(prepare_text, *alone)
    assert code == 0 and "is complete" in told
    assert read_json(tmp_path / "text" / "stage.json")["command"] == "prepare_text"
