"""Models by name: from where they are, and one line where they are not."""

from pathlib import Path

import pytest

from wavu import hub
from wavu.errors import WavuError


def test_a_folder_is_read_without_the_network(tmp_path: Path) -> None:
    assert hub.load(str(tmp_path), lambda offline: ("read", offline), what="x") == ("read", True)


def test_a_hub_that_cannot_be_reached_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        asked.append(True)
        raise ConnectionError("no network")

    def read(offline: bool) -> None:
        assert offline
        raise OSError("not in the cache")

    asked: list[bool] = []
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", unreachable)
    with pytest.raises(WavuError, match="cannot load the encoder nobody/nothing: no such folder") as caught:
        hub.load("nobody/nothing", read, what="the encoder nobody/nothing")
    assert asked == [True] and "\n" not in str(caught.value)


def test_what_the_cache_lacks_comes_from_the_hub(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    def read(offline: bool) -> str:
        if offline:
            raise OSError("not in the cache")
        return "downloaded"

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lambda *_, **__: None)
    assert hub.load("some/body", read, what="x") == "downloaded" and "some/body comes from" in capsys.readouterr().err


def test_a_damaged_folder_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    def read(offline: bool) -> None:
        raise ValueError("two\nlines")

    with pytest.raises(WavuError, match="cannot load the model here: two lines; give a folder with config.json"):
        hub.load(str(tmp_path), read, what="the model here")


def test_what_a_reader_says_itself_is_passed_on(tmp_path: Path) -> None:
    def read(offline: bool) -> None:
        raise WavuError("it is a bird")

    with pytest.raises(WavuError, match="^it is a bird$"):
        hub.load(str(tmp_path), read, what="x")
