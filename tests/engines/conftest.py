from pathlib import Path

import pytest

from tests.engines.toy import front_end, write_hmm
from wavu.engines.engine import FramesEngine
from wavu.engines.hmm import read_hmm


@pytest.fixture
def hmm(tmp_path: Path) -> FramesEngine:
    write_hmm(tmp_path)
    return read_hmm(tmp_path, front_end())
