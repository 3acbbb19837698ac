import pytest
import torch

from wavu.device import find_device


@pytest.mark.parametrize("there", [True, False])
def test_a_gpu_is_taken_where_there_is_one_unless_somebody_says_otherwise(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert find_device() == find_device("auto") == torch.device("cuda" if there else "cpu")
    assert find_device("cpu") == torch.device("cpu")
