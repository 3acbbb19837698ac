"""Models by name: from where they are, one line where they are not, and nothing of theirs is run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from tests.audio.test_encoder import SIZES
from wavu import hub, prepare_audio
from wavu.audio.encoder import load_encoder
from wavu.audio.seen import has_seen
from wavu.decode.rescore import SentenceModel
from wavu.errors import WavuError
from wavu.pretraining import codes
from wavu.pretraining.network import continued
from wavu.store import read_json, write_json
from wavu.student import borrowed
from wavu.student.model import Student


def test_a_folder_is_read_without_the_network(tmp_path: Path) -> None:
    assert hub.load(str(tmp_path), lambda source: ("read", source.offline), what="x") == ("read", True)


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        asked.append(True)
        raise ConnectionError("no network")

    def read(source: hub.Source) -> None:
        assert source.offline
        raise OSError("not in the cache")

    asked: list[bool] = []
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(WavuError, match="cannot load the encoder nobody/nothing: no such folder") as caught:
        hub.load("nobody/nothing", read, what="the encoder nobody/nothing")
    assert asked == [True] and "\n" not in str(caught.value)


def test_what_the_cache_lacks_comes_from_the_hub(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def read(source: hub.Source) -> str:
        if source.offline:
            raise OSError("not in the cache")
        return "downloaded"

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    assert hub.load("some/body", read, what="x") == "downloaded" and "some/body comes from" in capsys.readouterr().err


def test_a_damaged_folder_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    def read(source: hub.Source) -> None:
        raise ValueError("two\nlines")

    with pytest.raises(WavuError, match="cannot load the model here: two lines; give a folder with config.json"):
        hub.load(str(tmp_path), read, what="the model here")


def test_what_a_reader_says_itself_is_passed_on(tmp_path: Path) -> None:
    def read(source: hub.Source) -> None:
        raise WavuError("it is a bird")

    with pytest.raises(WavuError, match="^it is a bird$"):
        hub.load(str(tmp_path), read, what="x")


# Hostile models


class Evil:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return open, (str(self.path), "w")


@pytest.fixture
def hurt(tmp_path: Path) -> Path:
    """The file that would be there if anything of a model had been run."""
    return tmp_path / "hurt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small encoder of wav2vec 2.0 with a CTC layer, whole."""
    torch.manual_seed(0)
    folder, config = tmp_path / "model", Wav2Vec2Config(**SIZES, vocab_size=5)
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    write_json(folder / "vocab.json", {token: column for column, token in enumerate(["<pad>", "tʃ", "a", "k", "<unk>"])})
    return folder


def with_code(folder: Path, hurt: Path, *, model_type: str | None) -> None:
    """Every file of settings names code beside it; model_type: one that transformers does not know, or None."""
    code = f"open({str(hurt)!r}, 'w')\nfrom transformers import *\nclass Own(PreTrainedModel): pass\nclass OwnConfig(PretrainedConfig): pass\n"
    (folder / "own.py").write_text(code)
    every = ("Config", "Model", "ModelForCTC", "ModelForPreTraining", "ModelForCausalLM", "FeatureExtractor", "Processor")
    names = {f"Auto{kind}": "own.OwnConfig" if kind == "Config" else "own.Own" for kind in every}
    names["AutoTokenizer"] = ["own.Own", "own.Own"]
    for name in ("config.json", "preprocessor_config.json", "tokenizer_config.json"):
        facts = read_json(folder / name) if (folder / name).exists() else {}
        if name == "config.json" and model_type:
            facts["model_type"] = model_type
        write_json(folder / name, facts | {"auto_map": names})


# Everything that opens a model which somebody else has made.
READERS = {
    "encoder": lambda folder: load_encoder(kind="huggingface", model=str(folder), layer=2, batch_seconds=9, precision="float32"),
    "has_seen": lambda folder: has_seen({"kind": "huggingface", "model": str(folder)}, None),
    "student": Student.read,
    "fine-tuned": lambda folder: Student.pretrained(["a"], encoder=str(folder), regularisation={}),
    "start_from": lambda folder: hub.load(str(folder), partial(continued, "wav2vec2"), what="x"),
    "codebook": lambda folder: hub.load(str(folder), codes.read, what="x"),
    "zero_shot": lambda folder: hub.load(str(folder), borrowed.read, what="x"),
    "rescore": lambda folder: SentenceModel.read(folder, device=torch.device("cpu")),
}
OF_WEIGHTS = sorted(READERS.keys() - {"has_seen"})


def told(reader: str, folder: Path) -> str:
    """What is said where a model is refused; nothing where it is opened, and something else than a refusal is no answer."""
    try:
        READERS[reader](folder)
    except WavuError as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


@pytest.mark.parametrize("reader", OF_WEIGHTS)
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt", "training_args.bin"])
def test_pickled_weights_are_refused_and_never_opened(reader: str, name: str, folder: Path, hurt: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save(Evil(hurt), folder / name)
    said = told(reader, folder)
    assert name in said and "convert it to safetensors" in said and "trust_pickle=true" in said and not hurt.exists()


@pytest.mark.parametrize("reader", OF_WEIGHTS)
@pytest.mark.parametrize("how", ["named in config.json", "part of an index"])
def test_a_pickle_is_refused_that_is_taken_before_safetensors(reader: str, how: str, folder: Path, hurt: Path) -> None:
    torch.save(Evil(hurt), folder / "weights.bin")
    if how == "named in config.json":
        write_json(folder / "config.json", read_json(folder / "config.json") | {"transformers_weights": "weights.bin"})
    else:
        (folder / "model.safetensors").unlink()
        index = {"metadata": {}, "weight_map": {"lm_head.weight": "weights.bin"}}
        write_json(folder / "model.safetensors.index.json", index)
    assert "weights.bin" in told(reader, folder) and not hurt.exists()


@pytest.mark.parametrize("reader", OF_WEIGHTS)
def test_a_pickle_under_the_name_of_safetensors_is_damage(reader: str, folder: Path, hurt: Path) -> None:
    torch.save(Evil(hurt), folder / "model.safetensors")
    assert told(reader, folder) and not hurt.exists()


def test_a_pickle_beside_safetensors_is_left_alone(folder: Path, hurt: Path) -> None:
    for name in ("training_args.bin", "pytorch_model.bin", "optimizer.pt"):
        torch.save(Evil(hurt), folder / name)
    assert not told("encoder", folder) and not told("zero_shot", folder) and not hurt.exists()


def test_pickled_weights_are_read_where_they_are_trusted(folder: Path) -> None:
    network = Wav2Vec2ForCTC.from_pretrained(folder)
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with hub.trusting(True):
        read = hub.Source(str(folder)).network(Wav2Vec2ForCTC)
    assert torch.equal(read.lm_head.weight, network.lm_head.weight)
    assert told("encoder", folder), "trust ends with the block"


def test_a_command_trusts_where_it_is_told_to(folder: Path, tmp_path: Path, typed: Callable) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "a.wav", np.random.default_rng(0).normal(0, 0.1, 32_000), 16_000)
    given = (f"audio_dir={tmp_path / 'audio'}", f"encoder={folder}", "encoder.layer=2", f"out_dir={tmp_path / 'out'}")
    code, said = typed(prepare_audio, *given)
    assert code == 1 and "trust_pickle=true" in said and said.count("\n") == 1
    code, said = typed(prepare_audio, *given, "trust_pickle=true")
    assert code == 1 and "cannot load" in said, "these are no pickles"


@pytest.mark.parametrize("reader", sorted(READERS))
@pytest.mark.parametrize("model_type", [None, "own"])
@pytest.mark.parametrize("trusted", [False, True])
def test_code_of_a_model_is_never_run(
    reader: str, model_type: str | None, trusted: bool, folder: Path, hurt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # transformers asks; nobody is to be asked
    with_code(folder, hurt, model_type=model_type)
    with hub.trusting(trusted):
        said = told(reader, folder)
    assert not hurt.exists()
    known = model_type is None and reader != "rescore"  # for which it is no model of language
    assert ("never runs" in said) != known
