"""A trained recogniser as a folder that transformers opens, with a card that says where it comes from.

    python -m wavu.export model=runs/student out=my_recogniser

Then, wherever transformers is installed and wavu is not:

    from transformers import pipeline
    print(pipeline("automatic-speech-recognition", "my_recogniser")("interview.wav")["text"])

transformers has no class for a head on Whisper's encoder: the folder of one brings its own, 150 lines, and asks for
``trust_remote_code=True`` in the call of ``pipeline``.
"""

import os
import shutil
from pathlib import Path

import torch
from transformers import PreTrainedModel, Wav2Vec2FeatureExtractor

import wavu
from wavu import hub
from wavu.audio.frontend import FrontEnd
from wavu.audio.whisper import Whisper
from wavu.audio.whisper_ctc import WhisperCtc, WhisperCtcConfig
from wavu.command import command
from wavu.errors import WavuError
from wavu.progress import say
from wavu.settings.use import Export
from wavu.stage import finished
from wavu.store import PARTIAL, read_json, write_text
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


def main_work(settings: Export) -> None:
    """Copy the student beside its card; the folder appears when it is whole."""
    model, out = settings.model, settings.out
    counts = finished(model, "self_train")["counts"]
    hub.refuse_pickles(model / "student")
    if not (model / "student" / WEIGHTS).exists():
        raise WavuError(
            f"{model} holds an HMM and no CTC student, which alone can be exported; run wavu.self_train with student=small"
        )
    student = Student.read(model / "student")
    whole = with_encoder(student, model) if student.hears_frames else None
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise WavuError(f"{out} is there already; give a new out=")
    temporary = out.with_name(f".{out.name}{PARTIAL}")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(model / "student", temporary)
        if whole:
            whole.save_pretrained(temporary)
            Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True).save_pretrained(temporary)
        write_text(temporary / "README.md", card(out.name, student, read_json(model / "student" / "about.json"), counts))
        os.rename(temporary, out)
    except OSError as error:
        raise WavuError(f"cannot write {out}: {error.strerror or error}; free some space or choose another out=") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    megabytes = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    if counts["suspected_failed"]:
        say(f"warning: suspected failed ({counts['suspected_failed']}); do not trust what it says")
    say(f"{len(student.phones)} phones, {megabytes:.1f} MB; {call(str(out), student)} opens it")


def with_encoder(head: Student, model: Path) -> PreTrainedModel:
    """A head as one model with all that comes before it but voice detection: the encoder's lower layers and the PCA.

    Raises:
        WavuError: the encoder cannot be loaded, or is none of Whisper's.
    """
    front_end = FrontEnd.read(model / "frontend")
    encoder = front_end.encoder
    if not isinstance(encoder, Whisper):
        raise WavuError(
            f"{model} holds a head on an encoder that is not Whisper's, and goes only with wavu; run wavu.self_train with student=small or student=wav2vec2"
        )
    nowhere = {"_name_or_path": ""}  # folders of this machine are nobody's business
    sizes = encoder.network.config.to_dict() | {"encoder_layers": max(encoder.layers)} | nowhere
    levelled = front_end.scale is not None
    config = WhisperCtcConfig(sizes, head.model.config.to_dict() | nowhere, layers=encoder.layers, levelled=levelled)
    whole = WhisperCtc(config)
    lower = {name: value for name, value in encoder.network.state_dict().items() if not name.startswith("layer_norm.")}
    whole.encoder.load_state_dict(lower, strict=False)  # a final norm is not asked for
    whole.head.load_state_dict(head.model.state_dict())
    directions = torch.from_numpy(front_end.directions)
    whole.pca.weight.data = (directions / torch.from_numpy(front_end.scale)[:, None] if levelled else directions).T.contiguous()
    whole.pca.bias.data = -torch.from_numpy(front_end.mean) @ directions
    WhisperCtcConfig.register_for_auto_class()
    WhisperCtc.register_for_auto_class("AutoModelForCTC")
    return whole


def call(name: str, student: Student) -> str:
    """How a model is opened."""
    return f'pipeline("automatic-speech-recognition", "{name}"{", trust_remote_code=True" if student.hears_frames else ""})'


def card(name: str, student: Student, about: dict, counts: dict) -> str:
    """The README.md of a model on the hub. about: what self_train wrote beside the student. counts: of its stage.json."""
    code = (
        "\nThe folder brings the code of its model, `whisper_ctc.py`, which `trust_remote_code=True` runs. It learned from speech without pauses.\n"
        if student.hears_frames
        else ""
    )
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

recogniser = {call(name, student)}
print(recogniser("recording.wav")["text"])  # phones, separated by spaces
```
{code}
It was trained on utterances of up to {about["longest_seconds"]:.0f} s: cut longer recordings at pauses.

## Data

- speech: {about["utterances"]:,} utterances, {duration_words(about["audio_seconds"])}, of which the surest {about["learned"]:,} were learned from
- text: {about["sentences"]:,} sentences, {about["words"]:,} words, language `{about["language"]}`, units `{about["units"]}`
- {counts["encoder_has_seen"]}

## Recipe

- start: {about["start"]}
- pseudo-labels: {about["labels"]}, of a hidden Markov model that began there
- network: {about["network"]}
- training: CTC, {about["updates"]:,} updates; that after {about["kept"]:,} was the best by the label-free score and is this one

## Scores without labels

{judged(about["scores"], counts)}

## Phones

`{" ".join(student.phones)}`
"""


def judged(scores: dict, counts: dict) -> str:
    """What is known without labels, as a table, and what that is worth."""
    rows = "\n".join(f"| {scores[key]:.4g} | {meaning} |" for key, meaning in SCORES.items() if key in scores)
    table = f"| value | what |\n|---|---|\n{rows}\n"
    if counts["suspected_failed"]:
        return f"{table}\n**Suspected failed**, judged without labels: {counts['suspected_failed']}. Do not trust its output."
    verdict = counts["hmm"].get("verdict", "it looks sound")
    return f"{table}\nVerdict without labels: {verdict}. That is no measurement: where somebody has transcribed a few recordings, score it against them."


main = command("export", Export, main_work, __doc__)

if __name__ == "__main__":
    main()
