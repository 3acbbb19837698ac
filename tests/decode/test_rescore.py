from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from wavu.decode.rescore import SentenceModel, rescore
from wavu.decode.words import Hypothesis
from wavu.errors import WavuError

WORDS = ["the", "cat", "sat", "kat"]
SENTENCES = ["the cat sat", "cat the sat", "the kat", "", "sat sat sat sat sat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 that has learned to say "the cat sat"."""
    path = tmp_path_factory.mktemp("gpt2")
    vocabulary = {token: number for number, token in enumerate(["<unk>", "<s>", "</s>", *WORDS])}
    core = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=7, n_positions=16, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2)
    model = GPT2LMHeadModel(config)
    lines = torch.tensor([[1, 3, 4, 5, 2]])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        model(input_ids=lines, labels=lines).loss.backward()
        optimizer.step()
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def model(folder: Path) -> SentenceModel:
    return SentenceModel.read(folder, device=torch.device("cpu"))


def test_scores_are_those_of_one_sentence_at_a_time(model: SentenceModel) -> None:
    expected = []
    for sentence in SENTENCES:
        tokens = torch.tensor([[1, *(WORDS.index(word) + 3 for word in sentence.split()), 2]])
        with torch.inference_mode():
            loss = model.model(input_ids=tokens, labels=tokens).loss
        expected.append(-loss.item() * (tokens.shape[1] - 1))
    for batch_size in (1, 2, 16):
        assert model.score(SENTENCES, batch_size=batch_size) == pytest.approx(expected, abs=1e-4)
    assert model.score([], batch_size=2).shape == (0,)


def hypothesis(words: tuple[int, ...], acoustic: float, lm: float) -> Hypothesis:
    return Hypothesis(words, acoustic, lm, acoustic + lm)


def test_what_the_model_has_learned_wins(model: SentenceModel) -> None:
    lists = [[hypothesis((0, 3, 2), -10.0, -3.0), hypothesis((0, 1, 2), -10.5, -4.0)], [], [hypothesis((), -1.0, -1.0)]]
    judged = rescore(lists, WORDS, model, lm_weight=1.0, word_score=0.0, batch_size=2)
    assert [[each.words for each in hypotheses] for hypotheses in judged] == [[(0, 1, 2), (0, 3, 2)], [], [()]]
    lm = model.score(["the cat sat"], batch_size=1)[0]
    assert judged[0][0] == Hypothesis((0, 1, 2), -10.5, pytest.approx(lm), pytest.approx(-10.5 + lm))
    assert lists[0][0].words == (0, 3, 2) and lists[0][0].lm == -3.0


def test_weights_are_kept(model: SentenceModel) -> None:
    lists = [[hypothesis((0, 1, 2), -10.5, 0.0), hypothesis((0, 3, 2), -10.0, 0.0), hypothesis((0, 1, 2, 2, 2), -11.0, 0.0)]]
    heard = rescore(lists, WORDS, model, lm_weight=1e-6, word_score=0.0, batch_size=8)[0]
    assert [each.acoustic for each in heard] == [-10.0, -10.5, -11.0]
    long = rescore(lists, WORDS, model, lm_weight=0.1, word_score=50.0, batch_size=8)[0]
    assert long[0].words == (0, 1, 2, 2, 2)
    assert long[0].score == pytest.approx(-11.0 + 0.1 * long[0].lm + 250.0)


def test_a_folder_without_a_model_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(WavuError, match="has no config.json"):
        SentenceModel.read(tmp_path, device=torch.device("cpu"))
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(WavuError, match="is not a causal language model with its tokenizer"):
        SentenceModel.read(tmp_path, device=torch.device("cpu"))


def test_a_model_that_knows_no_end_is_refused(tmp_path: Path, folder: Path) -> None:
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    about = (tmp_path / "tokenizer_config.json").read_text()
    (tmp_path / "tokenizer_config.json").write_text(about.replace('"eos_token": "</s>"', '"eos_token": null'))
    with pytest.raises(WavuError, match="no end of a sentence"):
        SentenceModel.read(tmp_path, device=torch.device("cpu"))


def test_as_many_scores_as_sentences_in_their_order(model: SentenceModel) -> None:
    scores = model.score(SENTENCES * 3, batch_size=4)
    assert np.array_equal(scores.reshape(3, -1).round(4), np.tile(scores[: len(SENTENCES)], (3, 1)).round(4))


def test_a_sentence_too_long_for_the_model_is_refused(model: SentenceModel) -> None:
    with pytest.raises(WavuError, match="of 17 tokens is longer than the 16"):
        model.score(["sat " * 15], batch_size=1)
