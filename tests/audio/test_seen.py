"""What an encoder has seen is said as far as its folder tells."""

from pathlib import Path

import pytest
from transformers import HubertConfig, Wav2Vec2Config, WhisperConfig

from wavu.audio.seen import has_seen, in_words


def folder(path: Path, config: object, *architectures: str) -> dict:
    config.architectures = list(architectures)
    config.save_pretrained(path)
    return {"kind": "huggingface", "model": str(path)}


def test_whisper_has_seen_english_but_no_kinyarwanda(tmp_path: Path) -> None:
    seen = has_seen(folder(tmp_path, WhisperConfig()), None)
    assert "this language (en) among them: not a result without labels" in in_words(seen, "en-us")
    assert in_words(seen, "rw").endswith("not of this language (rw)")


@pytest.mark.parametrize(
    ("config", "architecture", "words"),
    [(HubertConfig(), "HubertModel", "self-supervised"), (Wav2Vec2Config(), "Wav2Vec2ForCTC", "fine-tuned with CTC")],
)
def test_other_models(tmp_path: Path, config: object, architecture: str, words: str) -> None:
    assert words in in_words(has_seen(folder(tmp_path, config, architecture), None), "de")


def test_labels_that_wavu_showed_it(tmp_path: Path) -> None:
    seen = has_seen(folder(tmp_path, HubertConfig(), "HubertModel"), ["de", "fr"])
    assert "labelled speech of de, fr, this language (de) among them" in in_words(seen, "de")


def test_no_model_at_all() -> None:
    assert (
        in_words(has_seen({"kind": "mfcc"}, None), "de") == "the encoder has seen nothing: its features are computed, not learned"
    )
    assert "nobody" in in_words(None, "de") and "somebody else" in in_words(has_seen({"kind": "precomputed"}, None), "de")
