"""Of two processes in one folder the second is told who is there; a kill lets go."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wavu.errors import WavuError
from wavu.hold import held
from wavu.store import write_json

HOLDING = """
import sys, time
from pathlib import Path
from wavu.hold import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_is_named_until_it_dies(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(folder)], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(WavuError, match="being written by another process; wait"), held(folder):
            pass
        write_json(folder / "plan.json", {"process": other.pid, "machine": "here"})
        with pytest.raises(WavuError, match=f"being written by process {other.pid} on here; wait"), held(folder):
            pass
        os.kill(other.pid, signal.SIGKILL)
    with held(folder):
        assert folder.is_dir()


def test_a_file_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(WavuError, match="out: a file has its name; choose another out_dir"), held(tmp_path / "out"):
        pass
