import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from wavu import evaluate
from wavu.errors import WavuError
from wavu.evaluate import cluster_phones, code_phones
from wavu.ragged import Ragged
from wavu.references import read_phones
from wavu.scoring.rates import phone_error_rate
from wavu.store import write_table


def write_times(path: Path, rows: list[tuple[str, float, float, str]]) -> Path:
    columns = ("id", "start", "end", "phone")
    write_table(path, [dict(zip(columns, row, strict=True)) for row in rows], columns)
    return path


def tsv(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def run(monkeypatch, capsys, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["evaluate", *arguments])
    code = 0
    try:
        evaluate.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    return code, *capsys.readouterr()


def test_the_command_prints_and_writes_every_score(tmp_path: Path, monkeypatch, capsys) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\tphones\na\tt a k\nextra\tt\n")
    references = tsv(tmp_path / "ref.tsv", "id\tphones\na\tt o k\nb\ti\n")
    cuts = [0.0, 0.1, 0.2, 0.3]
    rows = [("a", start, end, phone) for (start, end), phone in zip(pairwise(cuts), "tak", strict=True)]
    times = write_times(tmp_path / "times.tsv", rows)
    code, out, err = run(
        monkeypatch,
        capsys,
        f"hypotheses={hypotheses}",
        f"references={references}",
        f"times={times}",
        f"alignments={times}",
        f"out={tmp_path}/s.json",
        "worst=1",
    )
    assert code == 0, err
    assert "PER 0.5000" in " ".join(out.split()) and "r value 1.000" in out and "WER" not in out
    assert "1 references are not in hypotheses=" in err and "1 utterances of hypotheses= have no reference" in err
    assert "2 utterances are few" in err
    scores = json.loads((tmp_path / "s.json").read_text())
    per = scores["rates"]["PER"]
    assert per["rate"] == 0.5 and per["deletions"] == per["substitutions"] == per["missing"] == 1
    assert per["low"] == pytest.approx(1 / 3) and per["high"] == 1.0  # only one of the two utterances, or only the other
    assert scores["boundaries"]["f1"] == 1 and len(scores["confusions"]) == 4
    assert out.count("100.0%") == 1  # the one worst confusion


def test_what_was_found_is_also_scored_alone_where_much_is_missing(tmp_path: Path, monkeypatch, capsys) -> None:
    """Of five utterances two were heard, one phone of six wrong: all that is missing counts as deleted, and is told apart."""
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\tphones\na\tt a k\nb\tk i o\n")
    true = {"a": "t a k", "b": "k i i", "c": "o o o", "d": "t a t", "e": "k o k"}
    references = tsv(tmp_path / "ref.tsv", "id\tphones\n" + "".join(f"{name}\t{row}\n" for name, row in true.items()))
    both = (f"hypotheses={hypotheses}", f"out={tmp_path}/s.json")
    code, out, err = run(monkeypatch, capsys, *both, f"references={references}")
    assert code == 0 and "the 2 of them that have a hypothesis" in out, err
    assert out.index("PER 0.6667".split()[1]) < out.index("the 2 of them") < out.index("0.1667")
    found = json.loads((tmp_path / "s.json").read_text())["found_only"]["PER"]
    assert (found["rate"], found["utterances"], found["missing"]) == (1 / 6, 2, 0)
    code, out, err = run(monkeypatch, capsys, *both, f"references={hypotheses}")  # nothing is missing
    assert code == 0 and "of them that have" not in out and "found_only" not in json.loads((tmp_path / "s.json").read_text())


def test_words_and_characters_are_scored_as_prepare_text_reads_them(
    tmp_path: Path, text_folder: Path, monkeypatch, capsys
) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\tphones\twords\na\tt a k k i o\ttak ki oo\nb\tt a k\t\n")
    references = tsv(tmp_path / "ref.tsv", "id\ttext\na\tTak, ki -- O!\nb\tTAK.\n")
    arguments = [f"hypotheses={hypotheses}", f"references={references}", f"text={text_folder}", f"out={tmp_path}/s.json"]
    code, out, err = run(monkeypatch, capsys, *arguments)
    rates = json.loads((tmp_path / "s.json").read_text())["rates"]
    assert code == 0 and list(rates) == ["PER", "WER", "CER"], err
    assert rates["PER"]["rate"] == 0
    assert rates["WER"]["rate"] == 2 / 4 and (rates["WER"]["substitutions"], rates["WER"]["deletions"]) == (1, 1)
    assert rates["CER"]["rate"] == (1 + 3) / (len("tak ki o") + len("tak"))


def test_words_alone_are_enough(tmp_path: Path, text_folder: Path, monkeypatch, capsys) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\twords\na\ttak ki\n")
    references = tsv(tmp_path / "ref.tsv", "id\ttext\na\ttak ki\n")
    arguments = [f"hypotheses={hypotheses}", f"references={references}", f"pictures={tmp_path / 'pictures'}"]
    code, out, err = run(monkeypatch, capsys, *arguments, f"text={text_folder}")
    assert code == 0 and "WER 0.0000" in " ".join(out.split()) and "PER" not in out, err
    assert not (tmp_path / "pictures").exists()
    code, _, err = run(monkeypatch, capsys, *arguments)
    assert code == 1 and "holds words, not phones; add text=FOLDER" in err


def test_words_that_cannot_be_scored_are_said(tmp_path: Path, text_folder: Path, monkeypatch, capsys) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\tphones\twords\na\tt a k\ttak\n")
    references = tsv(tmp_path / "ref.tsv", "id\tphones\na\tt a k\n")
    for more, told in ((), "hyp.tsv are not scored; add text=FOLDER"), ((f"text={text_folder}",), "ref.tsv has no column text"):
        code, out, err = run(monkeypatch, capsys, f"hypotheses={hypotheses}", f"references={references}", *more)
        assert code == 0 and "PER" in out and "WER" not in out and told in err


def test_words_without_references_in_words_are_an_error(tmp_path: Path, text_folder: Path, monkeypatch, capsys) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\twords\na\ttak\n")
    references = tsv(tmp_path / "ref.tsv", "id\tphones\na\tt a k\n")
    both = (f"hypotheses={hypotheses}", f"references={references}", f"text={text_folder}")
    code, _, err = run(monkeypatch, capsys, *both)
    assert code == 1 and "ref.tsv has no column text" in err


def test_a_baseline_without_anything_in_common_is_an_error(tmp_path: Path, text_folder: Path, monkeypatch, capsys) -> None:
    hypotheses, baseline = tsv(tmp_path / "hyp.tsv", "id\tphones\na\tt\n"), tsv(tmp_path / "old.tsv", "id\twords\na\ttak\n")
    references = tsv(tmp_path / "ref.tsv", "id\ttext\na\ttak\n")
    both = (f"hypotheses={hypotheses}", f"baseline={baseline}", f"references={references}", f"text={text_folder}")
    code, _, err = run(monkeypatch, capsys, *both)
    assert code == 1 and "the baseline has WER and CER, the hypotheses have PER" in err


def test_a_better_system_is_better_than_the_baseline(tmp_path: Path, monkeypatch, capsys) -> None:
    generator = np.random.default_rng(0)
    said = {f"{row:03d}": generator.choice(list("taki"), 20) for row in range(60)}

    def spoiled(chance: float, name: str) -> Path:
        rows = [{"id": row, "phones": " ".join(np.where(generator.random(20) < chance, "x", true))} for row, true in said.items()]
        write_table(tmp_path / name, rows, ("id", "phones"))
        return tmp_path / name

    references, ours, theirs = spoiled(0.0, "ref.tsv"), spoiled(0.1, "ours.tsv"), spoiled(0.2, "theirs.tsv")
    arguments = [f"hypotheses={ours}", f"baseline={theirs}", f"references={references}", f"out={tmp_path}/s.json"]
    code, out, err = run(monkeypatch, capsys, *arguments)
    found = json.loads((tmp_path / "s.json").read_text())["baseline"]["PER"]
    assert code == 0 and "against the baseline" in out and "are not in" not in err, err
    assert found["rate"] == phone_error_rate(read_phones(ours), read_phones(references)).rate
    assert found["difference"] == pytest.approx(found["rate"] - found["baseline"])
    assert found["low"] < found["difference"] < found["high"] < 0 and found["better"] == 1.0
    first = (tmp_path / "s.json").read_text()
    run(monkeypatch, capsys, *arguments)
    assert (tmp_path / "s.json").read_text() == first  # the seed is in the YAML


# Clusters


@pytest.fixture
def clustered(speech_folder: Path) -> Path:
    """The folder of two utterances with spans: a is said from 1 s of its file on; b is a piece of a long file, in two parts."""
    rows = [{"id": "a", "end": "1.5"}, {"id": "long/b-001", "end": "9.0"}]
    write_table(speech_folder / "manifest.tsv", rows, ("id", "end"))
    spans = ([[1.0, 1.08]], [[5.0, 5.04], [8.0, 8.08]])
    for shard, span in enumerate(spans):
        Ragged.of([np.array(span)], np.float32).write(speech_folder / "shards" / f"{shard:05d}", "spans")
    return speech_folder


def test_clusters_meet_phones_at_the_times_of_the_file(clustered: Path, tmp_path: Path) -> None:
    # Units are 0 1 2 0 and 0 1 2 0 1 2; the phones say what the unit is, wherever in the file it lies. They begin a little after
    # the frames: what is said in the middle of a frame counts.
    rows = [("a", 1.004, 1.024, "t"), ("a", 1.024, 1.044, "a"), ("a", 1.064, 1.084, "t"), ("long/b", 5.004, 5.024, "t")]
    rows += [("long/b", 5.024, 5.044, "a"), ("long/b", 8.024, 8.044, "t"), ("long/b", 8.044, 8.064, "a")]
    found = cluster_phones(clustered, write_times(tmp_path / "times.tsv", rows))
    assert found.pnmi == pytest.approx(1) and found.phone_purity == 1 and found.counts.sum() == 10
    counts = dict(zip(found.phones, found.counts.tolist(), strict=True))
    assert counts == {"t": [4, 0, 0], "a": [0, 3, 0], "<SIL>": [0, 0, 3]}


def test_recordings_that_are_not_aligned_are_left_out(clustered: Path, tmp_path: Path, capsys) -> None:
    found = cluster_phones(clustered, write_times(tmp_path / "times.tsv", [("a", 1.0, 1.02, "t")]))
    assert found.counts.sum() == 4 and "1 of 2 recordings are not aligned" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("x", 0, 1, "t")], "no recording of .* is aligned .first ids: 'a' and 'x'"),
        ([("a", 0, 1.8, "t")], "'a' ends at 1.80 s, the recording at 1.50 s; are the alignments of other files"),
        ([("a", 0.2, 0.3, "t")], "fewer than two"),
    ],
)
def test_alignments_of_other_files_are_refused(clustered: Path, tmp_path: Path, rows: list, told: str) -> None:
    with pytest.raises(WavuError, match=told):
        cluster_phones(clustered, write_times(tmp_path / "times.tsv", rows))


def test_pictures_have_their_numbers_beside_them(clustered: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    hypotheses = tsv(tmp_path / "hyp.tsv", "id\tphones\na\tt a k\n")
    references = tsv(tmp_path / "ref.tsv", "id\tphones\na\tt o k\n")
    times = write_times(tmp_path / "times.tsv", [("a", 1.0, 1.02, "t"), ("a", 1.02, 1.04, "a")])
    both = [f"hypotheses={hypotheses}", f"references={references}", f"audio={clustered}", f"alignments={times}"]
    code, out, err = run(monkeypatch, capsys, *both, f"pictures={tmp_path / 'new' / 'pictures'}", f"out={tmp_path}/s.json")
    assert code == 0 and "pnmi 0.667" in out, err
    assert json.loads((tmp_path / "s.json").read_text())["clusters"]["frames"] == 4
    folder = tmp_path / "new" / "pictures"
    names = ["clusters.png", "clusters.tsv", "confusions.png", "confusions.tsv"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert all(imread(folder / name).ndim == 3 for name in names[::2])
    assert (folder / "confusions.tsv").read_text().split("\n")[1:-1] == ["k\tk\t1\t1.0", "o\ta\t1\t1.0", "t\tt\t1\t1.0"]
    assert (folder / "clusters.tsv").read_text().startswith("cluster\tframes\ta\tt\t<SIL>\n")


# Codes


@pytest.fixture
def coded(tmp_path: Path) -> Path:
    """What codebook leaves for one recording in two pieces, said from 1 s to 1.12 s of its file; two codebooks of 9 codes."""
    folder = tmp_path / "codes"
    rows = [{"id": f"a-00{piece}", "end": 1.06 + 0.06 * piece, "speaker": ""} for piece in range(2)]
    write_table(folder / "manifest.tsv", rows, ("id", "end", "speaker"))
    codes, spans = [[[3, 1], [3, 2], [3, 1]], [[8, 2], [8, 2], [3, 2]]], [[[1.0, 1.06]], [[1.06, 1.12]]]
    Ragged.of([np.array(row) for row in codes], np.int16).write(folder / "shards" / "00000", "codes")
    Ragged.of([np.array(row) for row in spans], np.float32).write(folder / "shards" / "00000", "spans")
    (folder / "stage.json").write_text(json.dumps({"command": "codebook", "counts": {"codes": 9}}))
    return folder


def test_codes_that_occur_together_meet_phones_at_the_times_of_the_file(coded: Path, tmp_path: Path) -> None:
    said = zip("takoot", (1.0, 1.02, 1.04, 1.06, 1.08, 1.10), strict=True)
    found, names = code_phones(coded, write_times(tmp_path / "times.tsv", [("a", at, at + 0.02, phone) for phone, at in said]))
    assert names == ["3-1", "3-2", "8-2"]
    assert dict(zip(found.phones, found.counts.tolist(), strict=True)) == {
        "t": [1, 1, 0], "o": [0, 0, 2], "a": [0, 1, 0], "k": [1, 0, 0],
    }  # fmt: skip


def test_codes_need_no_hypotheses(coded: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    times = write_times(tmp_path / "times.tsv", [("a", 1.0, 1.06, "t"), ("a", 1.06, 1.12, "o")])
    both = (f"codes={coded}", f"alignments={times}", f"pictures={tmp_path / 'pictures'}", f"out={tmp_path}/s.json")
    code, out, err = run(monkeypatch, capsys, *both)
    assert code == 0 and "codes  pnmi 0.667" in out and "(3 codes, 2 phones, 6 frames)" in out and "PER" not in out, err
    assert json.loads((tmp_path / "s.json").read_text())["codes"]["phone_purity"] == pytest.approx(5 / 6)
    table = (tmp_path / "pictures" / "codes.tsv").read_text().split("\n")
    assert table[:2] == ["code\tframes\to\tt", "8-2\t2\t1.0000\t0.0000"]
    assert imread(tmp_path / "pictures" / "codes.png").ndim == 3


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "give hypotheses= and references=, or alignments="),
        (["hypotheses=none.tsv"], "hypotheses= and references= go together"),
        (["references=none.tsv"], "hypotheses= and references= go together"),
        (["baseline=none.tsv", "alignments=none.tsv", "codes=none"], "baseline= goes together with"),
    ],
)
def test_there_must_be_something_to_score(given: list[str], told: str, monkeypatch, capsys) -> None:
    code, _, err = run(monkeypatch, capsys, *given)
    assert code == 1 and told in err


@pytest.mark.parametrize("given", [["times=none.tsv"], ["audio=none"], ["codes=none"], ["alignments=none.tsv"]])
def test_what_needs_alignments_is_refused_without_before_anything_is_read(given: list[str], monkeypatch, capsys) -> None:
    code, _, err = run(monkeypatch, capsys, "hypotheses=none.tsv", "references=none.tsv", *given)
    assert code == 1 and "alignments= goes together with" in err


@pytest.mark.parametrize(
    ("given", "told"),
    [("bootstrap.level=95", "be below 1"), ("bootstrap.level=0", "be above 0"), ("bootstrap.resamples=0", "be at least 1")],
)
def test_an_impossible_bootstrap_is_refused(given: str, told: str, monkeypatch, capsys) -> None:
    code, _, err = run(monkeypatch, capsys, "hypotheses=none.tsv", "references=none.tsv", given)
    assert code == 1 and f"{given} must {told}" in err


def test_a_failure_writes_nothing(tmp_path: Path, monkeypatch, capsys) -> None:
    both = tsv(tmp_path / "both.tsv", "id\tphones\na\tt a k\n")
    times = write_times(tmp_path / "times.tsv", [("other", 1.0, 1.02, "t")])
    arguments = [f"hypotheses={both}", f"references={both}", f"times={times}", f"alignments={times}", f"out={tmp_path}/s.json"]
    code, out, err = run(monkeypatch, capsys, *arguments)
    assert code == 1 and "single phone" in err and not out and not (tmp_path / "s.json").exists()
