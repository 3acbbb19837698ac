"""What can be known about recordings, text and machine before anything long starts, each as a finding in words."""

import filecmp
import math
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavu.audio.files import Recording, find_audio, in_pieces
from wavu.audio.read import defect, read_audio
from wavu.audio.vad import keep, speech_spans
from wavu.errors import WavuError
from wavu.stage import file_fingerprint
from wavu.stages.outlook import DISK_BYTES, MEMORY_BYTES, SECONDS, Outlook
from wavu.stages.text import written_share
from wavu.text import phonemise
from wavu.text.sentences import occurrences, read_words
from wavu.units import duration_words

# Where the results of LOG.md begin: 38 minutes of one reader end at PER 0.09; 474 sentences cost half of the words.
ENOUGH_HOURS, ENOUGH_SENTENCES, ENOUGH_WORDS = 0.5, 1_000, 10_000
QUIET_DB = -50.0  # of full scale: the level of speech below which a recording was made too far away
SILENT = 0.6  # largest share of a recording that is no speech
WRITTEN = 0.9  # share of the words in the language's own letters


@dataclass(frozen=True)
class Finding:
    """One line. fine: nothing has to be changed."""

    fine: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok    ' if self.fine else 'change'}  {self.text}"


@dataclass(frozen=True)
class Audio:
    """hours: of all recordings."""

    hours: float
    findings: list[Finding]


def of_audio(folder: Path, *, limits: dict, sample: int, seed: int) -> Audio:
    """Look at all recordings below a folder, and listen to ``sample`` of them, drawn by chance.

    limits: ``vad``, ``min_seconds`` and ``max_clipped`` of prepare_audio.

    Raises:
        WavuError: there are none.
    """
    recordings = in_pieces(find_audio(folder), max_seconds=math.inf)
    hours = sum(recording.seconds for recording in recordings) / 3600
    enough = hours >= ENOUGH_HOURS
    more = "" if enough else ": half an hour and more works better"
    findings = [
        Finding(enough, f"{len(recordings):,} recordings, {duration_words(3600 * hours)}{more}"),
        _unreadable(recordings),
        _doubles(recordings),
    ]
    readable = [recording for recording in recordings if recording.seconds]
    drawn = np.random.default_rng(seed).permutation(len(readable))[:sample]
    return Audio(hours, findings + _heard([readable[row] for row in sorted(drawn)], **limits))


def _unreadable(recordings: list[Recording]) -> Finding:
    bad = [recording.path for recording in recordings if not recording.seconds]
    if not bad:
        return Finding(True, "every file can be read")
    return Finding(False, f"{len(bad):,} files cannot be read, such as {bad[0]}; convert them to wav or flac, or take them out")


def _doubles(recordings: list[Recording]) -> Finding:
    """Files with the same bytes; only those that begin, end and measure alike are compared."""
    alike: dict[str, Path] = {}
    doubles = []
    for recording in recordings:
        other = alike.setdefault(file_fingerprint(recording.path), recording.path)
        if other != recording.path and filecmp.cmp(other, recording.path, shallow=False):
            doubles.append((recording.path, other))
    if not doubles:
        return Finding(True, "no file is there twice")
    one, other = doubles[0]
    return Finding(False, f"{len(doubles):,} files are there twice, such as {one} and {other}; take one of each out")


def _heard(recordings: list[Recording], *, vad: dict, min_seconds: float, max_clipped: float) -> list[Finding]:
    """What listening to some recordings tells: clipping and other defects, silence, level."""
    reasons: Counter[str] = Counter()
    speech, levels = [], []
    for recording in recordings:
        try:
            waveform = read_audio(recording.path, end=60.0)
        except WavuError as error:
            reasons[str(error)] += 1
            continue
        if reason := defect(waveform, min_seconds=min_seconds, max_clipped=max_clipped):
            reasons[reason.split(":")[0]] += 1
            continue
        kept = keep(waveform, speech_spans(waveform, **vad))
        speech.append(len(kept) / len(waveform))
        levels.append(10 * np.log10(np.square(kept).mean() + 1e-12) if len(kept) else -120.0)
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    findings = [Finding(not reasons, f"of {len(recordings)} listened to, {told or 'none has a defect'}")]
    if speech:
        share, level = float(np.mean(speech)), float(np.median(levels))
        hint = "" if share > 1 - SILENT else ": cut pauses and music out first, or choose another vad="
        findings.append(Finding(share > 1 - SILENT, f"{share:.0%} of them is speech{hint}"))
        quiet = "" if level > QUIET_DB else ": hardly above the noise of a room; record nearer, or raise the level"
        findings.append(Finding(level > QUIET_DB, f"level of the speech {level:.0f} dB of full scale{quiet}"))
    return findings


def of_text(source: Path, language: str, *, units: str, voice: str | None) -> list[Finding]:
    """Look at a file of sentences.

    Raises:
        WavuError: it is missing or not UTF-8, or espeak-ng does not speak the language.
    """
    if not source.is_file():
        raise WavuError(f"{source} is no file of sentences; check text=")
    if units == "phone":
        phonemise.check_language(language)
    lines, words = read_words(source, language)
    n, enough = len(lines.flat), len(lines) >= ENOUGH_SENTENCES and len(lines.flat) >= ENOUGH_WORDS
    more = "" if enough else f": {ENOUGH_SENTENCES:,} sentences and {ENOUGH_WORDS:,} words or more find more words"
    findings = [Finding(enough, f"{len(lines):,} sentences, {n:,} words, {len(words):,} different{more}")]
    repeated = len(lines) - len({tuple(row.tolist()) for row in lines})
    fine = repeated <= len(lines) / 10
    findings.append(
        Finding(fine, f"{repeated:,} sentences are repeated{'' if fine else ': n-grams then learn them by heart; take them out'}")
    )
    if language in phonemise.languages() and n:
        findings.append(_script(occurrences(lines, len(words)), words, language))
    return [*findings, _voice(language, voice)]


def _script(counts: np.ndarray, words: list[str], language: str) -> Finding:
    scripts, share, stranger = written_share(counts, words, language)
    name = " or ".join(scripts)
    if share >= WRITTEN:
        return Finding(True, f"{share:.0%} of the words are in {name} letters, as {language} is")
    return Finding(
        False,
        f"only {share:.0%} of the words are in {name} letters, and '{stranger}' is not; is language={language} right?",
    )


def _voice(language: str, voice: str | None) -> Finding:
    if voice in (None, "none"):
        return Finding(
            False,
            "voice=none: nobody reads the text, and people are hardly ever deciphered by counts alone; give a neighbour's voice",
        )
    name = language if voice == "auto" else voice
    if name in phonemise.languages():
        return Finding(True, f"espeak-ng has a voice for {name}, which reads the text")
    return Finding(False, f"espeak-ng has no voice for {name}; give that of a language that is written alike, such as voice=sw")


def of_machine(hours: float, folder: Path) -> list[Finding]:
    """Time, memory and disk that the path takes for so many hours of audio."""
    outlook = Outlook(hours)
    stages = ", ".join(f"{name} {duration_words(outlook.seconds(name))}" for name in SECONDS)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free, wanted = shutil.disk_usage(folder).free, DISK_BYTES * max(hours, 1)
    return [
        Finding(True, f"about {duration_words(sum(map(outlook.seconds, SECONDS)))} on two cores: {stages}"),
        Finding(memory > MEMORY_BYTES, f"{MEMORY_BYTES / 1e9:.0f} GB of memory are needed, {memory / 1e9:.0f} GB are there"),
        Finding(free > wanted, f"{wanted / 1e9:.1f} GB of disk are needed, {free / 1e9:.0f} GB are free beside the recordings"),
    ]
