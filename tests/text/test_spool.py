import numpy as np
import pytest

from wavu.errors import WavuError
from wavu.text import spool
from wavu.text.spool import Spool, parts


@pytest.mark.parametrize("on_disk", [True, False])
def test_what_is_appended_and_overwritten_is_read_back(on_disk, tmp_path):
    column = Spool(np.int32, tmp_path if on_disk else None)
    assert len(column) == 0 and len(column[:]) == 0 and len(column.array()) == 0
    column.append(np.arange(5))
    column.append(np.zeros(0))
    column.append(np.array([7, 8]))
    column.write(1, np.array([-1, -2]))
    column.pad(9, 4)
    column.pad(3, 0)
    assert column[:].tolist() == column.array().tolist() == [0, -1, -2, 3, 4, 7, 8, 4, 4]
    assert column[6:99].tolist() == [8, 4, 4] and column[5:5].tolist() == [] and column[:].dtype == np.int32
    assert not list(tmp_path.iterdir()), "a file without a name is left by nobody"


def test_what_is_overwritten_later_is_seen_in_the_memory_map(tmp_path):
    column = Spool(np.float64, tmp_path)
    column.append(np.ones(3))
    mapped = column.array()
    column.write(2, np.zeros(1))
    assert isinstance(mapped, np.memmap) and mapped.tolist() == [1, 1, 0]
    del column
    assert mapped.sum() == 2


def test_parts_cover_all_places(monkeypatch):
    monkeypatch.setattr(spool, "PART", 4)
    assert [(part.start, part.stop) for part in parts(9)] == [(0, 4), (4, 8), (8, 9)]
    assert not list(parts(0)) and not list(parts(-3))


def test_a_folder_that_is_not_there_and_a_full_disk_are_told(tmp_path):
    with pytest.raises(WavuError, match="cannot write into .*none: No such file"):
        Spool(np.int32, tmp_path / "none")
    column = Spool(np.int32, tmp_path)
    column._file = open("/dev/full", "wb")
    with pytest.raises(WavuError, match="No space left on device; free some space"):
        column.append(np.arange(5))
