"""Recordings of other languages, and what is said in them, in; a model that hears phones out: what zero_shot listens with.

    python -m wavu.phoneme_ctc 'audio={de: german}' 'labels={de: german.tsv}' start_from=facebook/wav2vec2-large-xlsr-53 out_dir=runs/phones
    python -m wavu.phoneme_ctc 'audio={ky: kyrgyz, tr: turkish}' 'labels={ky: ky.tsv, tr: tr.tsv}' start_from=runs/encoder out_dir=runs/phones
    python -m wavu.phoneme_ctc 'audio={de: german}' 'labels={de: german.tsv}' start_from=null out_dir=runs/phones fine_tuning=small

The one part of wavu that learns from labels, so that what is learned without any can be compared with it: their words become
phones, by espeak-ng or a lexicon, and an encoder is fine-tuned with CTC to say them (Xu, Baevski and Auli 2021); its convolutions
stay. start_from=null takes the small conformer of self_train instead, which learns from nothing else: minutes on two cores. Its outputs are the phones of all languages together. about.json names the languages: zero_shot refuses to take the model for
one of them. It stops by the PER of utterances held out, of other speakers where a manifest names these. Killed, the same command
goes on from the last validation. left_out.tsv tells which recordings are of no use, and why.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from wavu.audio.files import Recording, in_pieces, recordings_fingerprint, recordings_in, sources_of
from wavu.command import command
from wavu.errors import WavuError
from wavu.feed import shuffled
from wavu.fine_tune import CHECKPOINT, Pupil, inputs_of, new_student, teach
from wavu.pretraining.crops import drawn
from wavu.progress import say
from wavu.ragged import Ragged
from wavu.selection import disagreement
from wavu.stage import Stage, file_fingerprint, fingerprint, folder_fingerprint, languages_taught
from wavu.store import read_table, write_json, write_table
from wavu.student.model import Student
from wavu.student.train import Lesson, Utterances
from wavu.text import lexicon
from wavu.text.normalise import words as words_of
from wavu.text.phonemise import check_language, pronounce
from wavu.training import best
from wavu.units import HOP_SECONDS, duration_words


@dataclass(frozen=True, eq=False)
class Taught:
    """U utterances that can be learned from. phones: of each. languages (U): which one each is in, by its number in ``names``.

    left_out: the other recordings, as rows language, id, reason.
    """

    recordings: list[Recording]
    phones: list[list[str]]
    languages: np.ndarray
    names: list[str]
    left_out: list[dict]

    @property
    def seconds(self) -> np.ndarray:
        """Length of each (U)."""
        return np.array([recording.seconds for recording in self.recordings])

    def inventory(self) -> list[str]:
        """All phones, the most frequent first."""
        count = Counter(phone for row in self.phones for phone in row)
        return sorted(count, key=lambda phone: (-count[phone], phone))

    def labels(self, inventory: list[str]) -> Ragged:
        """Phones as their places in the inventory."""
        number = {phone: place for place, phone in enumerate(inventory)}
        return Ragged.of([np.array([number[phone] for phone in row]) for row in self.phones], np.int16)


@dataclass(frozen=True, eq=False)
class Balanced:
    """A :class:`wavu.training.Feed` of utterances (U) in ``languages`` (U), of which those with little audio come more often.

    alpha: see :func:`wavu.pretraining.crops.drawn`.
    """

    utterances: Utterances
    languages: np.ndarray
    alpha: float

    def epoch(self, chance: np.random.Generator) -> list[list[int]]:
        """Utterances of each batch."""
        lengths = self.utterances.seconds
        chosen = drawn(lengths, self.languages, self.alpha, chance)
        groups = shuffled(lengths[chosen], self.utterances.batch_seconds, chance)
        return [chosen[group].tolist() for group in groups]

    def read(self, plan: list[int]) -> Lesson:
        """Inputs and targets of a batch."""
        return self.utterances.read(plan)


def main_work(config: dict) -> None:
    """Refuse what cannot work, find what can be learned from, then train."""
    sources, files = _sources(config)
    recordings = {language: recordings_in(source) for language, source in sources.items()}
    stage = Stage(config, command="phoneme_ctc", inputs=_fingerprints(recordings, files, config["start_from"]))
    if stage.done():
        say(f"{stage.out_dir} is complete")
        return
    taught = gathered({name: read_corpus(name, rows, files[name], config) for name, rows in recordings.items()})
    inventory = taught.inventory()
    student = new_student(inventory, config["start_from"], config["fine_tuning"], config["seed"], frame_dim=None)
    say(_found(taught, inventory))
    with stage.run() as counts:
        write_table(stage.out_dir / "left_out.tsv", taught.left_out, ("language", "id", "reason"))
        counts |= learn(student, taught, config, stage.out_dir)
    say(
        f"{stage.out_dir}: PER {counts['PER']:.3f} of {counts['held_out']:,} utterances held out, after {counts['kept']:,} updates"
    )


def _sources(config: dict) -> tuple[dict[str, Path], dict[str, dict[str, Path]]]:
    """Where the recordings of each language are; its labels and perhaps lexicon.

    Raises:
        WavuError: a language lacks one of them, or a way to say it.
    """
    if (config["start_from"] is None) != ("network" in config["fine_tuning"]):
        raise WavuError(
            "start_from=null and fine_tuning=small go together: a network from random weights; other choices fine-tune an encoder"
        )
    if not isinstance(config["audio"], dict):
        raise WavuError(f"audio={config['audio']} names no language; give '{{LANGUAGE: FOLDER}}', with espeak's name for it")
    sources, labels = sources_of(config["audio"]), sources_of(config["labels"])
    lexicons = sources_of(config["lexicon"]) if config["lexicon"] else {}
    if sources.keys() != labels.keys():
        raise WavuError(f"audio= names {', '.join(sources)} and labels= {', '.join(labels)}; each language needs both")
    if strange := lexicons.keys() - sources.keys():
        raise WavuError(f"lexicon= names {', '.join(sorted(strange))}, of which there is no audio")
    for language in sources.keys() - lexicons.keys():
        check_language(language)
    files = {language: {"labels": labels[language]} for language in sources}
    for language, lexicon_file in lexicons.items():
        files[language]["lexicon"] = lexicon_file
    return sources, files


def _fingerprints(recordings: dict[str, list[Recording]], files: dict[str, dict[str, Path]], start: str | None) -> dict[str, str]:
    """Of all that is read."""
    texts = [file_fingerprint(path) for each in files.values() for path in each.values()]
    return {
        "recordings": fingerprint([recordings_fingerprint(rows) for rows in recordings.values()]),
        "labels": fingerprint(texts),
        "start_from": folder_fingerprint(start),
    }


# What can be learned from


def read_corpus(language: str, found: list[Recording], files: dict[str, Path], config: dict) -> Taught:
    """The utterances of one language whose length and words are such that they can be learned from.

    Raises:
        WavuError: there are fewer than two.
    """
    texts = {row["id"]: words_of(row["text"], language) for row in read_table(files["labels"], ["id", "text"])}
    recordings = in_pieces(found, max_seconds=float("inf"))
    said = [texts[recording.id] for recording in recordings if recording.id in texts]
    spoken = _spoken(language, sorted({word for row in said for word in row}), files)
    common = _common(said, spoken, config["min_phone_share"])
    kept, left_out = [], []
    for recording in recordings:
        row = texts.get(recording.id)
        reason = _unfit(recording, row, spoken, common, config)
        if reason:
            left_out.append({"language": language, "id": recording.id, "reason": reason})
        else:
            kept.append((recording, [phone for word in row for phone in spoken[word]]))
    if len(kept) < 2:
        cause = Counter(row["reason"] for row in left_out).most_common(1)
        raise WavuError(
            f"of the {len(recordings):,} recordings in {language}, {len(kept)} can be learned from"
            + (f" (most others: {cause[0][0]}); are ids of {files['labels']} the names of files without ending?" if cause else "")
        )
    return Taught(*map(list, zip(*kept, strict=True)), np.zeros(len(kept), int), [language], left_out)


def _spoken(language: str, vocabulary: list[str], files: dict[str, Path]) -> dict[str, list[str]]:
    """The phones of each word, from the lexicon where there is one, else from espeak; none of what cannot be said."""
    if "lexicon" in files:
        known = {row["word"].lower(): row["phones"].split() for row in read_table(files["lexicon"], ["word", "phones"])}
        return {word: known.get(word, []) for word in vocabulary}
    spelled, _ = pronounce(vocabulary, language=language, units="phone", said={})
    return dict(zip(vocabulary, spelled, strict=True))


def _common(said: list[list[str]], spoken: dict[str, list[str]], min_phone_share: float) -> set[str]:
    """The phones that are not too rare to be learned, as prepare_text has them."""
    number = {word: place for place, word in enumerate(spoken)}
    lines = Ragged.of([np.array([number[word] for word in row], int) for row in said], np.int32)
    text, _, _ = lexicon.build(lines, list(spoken), list(spoken.values()), min_phone_share=min_phone_share)
    return set(text.phones[:-1])


def _unfit(
    recording: Recording, row: list[str] | None, spoken: dict[str, list[str]], common: set[str], config: dict
) -> str | None:
    """Why an utterance is left out, if it is."""
    if not row:
        return "no label" if row is None else "label without words"
    if not config["min_seconds"] <= recording.seconds <= config["max_seconds"]:
        return "unreadable" if not recording.seconds else "too short" if recording.seconds < config["min_seconds"] else "too long"
    if not all(spoken[word] for word in row):
        return "word that cannot be said"
    phones = [phone for word in row for phone in spoken[word]]
    if not common.issuperset(phones):
        return "rare phone"
    # CTC parts a phone from its twin with a blank; a frame may be lost at the end.
    needed = len(phones) + sum(phone == other for phone, other in pairwise(phones)) + 1
    return "more phones than frames" if needed > recording.seconds / HOP_SECONDS else None


def gathered(corpora: dict[str, Taught]) -> Taught:
    """The utterances of all languages."""
    return Taught(
        [recording for each in corpora.values() for recording in each.recordings],
        [row for each in corpora.values() for row in each.phones],
        np.repeat(np.arange(len(corpora)), [len(each.recordings) for each in corpora.values()]),
        list(corpora),
        [row for each in corpora.values() for row in each.left_out],
    )


def held_out(taught: Taught, utterances: int, chance: np.random.Generator) -> np.ndarray:
    """Which utterances (U) bool are not learned from: of each language its part of ``utterances``, a tenth at most.

    Where all have a speaker, whole speakers, at least one and never all of them.
    """
    held = np.zeros(len(taught.recordings), bool)
    for language in range(len(taught.names)):
        rows = np.flatnonzero(taught.languages == language)
        wanted = max(1, min(utterances // len(taught.names), len(rows) // 10))
        speakers = np.array([taught.recordings[row].speaker for row in rows])
        names = np.unique(speakers)
        if not speakers.all() or len(names) == 1:
            held[chance.permutation(rows)[:wanted]] = True
            continue
        for name in chance.permutation(names)[:-1]:
            held[rows[speakers == name]] = True
            if held[rows].sum() >= wanted:
                break
    return held


# Training


def learn(student: Student, taught: Taught, config: dict, folder: Path) -> dict:
    """Fine-tune the student, write it and what it has seen; counts."""
    settings, seconds = config["fine_tuning"], taught.seconds
    held = held_out(taught, settings["validation"]["utterances"], np.random.default_rng(config["seed"]))
    learned, judged = np.flatnonzero(~held), np.flatnonzero(held)
    pupil, labels = Pupil(student, inputs_of(student, taught.recordings), seconds), taught.labels(student.phones)
    utterances = Utterances(
        lambda place: pupil.inputs(learned[place]), seconds[learned], labels.take(learned), settings["training"]["batch_seconds"]
    )
    feed = Balanced(utterances, taught.languages[learned], config["alpha"])
    rates = partial(error_rates, pupil, labels, judged, taught)
    rows = teach(student, feed, rates, folder, settings=settings, seed=config["seed"])
    write_table(folder / "validations.tsv", rows, list(rows[0]))
    kept = best(rows)
    hours = np.bincount(taught.languages[learned], seconds[learned]) / 3600
    own = {
        name: {"hours": round(hour, 3), "PER": round(kept[f"PER {name}"], 4)}
        for name, hour in zip(taught.names, hours.tolist(), strict=True)
    }
    before = {
        name: {"by": config["start_from"]} for name in (config["start_from"] and languages_taught(config["start_from"])) or []
    }
    counts = {
        "learned": len(learned), "held_out": len(judged), "left_out": len(taught.left_out), "hours": round(float(hours.sum()), 3),
        "phones": len(student.phones), "updates": rows[-1]["update"], "kept": kept["update"], "PER": round(kept["score"], 4),
    }  # fmt: skip
    write_json(folder / "about.json", {"languages": before | own, "start_from": config["start_from"], **counts})
    student.write(folder)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    return counts


def error_rates(pupil: Pupil, labels: Ragged, judged: np.ndarray, taught: Taught) -> dict[str, float]:
    """The PER of each language on the utterances that are held out, and their mean, by which weights are kept."""
    said, truth, languages = pupil.say(judged), labels.take(judged), taught.languages[judged]
    rates = {}
    for language, name in enumerate(taught.names):
        rows = np.flatnonzero(languages == language)
        rates[f"PER {name}"] = disagreement(said.take(rows), truth.take(rows))
    return {"score": float(np.mean(list(rates.values())))} | rates


def _found(taught: Taught, inventory: list[str]) -> str:
    """What there is to learn from, as one line."""
    hours = np.bincount(taught.languages, taught.seconds)
    each = ", ".join(f"{name} {duration_words(seconds)}" for name, seconds in zip(taught.names, hours.tolist(), strict=True))
    reasons = Counter(row["reason"] for row in taught.left_out).most_common()
    left_out = f"; left out: {', '.join(f'{count:,} {reason}' for reason, count in reasons)}" if reasons else ""
    return f"{len(taught.recordings):,} utterances ({each}), {len(inventory)} phones{left_out}"


main = command("phoneme_ctc", main_work, __doc__)

if __name__ == "__main__":
    main()
