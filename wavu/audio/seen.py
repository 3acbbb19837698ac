"""What a frozen encoder has seen before it came here: one that was taught with labelled speech of a language makes no unsupervised result."""

from wavu import hub

COMPUTED = {"what": "nothing: its features are computed, not learned", "labelled": []}
UNKNOWN = {"what": "frames that somebody else extracted: nobody knows here", "labelled": []}


def has_seen(encoder: dict, taught: list[str] | None) -> dict:
    """``what`` in words, and the languages of its ``labelled`` speech by their codes, as far as the model's own folder tells.

    encoder: a ``configs/encoder/*.yaml``. taught: languages whose labels wavu itself has shown the model.
    """
    if encoder["kind"] != "huggingface":
        return UNKNOWN if encoder["kind"] == "precomputed" else COMPUTED
    name = encoder["model"]
    config = hub.load(name, hub.Source.config, what=f"the encoder {name}")
    if taught:
        return {"what": f"labelled speech of {', '.join(taught)}", "labelled": taught}
    if config.model_type == "whisper":
        from transformers.models.whisper.tokenization_whisper import LANGUAGES

        return {"what": f"labelled speech of {len(LANGUAGES)} languages (Whisper)", "labelled": sorted(LANGUAGES)}
    if any("CTC" in architecture for architecture in config.architectures or []):
        return {"what": "labelled speech, as it was fine-tuned with CTC; of which languages its makers tell", "labelled": []}
    return {"what": "recordings alone (self-supervised)", "labelled": []}


def in_words(seen: dict | None, language: str) -> str:
    """The line that belongs beside every result. language: as espeak-ng or the user names it, such as en-us.

    >>> in_words({"what": "labelled speech of 2 languages", "labelled": ["de", "en"]}, "en-us")
    'the encoder has seen labelled speech of 2 languages, this language (en) among them: not a result without labels'
    >>> in_words({"what": "labelled speech of 2 languages", "labelled": ["de", "en"]}, "rw")
    'the encoder has seen labelled speech of 2 languages, not of this language (rw)'
    """
    if seen is None:
        return "nobody wrote down what the encoder has seen"
    code = language.split("-")[0]
    if not seen["labelled"]:
        return f"the encoder has seen {seen['what']}"
    if code in seen["labelled"]:
        return f"the encoder has seen {seen['what']}, this language ({code}) among them: not a result without labels"
    return f"the encoder has seen {seen['what']}, not of this language ({code})"
