"""A phoneme model that others have trained, heard like a student of ours, and its outputs in fewer, those of another language.

Shapes: N frames, P columns of the model with its blank first, G outputs beside the blank.
"""

import json
from pathlib import Path

import numpy as np
import regex
import torch
from torch import nn
from transformers import AutoModelForCTC
from transformers.utils import cached_file

from wavu import hub
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.student.model import Student
from wavu.units import RATE_HZ

LATIN = set("abcdefghijklmnopqrstuvwxyz")


def read(source: hub.Source) -> Student:
    """Any CTC model of transformers whose vocab.json names its columns.

    Its blank, wherever it was, becomes column 0, and its tokens the ``phones`` of the columns after it, special ones too;
    ``is_phone`` tells them apart.

    Raises:
        OSError: there is no such model. WavuError: it has no outputs, or they are letters.
    """
    name = source.name
    number = json.loads(Path(cached_file(name, "vocab.json", local_files_only=source.offline)).read_text(encoding="utf-8"))
    model, report = source.network(AutoModelForCTC, dtype=torch.float32, output_loading_info=True)
    extractor = source.extractor()
    if any(key.startswith("lm_head") for key in report["missing_keys"]):
        raise WavuError(f"{name} is an encoder without outputs for phones; wavu.phoneme_ctc gives it some")
    if not all(isinstance(column, int) for column in number.values()):
        raise WavuError(f"the vocab.json of {name} holds several vocabularies; give a model with one, of phones")
    if extractor.sampling_rate != RATE_HZ:
        raise WavuError(f"{name} hears {extractor.sampling_rate} samples a second; expected {RATE_HZ}")
    tokens = {column: token for token, column in number.items()}
    blank = model.config.pad_token_id
    others = [column for column in range(model.config.vocab_size) if column != blank]
    _reorder(model.lm_head, [blank, *others])
    phones = [tokens.get(column, "") for column in others]
    letters = {token.lower() for token in phones if is_phone(token)}
    if LATIN <= letters and all(len(letter) == 1 for letter in letters):
        raise WavuError(f"{name} writes letters, not phones; give a model whose outputs are phones in IPA")
    return Student(model.eval().to(find_device()), extractor, phones)


def is_phone(token: str) -> bool:
    """Whether a token is a phone: no special one, no delimiter, no tone or stress alone.

    >>> [token for token in ("<s>", "[PAD]", "|", "", " ", "5", "ˈ", "ai5", "tʃ") if is_phone(token)]
    ['ai5', 'tʃ']
    """
    return regex.fullmatch(r"<.*>|\[.*\]", token) is None and regex.search(r"[\p{L}--[ˈˌːˑ]]", token, regex.V1) is not None


def pooled(scores: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Log probabilities (N, P) as those of fewer outputs (N, 1 + G): each is as probable as all of its columns together.

    outputs (P): to which one each column belongs, 0 being the blank. A phone that a model of many languages spreads over several symbols
    stands up against the one blank in this way, and is heard once where these follow each other.
    """
    members = np.zeros((len(outputs), outputs.max(initial=0) + 1), np.float32)
    members[np.arange(len(outputs)), outputs] = 1.0
    return np.log(np.maximum(np.exp(scores) @ members, np.finfo(np.float32).tiny))


def _reorder(layer: nn.Linear, columns: list[int]) -> None:
    """Put the outputs of a layer into another order."""
    layer.weight.data = layer.weight.data[columns]
    if layer.bias is not None:
        layer.bias.data = layer.bias.data[columns]
