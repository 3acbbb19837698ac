"""What was heard in a recording, phones and perhaps words with their times, and the formats that other programs read.

FORMATS: txt, tsv and ctm hold many recordings in one file; json, srt, vtt and textgrid one each.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import pairwise

PAUSE_SECONDS = 0.5  # of silence end a cue, as a sentence would
WARNING_SECONDS = 5.0  # at most, that subtitles begin with one
CUE_SECONDS, CUE_CHARACTERS = 6.0, 84  # at most: two lines of 42 characters, read in six seconds, as subtitles usually are


@dataclass(frozen=True)
class Span:
    """A phone or a word, from ``start`` to ``end`` seconds of the file. confidence: from 0 to 1; no label was seen for it."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Transcription:
    """What was heard in ``seconds`` of audio. words: None where the recogniser knows no words. ``str()`` of it is the text.

    warning: why it is not to be trusted, where the model was suspected to have failed; else "".
    """

    id: str
    seconds: float
    phones: list[Span]
    words: list[Span] | None = None
    warning: str = ""

    @property
    def spans(self) -> list[Span]:
        """The words; the phones where no words are known."""
        return self.phones if self.words is None else self.words

    def __str__(self) -> str:
        return _text(self.spans)


@dataclass(frozen=True)
class Format:
    """ending: of its files. write: one recording as text. one_each: whether a file holds one recording only.

    header: what comes before the first recording, by whether words are known, and a warning if there is one.
    """

    ending: str
    write: Callable[[Transcription], str]
    one_each: bool = False
    header: Callable[[bool, str], str] = lambda words, warning: ""


def cues(spans: list[Span]) -> Iterator[list[Span]]:
    """Phones or words in bits that can be read at a glance: cut at pauses, and where one is still too long at its widest gap."""
    bit: list[Span] = []
    for span in spans:
        if bit and span.start - bit[-1].end >= PAUSE_SECONDS:
            yield bit
            bit = []
        bit = [*bit, span]
        while len(bit) > 1 and (span.end - bit[0].start > CUE_SECONDS or len(_text(bit)) > CUE_CHARACTERS):
            # In the later half, so that no cue is a word or two; of equal gaps the last.
            gaps = [(after.start - before.end, at) for at, (before, after) in enumerate(pairwise(bit), start=1)]
            cut = max(gaps[len(gaps) // 2 :])[1]
            yield bit[:cut]
            bit = bit[cut:]
    if bit:
        yield bit


def times(transcription: Transcription) -> str:
    """A line for each phone: id, start, end, phone, separated by tabs."""
    name = _cell(transcription.id)
    return "".join(f"{name}\t{phone.start:.2f}\t{phone.end:.2f}\t{phone.text}\n" for phone in transcription.phones)


def _text(spans: list[Span]) -> str:
    return " ".join(span.text for span in spans)


def _cell(text: str) -> str:
    """Without what would end a cell or a line of a table."""
    return " ".join(text.splitlines()).replace("\t", " ")


def _txt(transcription: Transcription) -> str:
    return f"{_cell(transcription.id)}\t{transcription}\n"


def _tsv(transcription: Transcription) -> str:
    columns = [_cell(transcription.id), _text(transcription.phones)]
    return "\t".join(columns if transcription.words is None else [*columns, _text(transcription.words)]) + "\n"


def _ctm(transcription: Transcription) -> str:
    """NIST's: recording, channel, start, duration, token, confidence; recordings must not contain spaces."""
    name = "_".join(transcription.id.split())
    return "".join(
        f"{name} 1 {span.start:.3f} {span.end - span.start:.3f} {span.text} {span.confidence:.3f}\n"
        for span in transcription.spans
    )


def _json(transcription: Transcription) -> str:
    """One object on one line."""
    facts = {"id": transcription.id, "seconds": round(transcription.seconds, 3), "text": str(transcription)}
    for name in ("phones", "words"):
        spans = getattr(transcription, name)
        facts[name] = spans and [
            {key: round(value, 3) if isinstance(value, float) else value for key, value in asdict(span).items()} for span in spans
        ]
    return json.dumps(facts | {"warning": transcription.warning or None}, ensure_ascii=False) + "\n"


def _srt(transcription: Transcription) -> str:
    """A warning is a cue of its own, the first: the format knows no comments."""
    warned = [Span(f"[{transcription.warning}]", 0.0, min(WARNING_SECONDS, transcription.seconds), 1.0)]
    found = [*([warned] if transcription.warning else []), *cues(transcription.spans)]
    return "\n".join(
        f"{number}\n{_clock(cue[0].start, ',')} --> {_clock(cue[-1].end, ',')}\n{_text(cue)}\n"
        for number, cue in enumerate(found, start=1)
    )


def _vtt(transcription: Transcription) -> str:
    escaped = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
    note = f"\nNOTE {transcription.warning.replace('-->', '->')}\n" if transcription.warning else ""
    return f"WEBVTT\n{note}" + "".join(
        f"\n{_clock(cue[0].start, '.')} --> {_clock(cue[-1].end, '.')}\n{_text(cue).translate(escaped)}\n"
        for cue in cues(transcription.spans)
    )


def _clock(seconds: float, point: str) -> str:
    """Hours, minutes, seconds and thousandths."""
    thousandths = round(seconds * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{thousandths // 1000:02d}{point}{thousandths % 1000:03d}"


def _textgrid(transcription: Transcription) -> str:
    """Praat's long text format: a tier of words, where there are any, above a tier of phones; a warning is a tier below."""
    known = {"words": transcription.words, "phones": transcription.phones}
    if transcription.warning:
        known["warning"] = [Span(transcription.warning, 0.0, transcription.seconds, 1.0)]
    tiers = {name: _tiled(spans, transcription.seconds) for name, spans in known.items() if spans is not None}
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {transcription.seconds:.4f}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (name, intervals) in enumerate(tiers.items(), start=1):
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{name}"', "        xmin = 0"]
        lines += [f"        xmax = {transcription.seconds:.4f}", f"        intervals: size = {len(intervals)}"]
        for place, (start, end, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{place}]:", f"            xmin = {start:.4f}", f"            xmax = {end:.4f}"]
            lines += [f'            text = "{quoted}"']
    return "\n".join(lines) + "\n"


def _tiled(spans: list[Span], seconds: float) -> list[tuple[float, float, str]]:
    """Spans as intervals without a gap from 0 to the end, as Praat wants them: between them, empty ones."""
    intervals, at = [], 0.0
    for span in [*spans, Span("", seconds, seconds, 1.0)]:
        start, end = round(span.start, 4), round(span.end, 4)
        if start > at:
            intervals.append((at, start, ""))
        if end > start:
            intervals.append((start, end, span.text))
        at = end
    return intervals


FORMATS = {
    "txt": Format(".txt", _txt, header=lambda words, warning: f"# {warning}\n" if warning else ""),
    "tsv": Format(".tsv", _tsv, header=lambda words, warning: "id\tphones\twords\n" if words else "id\tphones\n"),
    "ctm": Format(".ctm", _ctm, header=lambda words, warning: f";; {warning}\n" if warning else ""),
    "json": Format(".json", _json, one_each=True),
    "srt": Format(".srt", _srt, one_each=True),
    "vtt": Format(".vtt", _vtt, one_each=True),
    "textgrid": Format(".TextGrid", _textgrid, one_each=True),
}
