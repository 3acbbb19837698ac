"""Recordings of a language through a phoneme model of other languages: what an unsupervised recogniser has to be better than.

    python -m wavu.zero_shot my_recordings model=facebook/wav2vec2-xlsr-53-espeak-cv-ft text=runs/text out=hypotheses.tsv
    python -m wavu.zero_shot my_recordings model=runs/phoneme_ctc text=runs/text out=hypotheses.tsv

After Xu, Baevski and Auli 2021: the outputs of the model are mapped to the phones of text= by articulatory distance, which
mapping.tsv lists beside how often each was heard; what maps to the same is added up before the best path is taken. No label of the language itself is used, so
that the same references tell which way is better:

    python -m wavu.evaluate hypotheses=hypotheses.tsv baseline=ours.tsv references=references.tsv text=runs/text

A model that is known to have seen labels of this language (its about.json, which wavu.phoneme_ctc writes) is refused.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wavu import hub
from wavu.command import command
from wavu.decode import ctc
from wavu.engines.engine import Heard
from wavu.engines.student import STUDENT_SECONDS, StudentEngine
from wavu.errors import WavuError
from wavu.hearing import check_out, opened, recordings_of, transcribe_all
from wavu.prepared import Text
from wavu.progress import say
from wavu.recogniser import Recogniser
from wavu.settings.use import ZeroShot
from wavu.stage import finished, languages_taught
from wavu.store import write_table
from wavu.student import borrowed
from wavu.student.model import Student
from wavu.text.articulation import Match, match_all
from wavu.text.phonemise import phone_map
from wavu.transcription import FORMATS
from wavu.units import seconds

FAR = 0.5  # a distance from which on a phonetician would hesitate


@dataclass(frozen=True, eq=False)
class MappedEngine(StudentEngine):
    """A phoneme model that speaks in phones of another language.

    said: what its outputs say, one or two phones each. outputs (P): which one each of its columns belongs to, from 1; 0: none.
    heard: how often each of its own phones was the loudest; it grows.
    """

    said: list[tuple[str, ...]]
    outputs: np.ndarray
    heard: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, student: Student, mapping: dict[str, Match]) -> "MappedEngine":
        """What is not in the mapping is never heard: silence is as probable as all of that together."""
        said = list(dict.fromkeys(match.phones for match in mapping.values() if match.phones))
        number = {phones: output for output, phones in enumerate(said, start=1)}
        places = [number.get(mapping[phone].phones, 0) if phone in mapping else 0 for phone in student.phones]
        return cls(student, said, np.array([ctc.BLANK, *places]))

    @property
    def phones(self) -> list[str]:
        """Those of the other language that it may say."""
        return sorted({phone for phones in self.said for phone in phones})

    def hear(self, speech: list[np.ndarray]) -> Iterator[Heard]:
        """See :class:`wavu.engines.engine.Engine`."""
        rows = self.student.score(speech, batch_seconds=STUDENT_SECONDS)
        for waveform, scores in zip(speech, rows, strict=True):
            found, sure = ctc.greedy(borrowed.pooled(scores, self.outputs))
            times = ctc.spans(found, hop_seconds=self.student.hop_seconds, seconds=seconds(len(waveform)))
            for output, start, end in found:
                columns = np.flatnonzero(self.outputs == output + 1)
                self.heard[self.student.phones[columns[scores[start:end, columns].max(0).argmax()] - 1]] += 1
            yield self._spelled(found[:, 0], times, sure)

    def topology(self) -> None:
        """There is no way from it to words."""

    def _spelled(self, outputs: np.ndarray, times: np.ndarray, sure: np.ndarray) -> Heard:
        """Outputs as phones; two that are one output share its time."""
        lengths = np.array([len(self.said[output]) for output in outputs], int)
        place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        start, end = np.repeat(times, lengths, axis=0).T
        step = (end - start) / np.repeat(lengths, lengths)
        phones = [phone for output in outputs for phone in self.said[output]]
        return Heard(phones, np.stack([start + place * step, start + (place + 1) * step], 1), np.repeat(sure, lengths))


def main_work(settings: ZeroShot) -> None:
    """Hear the files, write what was heard and how it was mapped."""
    out, name = settings.out, settings.model
    targets, language = target_of(settings.text)
    refuse_known(name, language)
    recordings = recordings_of(settings.files)
    check_out(out, FORMATS["tsv"], len(recordings))
    student = hub.load(name, borrowed.read, what=f"the phoneme model {name}")
    mapping = mapping_of([token for token in student.phones if borrowed.is_phone(token)], targets, language)
    if lost := [source for source, match in mapping.items() if not match.phones]:
        say(f"warning: {len(lost)} phones of the model cannot be placed and are never heard: {' '.join(lost)}")
    engine = MappedEngine.of(student, mapping)
    recogniser = Recogniser(engine, **settings.plain("vad", "min_seconds", "max_seconds"))
    with opened(out, FORMATS["tsv"], words=False, warning="") as put:
        summary = transcribe_all(recordings, recogniser, [put])
    table = settings.mapping or out.with_suffix(".mapping.tsv")
    write_mapping(table, mapping, engine.heard)
    say(f"{summary} -> {out}")
    say(f"{in_words(mapping, engine.heard, targets)} -> {table}")


def target_of(folder: Path) -> tuple[list[str], str]:
    """The phones of a folder of prepare_text, without silence, and its language.

    Raises:
        WavuError: its units are letters, to which no phone is near or far.
    """
    config = finished(folder, "prepare_text")["config"]
    if config["units"] != "phone":
        raise WavuError(f"text={folder} is spelled in letters (units={config['units']}), and phones can be mapped to phones only")
    return Text.read(folder).phones[:-1], config["language"]


def refuse_known(model: str, language: str) -> None:
    """Refuse a model whose about.json says that it has seen labels of this language, of whatever region; say where none tells.

    Raises:
        WavuError: it has.
    """
    seen = languages_taught(model)
    if seen is None:
        say(f"note: {model} has no about.json; make sure that it was not taught {language}, or this is no zero-shot")
        return
    if language.split("-")[0] in {name.split("-")[0] for name in seen}:
        raise WavuError(
            f"{model} has seen labels of {' and '.join(seen)}, and text= is {language}: that is no zero-shot; give a model of other languages"
        )


def mapping_of(sources: list[str], targets: list[str], language: str) -> dict[str, Match]:
    """What each phone of the model becomes: what prepare_text makes of it, where espeak says it in this language too, else the nearest."""
    folded = {source: tuple(phones) for source, phones in phone_map(language).items() if set(phones) <= set(targets)}
    same = {source: Match(folded[source], 0.0) for source in sources if source in folded and source not in targets}
    return match_all(sources, targets) | same


def write_mapping(path: Path, mapping: dict[str, Match], heard: Counter[str]) -> None:
    """A row for each phone of the model, the nearest first."""
    rows = [
        {"source": source, "target": " ".join(match.phones), "distance": f"{match.distance:.3f}", "heard": heard[source]}
        for source, match in sorted(mapping.items(), key=lambda item: item[1].distance)
    ]
    write_table(path, rows, ("source", "target", "distance", "heard"))


def in_words(mapping: dict[str, Match], heard: Counter[str], targets: list[str]) -> str:
    """How well the inventories fit, and how much of what was heard was mapped at a distance."""
    total = max(1, heard.total())
    mapped, far = (
        sum(count for source, count in heard.items() if mapping[source].distance > least) / total for least in (0, FAR)
    )
    said = {phone for match in mapping.values() for phone in match.phones}
    never = sorted(set(targets) - said)
    nothing = f"; nothing maps to {' '.join(never)}" if never else ""
    return (
        f"{len(mapping)} phones onto {len(targets) - len(never)} of {len(targets)}: {mapped:.0%} of what was heard was mapped at a distance, "
        f"{far:.0%} at more than {FAR}{nothing}"
    )


main = command("zero_shot", ZeroShot, main_work, __doc__, files=True)

if __name__ == "__main__":
    main()
