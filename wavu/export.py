"""A trained recogniser as a folder that transformers opens, with a card that says where it comes from.

    python -m wavu.export model=runs/student out=my_recogniser

Then, wherever transformers is installed and wavu is not:

    from transformers import pipeline
    print(pipeline("automatic-speech-recognition", "my_recogniser")("interview.wav")["text"])
"""

import os
import shutil
from pathlib import Path

import wavu
from wavu.command import command
from wavu.errors import WavuError
from wavu.progress import say
from wavu.store import PARTIAL, finished, read_json, write_text
from wavu.student.model import WEIGHTS, Student
from wavu.units import duration_words

SCORES = {
    "score": "label-free score, lower is better",
    "lm_perplexity": "perplexity of what it says under the phone n-gram of the text",
    "vocabulary_used": "share of the phones of the text that it says",
    "jsd": "divergence of its n-grams of phones from the text's, in bits",
    "phones_per_second": "phones per second of speech",
    "disagreement": "edit distance per phone from the pseudo-labels it learned from",
}


def main_work(config: dict) -> None:
    """Copy the student beside its card; the folder appears when it is whole."""
    model, out = Path(config["model"]), Path(config["out"])
    finished(model, "self_train")
    if not (model / "student" / WEIGHTS).exists():
        raise WavuError(
            f"{model} holds an HMM and no CTC student, which alone can be exported; run wavu.self_train with student=small"
        )
    student = Student.read(model / "student")
    if student.hears_frames:
        raise WavuError(
            f"{model} holds a head, which hears nothing without wavu's encoder; run wavu.self_train with student=small"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise WavuError(f"{out} is there already; give a new out=")
    temporary = out.with_name(f".{out.name}{PARTIAL}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(model / "student", temporary)
        write_text(temporary / "README.md", card(out.name, student.phones, read_json(model / "student" / "about.json")))
        os.rename(temporary, out)
    except OSError as error:
        raise WavuError(f"cannot write {out}: {error.strerror or error}; free some space or choose another out=") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    say(f'{len(student.phones)} phones, {megabytes:.1f} MB; pipeline("automatic-speech-recognition", "{out}") opens it')


def card(name: str, phones: list[str], about: dict) -> str:
    """The README.md of a model on the hub. about: what self_train wrote beside the student."""
    trust = (
        f"**Suspected failed**, judged without labels: {about['suspected_failed']}. Do not trust its output."
        if about["suspected_failed"]
        else "Judged without labels it looks sound. That is no measurement: where somebody has transcribed a few recordings, score it against them."
    )
    rows = "\n".join(f"| {about['scores'][key]:.4g} | {meaning} |" for key, meaning in SCORES.items() if key in about["scores"])
    return f"""---
library_name: transformers
pipeline_tag: automatic-speech-recognition
language: {about["language"].split("-")[0]}
tags: [wavu, unsupervised-speech-recognition, ctc, phonemes]
---

# {name}

A phone recogniser that was learned from speech and text that do not belong together: no recording was transcribed for it. Made with
wavu {wavu.__version__}, after wav2vec-U (Baevski et al. 2021).

```python
from transformers import pipeline

recogniser = pipeline("automatic-speech-recognition", "{name}")
print(recogniser("recording.wav")["text"])  # phones, separated by spaces
```

It was trained on utterances of up to {about["longest_seconds"]:.0f} s: cut longer recordings at pauses.

## Data

- speech: {about["utterances"]:,} utterances, {duration_words(about["audio_seconds"])}, of which the surest {about["learned"]:,} were learned from
- text: {about["sentences"]:,} sentences, {about["words"]:,} words, language `{about["language"]}`, units `{about["units"]}`

## Recipe

- pseudo-labels: {about["labels"]}, of a hidden Markov model that started from a generator trained against a discriminator
- network: {about["network"]}
- training: CTC, {about["updates"]:,} updates; that after {about["kept"]:,} was the best by the label-free score and is this one

## Scores without labels

| value | what |
|---|---|
{rows}

{trust}

## Phones

`{" ".join(phones)}`
"""


main = command("export", main_work, __doc__)

if __name__ == "__main__":
    main()
