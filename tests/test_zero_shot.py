"""A phoneme model of other languages on recordings of this one: what is planted in its outputs comes out in our phones."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.student.test_borrowed import TOKENS, model
from tests.student.test_model import waveforms
from wavu import hub, zero_shot
from wavu.errors import WavuError
from wavu.ragged import Ragged
from wavu.store import read_json, read_table, write_json, write_table
from wavu.student import borrowed
from wavu.text.articulation import Match, match_all
from wavu.zero_shot import MappedEngine, in_words, mapping_of, refuse_known, target_of

TARGETS = ["t", "s", "a", "iː", "uː", "k", "aɪ"]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """What prepare_text leaves for a little English."""
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "phones.txt").write_text("".join(f"{phone}\n" for phone in [*TARGETS, "<SIL>"]), encoding="utf-8")
    write_table(folder / "lexicon.tsv", [{"word": "sat", "phones": "s a t", "count": 1}], ("word", "phones", "count"))
    Ragged.of([np.array([0])], np.int32).write(folder, "lines")
    config = {"language": "en-us", "units": "phone"}
    write_json(folder / "stage.json", {"command": "prepare_text", "config": config, "inputs": {}, "counts": {}})
    return folder


@pytest.fixture
def run(typed: Callable[..., tuple[int, str]]) -> Callable[..., tuple[int, str]]:
    return partial(typed, zero_shot)


class Planted:
    """A student whose scores are given: a column for each frame."""

    phones, hop_seconds = ["<unk>", "ts", "yː", "y", "x"], 0.02

    def __init__(self, *chances: dict[str, float]) -> None:
        rows = np.full((len(chances), 1 + len(self.phones)), 1e-6, np.float32)
        for row, chance in zip(rows, chances, strict=True):
            for phone, share in chance.items():
                row[1 + self.phones.index(phone) if phone else 0] = share
        self.scores = np.log(rows / rows.sum(1, keepdims=True))

    def score(self, waveforms: list[np.ndarray], *, batch_seconds: float) -> list[np.ndarray]:
        return [self.scores for _ in waveforms]


def heard(*chances: dict[str, float]) -> tuple[list[str], np.ndarray, MappedEngine]:
    student = Planted(*chances)
    engine = MappedEngine.of(student, match_all([phone for phone in student.phones if borrowed.is_phone(phone)], TARGETS))
    (found,) = engine.hear([np.zeros(320 * len(chances), np.float32)])
    return found.phones, found.times, engine


def test_one_output_may_be_two_phones_that_share_its_time() -> None:
    phones, times, engine = heard({"": 1}, {"ts": 1}, {"": 1}, {"x": 1}, {"": 1})
    assert phones == ["t", "s", "k"] and engine.phones == ["k", "s", "t", "uː"]
    assert times[0, 0] < times[0, 1] == times[1, 0] < times[1, 1] <= times[2, 0]
    assert times[0, 1] - times[0, 0] == pytest.approx(times[1, 1] - times[1, 0])


def test_outputs_that_map_to_one_phone_are_added_up_and_heard_once() -> None:
    phones, _, engine = heard({"": 0.4, "y": 0.3, "yː": 0.3}, {"yː": 0.9}, {"": 1})
    assert phones == ["uː"] and engine.heard == {"yː": 1}
    assert heard({"": 0.4, "y": 0.3, "x": 0.3})[0] == []  # otherwise the blank is the best


def test_special_tokens_are_never_heard() -> None:
    assert heard({"<unk>": 1}, {"x": 1}, {"<unk>": 1}, {"x": 1})[0] == ["k", "k"]


def test_what_espeak_says_in_the_language_is_folded_as_prepare_text_does() -> None:
    found = mapping_of(["ɾ", "ɑːɹ", "t", "yː"], ["t", "ɑː", "ɹ", "uː"], "en-us")
    assert found["ɾ"] == Match(("t",), 0.0) and found["ɑːɹ"].phones == ("ɑː", "ɹ") and found["t"].phones == ("t",)
    assert found["yː"].phones == ("uː",) and found["yː"].distance > 0
    assert mapping_of(["ɾ"], ["d"], "en-us")["ɾ"].phones == ("d",)  # its table has no t to offer


def test_recordings_become_hypotheses_in_phones_of_the_text(text: Path, tmp_path: Path, run) -> None:
    waves = waveforms(4)
    for number, wave in enumerate(waves):
        soundfile.write(tmp_path / f"{number}.wav", wave, 16_000, subtype="FLOAT")
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    files = sorted(tmp_path.glob("*.wav"))
    out, name = tmp_path / "runs" / "hyp.tsv", model(tmp_path / "model")
    code, told = run(*files, f"model={name}", f"text={text}", f"out={out}", "vad=none")
    assert code == 0, told
    assert "no about.json" in told and "broken.wav is left out" in told and "mapped at a distance" in told
    rows = {row["id"]: row["phones"].split() for row in read_table(out, ["id", "phones"])}
    assert list(rows) == ["0", "1", "2", "3"] and set().union(*rows.values()) <= set(TARGETS) and any(rows.values())
    student = borrowed.read(hub.Source(str(name)))
    engine = MappedEngine.of(student, mapping_of([token for token in TOKENS if borrowed.is_phone(token)], TARGETS, "en-us"))
    (alone,) = engine.hear([waves[2]])
    assert alone.phones == rows["2"]
    table = {row["source"]: row for row in read_table(out.with_suffix(".mapping.tsv"), ["source", "target", "distance", "heard"])}
    assert table.keys() == {"a", "ts", "yː", "ai5", "x"} and table["ts"]["target"] == "t s" and table["a"]["distance"] == "0.000"
    said = sum(int(row["heard"]) * len(row["target"].split()) for row in table.values())
    assert said == sum(map(len, rows.values()))


@pytest.mark.parametrize(
    ("seen", "language", "refused"),
    [(["de"], "en-us", False), (["de", "en-us"], "en-us", True), (["en-gb"], "en-us", True), ([], "de", False)],
)
def test_a_model_that_was_taught_the_language_is_refused(seen: list[str], language: str, refused: bool, tmp_path: Path) -> None:
    write_json(tmp_path / "about.json", {"languages": {name: {} for name in seen}})
    if refused:
        with pytest.raises(WavuError, match="no zero-shot"):
            refuse_known(str(tmp_path), language)
    else:
        refuse_known(str(tmp_path), language)


def test_letters_are_no_phones(text: Path, tmp_path: Path, run) -> None:
    record = read_json(text / "stage.json")
    write_json(text / "stage.json", record | {"config": {"language": "xal", "units": "char"}})
    with pytest.raises(WavuError, match="letters"):
        target_of(text)
    code, told = run(tmp_path, "model=nowhere", f"text={text}", f"out={tmp_path / 'x.tsv'}")
    assert code == 1 and told.startswith("error: text=") and told.count("\n") == 1 and not (tmp_path / "x.tsv").exists()


def test_how_much_was_mapped_at_a_distance_is_summed_up() -> None:
    mapping = {"a": Match(("a",), 0.0), "ɪ": Match(("iː",), 0.2), "w": Match(("k",), 2.0)}
    engine = MappedEngine.of(Planted({"": 1}), mapping)
    engine.heard.update({"a": 2, "ɪ": 1, "w": 1})
    told = in_words(mapping, engine.heard, ["a", "iː", "k", "s"])
    assert (
        told.startswith("3 phones onto 3 of 4: 50% of what was heard was mapped at a distance, 25% at more than 0.5")
        and "to s" in told
    )
