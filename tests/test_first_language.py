"""The notebook of the documentation runs from start to end and leaves a recogniser that works."""

import json
import os
from pathlib import Path

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_the_notebook_learns_an_invented_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    notebook = nbformat.read(ROOT / "docs" / "first_language.ipynb", as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")], "the notebook is kept without outputs"
    began = os.times()
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    rates = json.loads(notebook.cells[-1].outputs[0]["text"])
    assert rates["PER"] < 0.2 and rates["WER"] < 0.5
    spent = os.times()
    seconds = (spent.children_user + spent.children_system) - (began.children_user + began.children_system)
    assert seconds < 90
