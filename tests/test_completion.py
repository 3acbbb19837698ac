"""What the shell offers, asked directly and through bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from wavu import __main__ as door
from wavu.command import CONFIGS
from wavu.completion import SCRIPT, offered

COMMANDS = [door.shown(name) for name in door.commands()]


def test_commands_then_settings_then_choices_are_offered() -> None:
    assert offered([], COMMANDS, CONFIGS) == offered(["gan"], COMMANDS, CONFIGS) == COMMANDS
    names = offered(["prepare-audio", "seed=1", ""], COMMANDS, CONFIGS)
    assert {"encoder=", "audio_dir=", "kmeans.clusters="} <= set(names) and "seed=" not in names and "hydra=" not in names
    assert "vad=webrtc" in offered(["prepare-audio", "vad="], COMMANDS, CONFIGS)
    assert offered(["prepare-audio", "audio_dir="], COMMANDS, CONFIGS) == offered(["no-such", ""], COMMANDS, CONFIGS) == []


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [(["gan"], "gan-train"), (["prepare-audio", "segment=wa"], "segment=ward"), (["learn", "audio"], "audio_dir=")],
)
def test_bash_completes(typed: list[str], completed: str, tmp_path) -> None:
    shim = tmp_path / "wavu"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m wavu "$@"\n')
    shim.chmod(0o755)
    words = " ".join(f"'{word}'" for word in ["wavu", *typed])
    program = f'{SCRIPT}\nCOMP_WORDS=({words}); COMP_CWORD={len(typed)}; _wavu; printf "%s\\n" "${{COMPREPLY[@]}}"'
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout.split() == [completed], done.stderr


def test_a_tag_of_yaml_makes_nothing(tmp_path: Path) -> None:
    hurt = tmp_path / "hurt"
    (tmp_path / "learn.yaml").write_text(f"defaults: [_self_]\nseed: !!python/object/apply:pathlib.Path.touch [{hurt}]\n")
    with pytest.raises(yaml.YAMLError):
        offered(["learn", ""], ["learn"], tmp_path)
    assert not hurt.exists()
