"""The documentation has a page for each command, with every setting of it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def pages() -> ModuleType:
    pytest.importorskip("mkdocs", reason="mkdocs comes with the extra 'docs'")
    spec = importlib.util.spec_from_file_location("reference_pages", ROOT / "scripts" / "reference_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_shows_the_docstring_and_every_setting(pages: ModuleType) -> None:
    names = pages.commands()
    assert {"prepare_audio", "evaluate", "transcribe"} <= set(names) and "base" not in names
    for name in names:
        page = pages.page(name)
        settings = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        assert page.startswith(f"# {name}\n\n") and page.count("```") % 2 == 0
        assert re.search(rf"wavu[. ]({name}|{name.replace('_', '-')})\b", page[: page.index("## Settings")])
        assert all(f"\n{key}:" in page for key in settings if key != "defaults")


def test_a_page_shows_the_choices_of_a_group(pages: ModuleType) -> None:
    page = pages.page("prepare_audio")
    assert "## encoder\n\nChoices of encoder: " in page and "  model: openai/whisper-base" in page


def test_the_pages_enter_the_navigation(pages: ModuleType) -> None:
    class Config:
        nav = [{"Home": "index.md"}, {"Reference": [{"Python": "python.md"}]}]

    (commands, python) = pages.on_config(Config()).nav[1]["Reference"]
    assert python == {"Python": "python.md"} and {"evaluate": "reference/evaluate.md"} in commands["Commands"]
