"""Sentences a word decoder could not tell apart, judged again by a Transformer language model (wav2vec-U's best rows use one).

Shapes: B sentences at a time, L tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from wavu import hub
from wavu.decode.words import Hypothesis
from wavu.errors import WavuError


@dataclass(frozen=True, eq=False)
class SentenceModel:
    """A causal language model and its tokenizer, of any kind that Hugging Face knows."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    begin: int
    end: int

    @classmethod
    def read(cls, folder: Path, *, device: torch.device) -> "SentenceModel":
        """Open a Hugging Face folder; nothing is downloaded.

        Raises:
            WavuError: the folder does not hold a causal language model and its tokenizer, or knows no end of a sentence.
        """
        if not (folder / "config.json").is_file():
            raise WavuError(f"{folder} has no config.json; rescore= takes the folder of a Hugging Face causal language model")
        source = hub.Source(str(folder))
        try:
            model = source.network(AutoModelForCausalLM).to(device).eval()
            tokenizer = source.open(AutoTokenizer)
        except (OSError, ValueError, KeyError) as error:
            cause = str(error).split("\n")[0]
            raise WavuError(f"{folder} is not a causal language model with its tokenizer ({cause})") from error
        begin, end = tokenizer.bos_token_id, tokenizer.eos_token_id
        if end is None:
            raise WavuError(f"the tokenizer in {folder} has no end of a sentence (eos_token)")
        # GPT-2 begins where the text before ended.
        return cls(model, tokenizer, end if begin is None else begin, end)

    @torch.inference_mode()
    def score(self, sentences: Sequence[str], *, batch_size: int) -> np.ndarray:
        """Natural log probability of each sentence, its end included (number of sentences,).

        Raises:
            WavuError: a sentence is longer than the model can read.
        """
        tokens = [[self.begin, *self._tokens(sentence), self.end] for sentence in sentences]
        limit, longest = getattr(self.model.config, "max_position_embeddings", None), max(map(len, tokens), default=0)
        if limit is not None and longest > limit:
            raise WavuError(
                f"a sentence of {longest:,} tokens is longer than the {limit:,} the language model of rescore= reads; cut the speech at more pauses"
            )
        order = np.argsort([len(row) for row in tokens], kind="stable")
        scores = np.zeros(len(tokens))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            scores[rows] = self._score_batch([tokens[row] for row in rows]).cpu().numpy()
        return scores

    def _tokens(self, sentence: str) -> list[int]:
        return self.tokenizer(sentence, add_special_tokens=False)["input_ids"]

    def _score_batch(self, tokens: list[list[int]]) -> Tensor:
        """Log probabilities (B) of tokens of different lengths, padded to L at the end, where no token before can see."""
        lengths = torch.tensor([len(row) for row in tokens], device=self.model.device)
        longest = max(map(len, tokens))
        padded = torch.tensor([row + [self.end] * (longest - len(row)) for row in tokens], device=self.model.device)
        inside = torch.arange(longest, device=self.model.device) < lengths[:, None]
        logits = self.model(input_ids=padded, attention_mask=inside.long()).logits[:, :-1].float()
        said = logits.log_softmax(-1).gather(2, padded[:, 1:, None])[..., 0]
        return (said * inside[:, 1:]).sum(1).double()


def rescore(
    lists: Sequence[Sequence[Hypothesis]],
    words: list[str],
    model: SentenceModel,
    *,
    lm_weight: float,
    word_score: float,
    batch_size: int,
) -> list[list[Hypothesis]]:
    """N-best lists of utterances in the order of another language model, its log probabilities in place of the n-gram's.

    words: of the lexicon. Changed from the original, which rescores with the words' n-gram as well: one model, one weight.
    """
    said = [" ".join(words[word] for word in each.words) for hypotheses in lists for each in hypotheses]
    different = {sentence: place for place, sentence in enumerate(dict.fromkeys(said))}
    scores = model.score(list(different), batch_size=batch_size)
    lm = iter(scores[[different[sentence] for sentence in said]].tolist())
    judged = [[replace(each, lm=next(lm)) for each in hypotheses] for hypotheses in lists]
    for hypotheses in judged:
        for place, each in enumerate(hypotheses):
            score = each.acoustic + lm_weight * each.lm + word_score * len(each.words)
            hypotheses[place] = replace(each, score=score)
        hypotheses.sort(key=lambda each: -each.score)
    return judged
