"""What is written is read back by programs of strangers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st
from praatio import textgrid

from wavu.transcription import CUE_CHARACTERS, CUE_SECONDS, FORMATS, PAUSE_SECONDS, Span, Transcription, cues, times

PHONES = [Span("t", 0.1, 0.2, 0.9), Span("a", 0.2, 0.36, 0.8), Span("ʃ", 1.5, 1.66, 0.5), Span("o", 1.66, 1.8, 1.0)]
WORDS = [Span("ta", 0.1, 0.36, 0.85), Span('s"<h>&o', 1.5, 1.8, 0.7)]
HEARD = Transcription("x/one two", 2.5, PHONES, WORDS)


@st.composite
def transcriptions(draw) -> Transcription:
    """Spans in order, some of which touch, some a long way off."""
    gaps = draw(st.lists(st.sampled_from([0.0, 0.02, 0.3, 0.7, 4.0]), max_size=40))
    lengths = draw(st.lists(st.sampled_from([0.02, 0.1, 1.2, 9.0]), min_size=len(gaps), max_size=len(gaps)))
    at, spans = 0.0, []
    for gap, length in zip(gaps, lengths, strict=True):
        spans.append(Span(draw(st.sampled_from(["a", "tʃ", "otorhinolaryngologie", '"', "&"])), at + gap, at + gap + length, 0.5))
        at = spans[-1].end
    return Transcription("a", at + draw(st.sampled_from([0.0, 0.013, 3.0])), spans)


def test_the_text_is_that_of_the_words_where_there_are_any() -> None:
    assert (
        str(HEARD) == 'ta s"<h>&o'
        and str(Transcription("a", 1.0, PHONES)) == "t a ʃ o"
        and str(Transcription("a", 1.0, [])) == ""
    )
    assert str(Transcription("a", 1.0, PHONES, [])) == ""


def test_tables() -> None:
    assert FORMATS["txt"].write(HEARD) == 'x/one two\tta s"<h>&o\n'
    assert FORMATS["tsv"].header(True, "") + FORMATS["tsv"].write(HEARD) == 'id\tphones\twords\nx/one two\tt a ʃ o\tta s"<h>&o\n'
    assert (
        FORMATS["tsv"].header(False, "") + FORMATS["tsv"].write(Transcription("a\tb\nc", 1.0, PHONES))
        == "id\tphones\na b c\tt a ʃ o\n"
    )
    assert times(HEARD).splitlines()[2] == "x/one two\t1.50\t1.66\tʃ"
    assert FORMATS["ctm"].write(HEARD).splitlines() == [
        "x/one_two 1 0.100 0.260 ta 0.850",
        'x/one_two 1 1.500 0.300 s"<h>&o 0.700',
    ]
    assert FORMATS["ctm"].write(Transcription("a", 1.0, PHONES)).startswith("a 1 0.100 0.100 t 0.900\n")


def test_json_holds_everything_on_one_line() -> None:
    line = FORMATS["json"].write(HEARD)
    read = json.loads(line)
    assert line.count("\n") == 1 and "ʃ" in line
    assert read["id"] == HEARD.id and read["seconds"] == 2.5 and read["text"] == str(HEARD)
    assert [Span(**span) for span in read["phones"]] == PHONES and [Span(**span) for span in read["words"]] == WORDS
    assert json.loads(FORMATS["json"].write(Transcription("a", 1.0, [])))["words"] is None
    assert json.loads(FORMATS["json"].write(Transcription("a", 1.0, [], [])))["words"] == []


@pytest.mark.parametrize("name", ["srt", "vtt"])
def test_subtitles_are_read_by_webvtt(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{name}"
    path.write_text(FORMATS[name].write(HEARD), encoding="utf-8")
    read = webvtt.read(path) if name == "vtt" else webvtt.from_srt(path)
    said = [(caption.start, caption.end, caption.raw_text) for caption in read]
    second = 's"&lt;h&gt;&amp;o' if name == "vtt" else 's"<h>&o'
    assert said == [("00:00:00.100", "00:00:00.360", "ta"), ("00:00:01.500", "00:00:01.800", second)]


def test_hours_and_roundings_of_subtitles() -> None:
    late = Transcription("a", 1e4, [Span("a", 3599.9996, 7325.0404, 1.0)])
    assert "01:00:00,000 --> 02:02:05,040" in FORMATS["srt"].write(late)
    assert "01:00:00.000 --> 02:02:05.040" in FORMATS["vtt"].write(late)


@given(transcriptions())
def test_cues_are_what_was_said_in_bits_that_can_be_read(heard: Transcription) -> None:
    found = list(cues(heard.phones))
    assert [span for cue in found for span in cue] == heard.phones
    for cue in found:
        text = " ".join(span.text for span in cue)
        assert len(cue) == 1 or (len(text) <= CUE_CHARACTERS and cue[-1].end - cue[0].start <= CUE_SECONDS)
        assert all(after.start - before.end < PAUSE_SECONDS for before, after in zip(cue, cue[1:], strict=False))


def test_a_long_cue_is_cut_at_the_widest_gap_of_its_later_half() -> None:
    gaps = {2: 0.4, 15: 0.2, 18: 0.1}  # before these spans; 0.05 elsewhere
    spans, at = [], 0.0
    for number in range(24):
        at += gaps.get(number, 0.05)
        spans.append(Span("a", at, at + 0.25, 1.0))
        at += 0.25
    assert [len(cue) for cue in cues(spans)] == [15, 9]


@given(transcriptions())
def test_textgrids_are_read_by_praatio(tmp_path_factory, heard: Transcription) -> None:
    path = tmp_path_factory.mktemp("grid") / "a.TextGrid"
    heard = Transcription("a", max(heard.seconds, 0.5), heard.phones, heard.phones[:1])
    path.write_text(FORMATS["textgrid"].write(heard), encoding="utf-8")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    assert grid.tierNames == ("words", "phones") and grid.maxTimestamp == pytest.approx(heard.seconds, abs=1e-4)
    entries = grid.getTier("phones").entries
    assert entries[0].start == 0 and entries[-1].end == grid.maxTimestamp
    assert [entry.start for entry in entries[1:]] == [entry.end for entry in entries[:-1]]
    said = [entry for entry in entries if entry.label]
    for side in ("start", "end"):
        assert [getattr(entry, side) for entry in said] == pytest.approx([getattr(span, side) for span in heard.phones], abs=1e-4)
    assert [entry.label.replace('""', '"') for entry in said] == [span.text for span in heard.phones]
    assert all(entry.end > entry.start for entry in entries)


@pytest.mark.parametrize("name", ["srt", "vtt", "textgrid", "ctm", "json", "txt", "tsv"])
def test_silence_is_written_too(name: str, tmp_path: Path) -> None:
    text = FORMATS[name].write(Transcription("a", 1.0, []))
    expected = {"srt": "", "vtt": "WEBVTT\n", "ctm": "", "txt": "a\t\n", "tsv": "a\t\n"}
    assert text == expected.get(name, text)
    if name == "textgrid":
        (tmp_path / "a").write_text(text)
        (entry,) = textgrid.openTextgrid(str(tmp_path / "a"), includeEmptyIntervals=True).getTier("phones").entries
        assert (entry.start, entry.end, entry.label) == (0.0, 1.0, "")


WARNED = replace(HEARD, id="a", warning='suspected failed (phones "odd" --> 100 %); do not trust what it says')


def whole(name: str, heard: Transcription) -> str:
    return FORMATS[name].header(True, heard.warning) + FORMATS[name].write(heard)


def test_a_warning_is_in_every_format_that_has_a_place_for_it(tmp_path: Path) -> None:
    for name, kind in FORMATS.items():
        (tmp_path / f"a{kind.ending}").write_text(whole(name, WARNED), encoding="utf-8")
        if name != "tsv":
            assert "suspected failed" in whole(name, WARNED) and "suspected failed" not in whole(name, HEARD)
    assert whole("txt", WARNED).splitlines() == [f"# {WARNED.warning}", f"a\t{HEARD}"]
    comment, *rows = whole("ctm", WARNED).splitlines()
    assert comment.startswith(";; ") and len(rows) == 2
    assert json.loads(whole("json", WARNED))["warning"] == WARNED.warning
    assert json.loads(whole("json", HEARD))["warning"] is None
    assert [caption.raw_text for caption in webvtt.read(tmp_path / "a.vtt")] == ["ta", 's"&lt;h&gt;&amp;o']
    first, *others = webvtt.from_srt(tmp_path / "a.srt")
    assert "suspected failed" in first.raw_text and (first.start, first.end) == ("00:00:00.000", "00:00:02.500")
    assert [caption.raw_text for caption in others] == ["ta", 's"<h>&o']
    grid = textgrid.openTextgrid(str(tmp_path / "a.TextGrid"), includeEmptyIntervals=False)
    assert grid.tierNames == ("words", "phones", "warning")
    (entry,) = grid.getTier("warning").entries
    assert entry.label.replace('""', '"') == WARNED.warning and (entry.start, entry.end) == (0.0, 2.5)
