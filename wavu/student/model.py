"""A CTC student: a Hugging Face model with its feature extractor and tokenizer, in memory and as one folder.

Either a small conformer of its own on log mel energies, for machines without a GPU; or a pre-trained encoder with a new
linear layer on top (Baevski et al. 2020, section 3.3); or a head, a small conformer on the frames of an encoder that stays as
it is. All are stock classes. The folder of the first two needs no code of wavu; a head needs wavu's front end before it.

Shapes: B waveforms, T samples at 16 kHz, N frames of ``hop_seconds``, P tokens: blank first, then the phones without silence.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoModelForCTC,
    FeatureExtractionMixin,
    PreTrainedModel,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertForCTC,
    Wav2Vec2PhonemeCTCTokenizer,
)

from wavu import hub
from wavu.device import find_device
from wavu.errors import WavuError
from wavu.feed import by_length
from wavu.store import atomic_files, write_json
from wavu.student import mel
from wavu.units import HOP_SECONDS, RATE_HZ, seconds

BLANK = "<pad>"  # transformers takes the padding token for CTC's blank
UNKNOWN = "<unk>"  # the tokenizer wants one; no target has it, and the network has no output for it
WEIGHTS = "model.safetensors"
# All files of a student's folder, whichever release of transformers writes it.
STUDENT = (
    WEIGHTS, "about.json", "config.json", "vocab.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "preprocessor_config.json", "processor_config.json", "checkpoint.safetensors",
)  # fmt: skip
EXTRACTOR = "preprocessor_config.json"
MEL_BINS = 80
MEL_SECONDS = HOP_SECONDS / 2
SHORTEST_SECONDS = 0.1  # in less there is no phone, and convolutions find nothing to stand on


@dataclass(frozen=True, eq=False)
class Student:
    """A network that gives log probabilities of tokens. phones: those of columns 1 and on; column 0 is the blank.

    extractor: None for a head, which hears frames of wavu's front end.
    """

    model: PreTrainedModel
    extractor: FeatureExtractionMixin | None
    phones: list[str]

    @classmethod
    def small(cls, phones: Sequence[str], *, stride: int, regularisation: dict, **sizes: int) -> "Student":
        """A conformer (Gulati et al. 2020) with random weights, of transformers' Wav2Vec2-BERT.

        stride: log mel frames of 10 ms that make one of its own. sizes: width, layers, heads, kernel, see ``_conformer``.
        """
        extractor = SeamlessM4TFeatureExtractor(feature_size=MEL_BINS, num_mel_bins=MEL_BINS, stride=stride)
        return cls(_conformer(phones, dim=MEL_BINS * stride, **sizes, regularisation=regularisation), extractor, list(phones))

    @classmethod
    def head(cls, phones: Sequence[str], *, dim: int, regularisation: dict, **sizes: int) -> "Student":
        """The same conformer on frames (N, ``dim``) of an encoder. sizes: width, layers, heads, kernel, see ``_conformer``."""
        return cls(_conformer(phones, dim=dim, **sizes, regularisation=regularisation), None, list(phones))

    @classmethod
    def pretrained(cls, phones: Sequence[str], *, encoder: str, regularisation: dict) -> "Student":
        """An encoder by its Hugging Face name or folder, with a new output layer; its convolutions stay as they are.

        Raises:
            WavuError: it cannot be loaded, or is no encoder that transformers puts a CTC layer on.
        """

        def read(source: hub.Source) -> tuple[PreTrainedModel, FeatureExtractionMixin]:
            config = source.config()
            config.update(_ctc(phones, regularisation))
            how = {"config": config, "dtype": torch.float32, "ignore_mismatched_sizes": True}
            return source.network(AutoModelForCTC, **how), source.extractor()

        model, extractor = hub.load(encoder, read, what=f"the encoder {encoder}")
        if hasattr(model, "freeze_feature_encoder"):
            model.freeze_feature_encoder()
        return cls(model, extractor, list(phones))

    @classmethod
    def read(cls, folder: Path) -> "Student":
        """Open what :meth:`write` wrote, on the GPU if there is one.

        Raises:
            WavuError: the folder is missing or damaged.
        """
        source = hub.Source(str(folder))
        try:
            number = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
            model, report = source.network(AutoModelForCTC, dtype=torch.float32, output_loading_info=True)
            extractor = source.extractor() if (folder / EXTRACTOR).exists() else None
            phones = [token for token in sorted(number, key=number.get) if token not in (BLANK, UNKNOWN)]
            if report["missing_keys"] or model.config.vocab_size != 1 + len(phones):
                raise ValueError("its weights are not those that config.json and vocab.json speak of")
        except WavuError:
            raise
        except Exception as error:  # what a damaged config.json leads to raises all kinds
            cause = " ".join(str(error).split())[:200]
            raise WavuError(f"cannot read the student in {folder}: {cause}; run wavu.self_train again") from error
        return cls(model.eval().to(find_device()), extractor, phones)

    def write(self, folder: Path) -> None:
        """Write model, feature extractor and tokenizer, the weights last: a folder with weights is whole.

        Raises:
            WavuError: the disk is full or the folder may not be written.
        """
        with atomic_files(folder, last=WEIGHTS) as temporary:
            self.model.save_pretrained(temporary)
            if self.extractor:
                self.extractor.save_pretrained(temporary)
            tokenizer(self.phones, temporary).save_pretrained(temporary)

    @property
    def hop_seconds(self) -> float:
        """Seconds of audio per frame."""
        if self.hears_frames:
            return HOP_SECONDS
        if self.hears_waveforms:
            return seconds(int(np.prod(self.model.config.conv_stride)))
        return MEL_SECONDS * self.extractor.stride

    @property
    def hears_frames(self) -> bool:
        """Whether its inputs are frames of wavu's front end."""
        return self.extractor is None

    @property
    def hears_waveforms(self) -> bool:
        """Whether its inputs are the samples themselves."""
        return not (self.hears_frames or isinstance(self.extractor, SeamlessM4TFeatureExtractor))

    def inputs(self, waveform: np.ndarray) -> np.ndarray:
        """What the network sees of a waveform (T,): rows (N, features) or, where it has convolutions of its own, samples (T,)."""
        if self.hears_waveforms:
            return self.extractor(waveform, sampling_rate=RATE_HZ, return_tensors="np")[self.model.main_input_name][0]
        return mel.stacked(waveform, self.extractor)

    def forward(self, inputs: Sequence[np.ndarray], model: nn.Module | None = None) -> tuple[Tensor, Tensor]:
        """Log probabilities (B, N, P) of padded rows, and how many frames of each row are its own (B).

        model: the network as something has wrapped it, for precision or for several processes.
        """
        device = self.model.device
        padded = pad_sequence([torch.as_tensor(row) for row in inputs], batch_first=True).to(device)
        lengths = torch.tensor([len(row) for row in inputs], device=device)
        inside = (torch.arange(padded.shape[1], device=device) < lengths[:, None]).long()
        logits = (model or self.model)(padded, attention_mask=inside if self._masks else None).logits
        return logits.float().log_softmax(-1), self.model._get_feat_extract_output_lengths(lengths)

    def score(self, waveforms: Sequence[np.ndarray], *, batch_seconds: float) -> list[np.ndarray]:
        """Log probabilities (N, P) of each waveform (T,), see ``score_each``."""
        lengths = [seconds(len(waveform)) for waveform in waveforms]
        return self.score_each(lambda index: self.inputs(waveforms[index]), lengths, batch_seconds=batch_seconds)

    def score_each(
        self, inputs: Callable[[int], np.ndarray], lengths: Sequence[float], *, batch_seconds: float
    ) -> list[np.ndarray]:
        """Log probabilities (N, P) float32 of utterances, whatever else is heard; none of one too short.

        inputs: what the network sees of utterance u. lengths: in seconds. batch_seconds: audio heard at a time, padding
        included; changes no result.
        """
        scores = [np.zeros((0, 1 + len(self.phones)), np.float32) for _ in lengths]
        heard = [index for index, length in enumerate(lengths) if length > SHORTEST_SECONDS]
        for batch in by_length([lengths[index] for index in heard], batch_seconds, mixed=self._masks):
            chosen = [heard[place] for place in batch]
            for index, row in zip(chosen, self._score([inputs(index) for index in chosen]), strict=True):
                scores[index] = row
        return scores

    @torch.no_grad()  # not inference_mode: transformers keeps rotary embeddings of one length for the next batch, which may train
    def _score(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log probabilities (N, P) float32 of each of the inputs, as one batch."""
        self.model.eval()
        scores, lengths = self.forward(inputs)
        return [row[:length].cpu().numpy() for row, length in zip(scores, lengths.tolist(), strict=True)]

    @property
    def _masks(self) -> bool:
        """Whether the network can be told what is padding; with a group norm over time it was trained to hear zeros there."""
        return getattr(self.model.config, "feat_extract_norm", "layer") != "group"


def _conformer(
    phones: Sequence[str], *, dim: int, width: int, layers: int, heads: int, kernel: int, regularisation: dict
) -> Wav2Vec2BertForCTC:
    """A conformer (Gulati et al. 2020) with random weights on rows of ``dim`` numbers, and a CTC layer.

    width: of its layers, three times as many in the feed-forward parts. kernel: frames its convolutions see. regularisation:
    dropouts and masks, by the names transformers gives them.
    """
    config = Wav2Vec2BertConfig(
        feature_projection_input_dim=dim,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        conv_depthwise_kernel_size=kernel,
        position_embeddings_type="rotary",
        **_ctc(phones, regularisation),
    )
    return Wav2Vec2BertForCTC(config)


def _ctc(phones: Sequence[str], regularisation: dict) -> dict:
    """What a configuration needs to have a CTC layer for these phones. Masked is also what is short (the default needs ten frames)."""
    return {
        "vocab_size": 1 + len(phones),
        "pad_token_id": 0,
        "ctc_zero_infinity": True,
        "apply_spec_augment": True,
    } | regularisation


def tokenizer(phones: Sequence[str], folder: Path) -> Wav2Vec2PhonemeCTCTokenizer:
    """What turns columns into phones with a space between them; leaves vocab.json in the folder."""
    write_json(folder / "vocab.json", {token: column for column, token in enumerate([BLANK, *phones, UNKNOWN])})
    return Wav2Vec2PhonemeCTCTokenizer(
        str(folder / "vocab.json"), do_phonemize=False, phone_delimiter_token=" ", word_delimiter_token=None,
        bos_token=None, eos_token=None, pad_token=BLANK, unk_token=UNKNOWN,
    )  # fmt: skip
