import gzip
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wavu import prepare_text
from wavu.prepared import Text
from wavu.ragged import Ragged
from wavu.stages.text import Counting, _cache_file, held_out_perplexity
from wavu.store import read_table
from wavu.text.ngram import estimate, read_arpa
from wavu.text.silence import phones_of

ROOT = Path(__file__).resolve().parent.parent.parent
SENTENCES = [
    "The cat sat on the mat.",
    "A dog, it's said, ran to the 3 cats!",
    "No man is an island; мама knows.",
    "She sells sea shells on the shore in 1984.",
    "Well-known men don't measure a garage.",
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WAVU_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path) -> Path:
    path = tmp_path / "sentences.txt"
    path.write_text("\n".join(SENTENCES * 12) + "\n", encoding="utf-8")
    return path


def run(monkeypatch, **settings) -> int:
    """The command as typed, in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["prepare_text", *(f"{key}={value}" for key, value in settings.items())])
    try:
        prepare_text.main()
    except SystemExit as end:
        return end.code
    return 0


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "stage.json"}


def test_what_it_writes(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert run(monkeypatch, text=source, language="en-us", out_dir=out) == 0
    text = Text.read(out)
    counts = json.loads((out / "stage.json").read_text())["counts"]
    spoken = [" ".join(text.words[word] for word in line) for line in text.lines][:5]
    assert spoken[1] == "a dog it's said ran to the three cats"
    assert spoken[2] == "no man is an island knows"
    assert spoken[3].endswith("in nineteen eighty four")
    lexicon = {row["word"]: row for row in read_table(out / "lexicon.tsv", ["word", "phones", "count"])}
    assert lexicon["cat"] == {"word": "cat", "phones": "k æ t", "count": "12"}
    assert lexicon["the"]["count"] == "48" and next(iter(lexicon)) == "the"
    assert read_table(out / "dropped.tsv", ["what", "reason", "count"]) == [
        {"what": "мама", "reason": "not in Latin letters", "count": "12"}
    ]
    phones = phones_of(text)
    assert counts["sentences"] == 60 and counts["words"] == len(text.lines.flat) and counts["types"] == len(text.words)
    assert counts["phones"] == len(phones.flat) and counts["inventory"] == len(text.phones) - 1
    assert counts["phones_per_sentence"] == pytest.approx(len(phones.flat) / 60, abs=1e-3)
    assert counts["phones_per_word"] == pytest.approx(len(phones.flat) / len(text.lines.flat), abs=1e-3)
    for name, rows, symbols in (("phone", phones, text.phones), ("word", text.lines, text.words)):
        model = read_arpa(out / f"{name}s.arpa")
        assert "<SIL>" not in model.symbols
        assert model.perplexity(rows, symbols) < counts[f"{name}_perplexity"] + 0.2  # that of sentences held out


def test_gzip_bom_line_ends_and_blank_lines_change_nothing(source, tmp_path, monkeypatch):
    dressed = tmp_path / "dressed.gz"
    plain = source.read_text(encoding="utf-8")
    dressed.write_bytes(gzip.compress(("\ufeff" + plain.replace("\n", "\r\n\r\n  \r\n")).encode()))
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "a") == 0
    assert run(monkeypatch, text=dressed, language="en-us", out_dir=tmp_path / "b") == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_rare_phones(source, tmp_path, monkeypatch):
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "out", min_phone_share=0.012) == 0
    reasons = {row["what"]: row["reason"] for row in read_table(tmp_path / "out" / "dropped.tsv", ["what", "reason"])}
    assert reasons.pop("мама")
    assert reasons == {"to": "rare phone uː", "three": "rare phone θ", "four": "rare phone f", "well": "rare phone w"}
    assert len(Text.read(tmp_path / "out").lines) == 60


def test_letters(tmp_path, monkeypatch):
    path = tmp_path / "kalmyk.txt"
    path.write_text("Хальмг келн — моңһл келнә нег!\n" * 50, encoding="utf-8")
    assert run(monkeypatch, text=path, language="xal", units="char", out_dir=tmp_path / "out") == 0
    text = Text.read(tmp_path / "out")
    assert set(text.phones[:-1]) == set("хальмгкелнмоңһләнег")
    assert not (tmp_path / "cache").exists()


def test_done_is_done_and_other_settings_are_refused(source, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert run(monkeypatch, text=source, language="en-us", out_dir=out) == 0
    before = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run(monkeypatch, text=source, language="en-us", out_dir=out) == 0
    assert run(monkeypatch, text=source, language="en-us", out_dir=out, phone_order=2) == 1
    assert "phone_order: 4 -> 2" in capsys.readouterr().err
    with open(source, "a", encoding="utf-8") as file:
        file.write("One more.\n")
    assert run(monkeypatch, text=source, language="en-us", out_dir=out) == 1
    assert before == {path: path.stat().st_mtime_ns for path in out.iterdir()}
    assert run(monkeypatch, text=source, language="en-us", out_dir=out, overwrite="true") == 0
    assert json.loads((out / "stage.json").read_text())["counts"]["sentences"] == 61


def test_the_cache_is_used_and_not_needed(source, tmp_path, monkeypatch, cache, capsys):
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "a") == 0
    file = next(cache.rglob("en-us.tsv"))
    file.write_text(file.read_text(encoding="utf-8").replace("k æ t\n", "d ɑː ɡ\n"), encoding="utf-8")
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "b") == 0
    said = {row["word"]: row["phones"] for row in read_table(tmp_path / "b" / "lexicon.tsv", ["word", "phones"])}
    assert said["cat"] == "d ɑː ɡ"
    file.write_bytes(b"\xff\xfe damaged")
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "c") == 0
    monkeypatch.setenv("WAVU_CACHE", str(source))  # a file: nothing can be written under it
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "d") == 0
    assert "ask espeak again" in capsys.readouterr().err
    assert contents(tmp_path / "a") == contents(tmp_path / "c") == contents(tmp_path / "d")


def test_the_cache_lies_where_the_user_keeps_caches(tmp_path, monkeypatch):
    monkeypatch.delenv("WAVU_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert _cache_file("de").is_relative_to(tmp_path / "xdg" / "wavu")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert _cache_file("de").is_relative_to(Path.home() / ".cache" / "wavu")


LATIN, CYRILLIC = "a line of words\n", "саптагы сөздөр\n"

BAD = {
    "empty": (b"", {}, "text.txt is empty"),
    "emoji": ("🙂 🙃\n".encode() * 60, {}, "holds no letters; give sentences"),
    "only signs": (b"... !!\n123\n" * 80, {"language": "ky"}, "0 of 80 sentences have .*num2words has no words"),
    "one sentence": (LATIN.encode(), {}, "has 1 sentence, at least 50 are needed"),
    "cyrillic with en-us": (CYRILLIC.encode() * 60, {}, "only 0% of the words are in Latin letters.*'саптагы'.*language=en-us"),
    "latin with ky": (LATIN.encode() * 60, {"language": "ky"}, "only 0% of the words are in Cyrillic letters"),
    "bad byte": (b"fine\nfine\ncaf\xe9\n", {}, "text.txt line 3: byte 0xe9 is not UTF-8"),
    "bad byte of the first line": (b"\xff\xfea\x00", {}, "line 1: byte 0xff is not UTF-8"),
    "cut gzip": (gzip.compress(os.urandom(4000))[:-50], {}, "line .* not UTF-8|damaged gzip"),
    "cut gzip of text": (gzip.compress(LATIN.encode() * 900)[:-12], {}, "is a damaged gzip file"),
    "language unknown": (LATIN.encode() * 60, {"language": "en"}, "does not speak 'en'; did you mean 'en-us'"),
    "units unknown": (LATIN.encode() * 60, {"units": "phones"}, "units=phones is unknown; give 'phone' or 'char'"),
    "order too long": (LATIN.encode() * 60, {"word_order": 7}, "word_order=7 must be at most 6"),
    "share no number": (LATIN.encode() * 60, {"min_phone_share": "few"}, "min_phone_share=few must be a number"),
    "no sentences asked for": (LATIN.encode() * 60, {"min_sentences": 0}, "min_sentences=0 must be at least 1"),
    "share too large": (LATIN.encode() * 60, {"min_phone_share": 0.9}, "only 0 of 60 sentences have a word that can be used"),
    "setting unknown": (LATIN.encode() * 60, {"langage": "de"}, "unknown setting 'langage'.*'language'"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_inputs_are_told_in_one_line(case, tmp_path, monkeypatch, capsys):
    content, settings, message = BAD[case]
    (tmp_path / "text.txt").write_bytes(content)
    given = {"text": tmp_path / "text.txt", "language": "en-us", "out_dir": tmp_path / "out"} | settings
    assert run(monkeypatch, **given) == 1
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1 and told[0].startswith("error: ")
    assert re.search(message, told[0]), told[0]
    assert not (tmp_path / "out").exists()


def test_a_missing_file_and_a_folder(tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, text=tmp_path / "none.txt", language="de", out_dir=tmp_path / "out") == 1
    assert run(monkeypatch, text=tmp_path, language="de", out_dir=tmp_path / "out") == 1
    assert "does not exist" in (told := capsys.readouterr().err) and "is a folder" in told
    assert not (tmp_path / "out").exists()


def test_a_wrong_text_does_not_cost_the_good_result(source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert run(monkeypatch, text=source, language="en-us", out_dir=out) == 0
    assert run(monkeypatch, text=source, language="ky", out_dir=out, overwrite="true") == 1
    assert (out / "stage.json").exists()


def test_from_a_shell(source, tmp_path):
    command = [sys.executable, "-m", "wavu.prepare_text", f"text={source}", "language=ky", f"out_dir={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1 and not done.stdout


def test_perplexity_is_that_of_sentences_held_out():
    """A fair die of eight sides: 8 whatever was thrown, where an n-gram that has seen the throws would promise less."""
    rng = np.random.default_rng(0)
    throws = Ragged.of([rng.integers(0, 8, 50) for _ in range(100)], np.int32)
    symbols = list("abcdefgh")
    seen = estimate(throws, symbols, order=3).perplexity(throws, symbols)
    counting = Counting(lambda lines: lines, symbols, order=3, words=700, disk=None)
    held = held_out_perplexity(throws, counting)
    assert seen < 0.95 * held and 8 < held < 10  # the end of a line is one more symbol
    assert np.isfinite(held_out_perplexity(throws.take(np.arange(1)), counting))


def test_results_do_not_depend_on_memory(source, tmp_path, monkeypatch):
    """With 200 bytes for a symbol, 4 kB hold 20: some sentences at a time."""
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "a") == 0
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "b", memory_gb=4e-6) == 0
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    counts = [json.loads((tmp_path / name / "stage.json").read_text())["counts"] for name in "ab"]
    assert counts[0] == counts[1]


def test_of_a_long_text_some_sentences_measure_perplexity(monkeypatch):
    rng = np.random.default_rng(0)
    throws = Ragged.of([rng.integers(0, 8, 50) for _ in range(300)], np.int32)
    counting = Counting(lambda lines: lines, list("abcdefgh"), order=2, words=700, disk=None)
    third = held_out_perplexity(throws.take(np.arange(0, 300, 3)), counting)
    whole = held_out_perplexity(throws, counting)
    monkeypatch.setattr("wavu.stages.text.SAMPLE", 100)
    assert held_out_perplexity(throws, counting) == third != whole


@pytest.mark.parametrize("step", ["lexicon.build", "estimate_from", "write_arpa", "held_out_perplexity"])
def test_killed_at_any_step_the_same_command_makes_the_same_bytes(step, source, tmp_path, monkeypatch):
    out = tmp_path / "out"
    assert run(monkeypatch, text=source, language="en-us", out_dir=tmp_path / "whole") == 0
    program = "import os, sys\nfrom wavu.stages import text\nfrom wavu import prepare_text\n"
    program += f"text.{step} = lambda *given, **settings: os.kill(os.getpid(), 9)\nprepare_text.main()"
    command = [sys.executable, "-c", program, f"text={source}", "language=en-us", f"out_dir={out}"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == -signal.SIGKILL
    assert not (out / "stage.json").exists()
    assert run(monkeypatch, text=source, language="en-us", out_dir=out) == 0
    assert contents(out) == contents(tmp_path / "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "out", "whole", "sentences.txt"}


@pytest.mark.skipif("WAVU_DATA" not in os.environ, reason="WAVU_DATA does not name the folder of real data")
@pytest.mark.parametrize(("name", "language", "inventory"), [("en-ljspeech", "en-us", 40), ("de-kerstin", "de", 44)])
def test_real_text(name, language, inventory, tmp_path, monkeypatch):
    path = Path(os.environ["WAVU_DATA"]) / "text" / f"{name}.txt"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    assert run(monkeypatch, text=path, language=language, out_dir=tmp_path / "out") == 0
    counts = json.loads((tmp_path / "out" / "stage.json").read_text())["counts"]
    assert counts["inventory"] == inventory
    assert counts["dropped_words"] < 0.01 * counts["words"]
    assert 3.5 < counts["phones_per_word"] < 6 and 3 < counts["phone_perplexity"] < 10
