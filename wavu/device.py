"""Which processor the work is done on: the one place that chooses."""

import torch


def find_device(name: str = "auto") -> torch.device:
    """The device of that name; auto: cuda when there is one, else cpu."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
