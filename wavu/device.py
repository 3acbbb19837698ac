"""Which processor the work is done on: the one place that chooses."""

import torch

from wavu.errors import WavuError


def find_device(name: str = "auto") -> torch.device:
    """The device of that name; auto: cuda when there is one, else cpu.

    Raises:
        WavuError: there is no such GPU.
    """
    there = torch.cuda.device_count()
    if name == "auto":
        name = "cuda" if there else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= there:
        raise WavuError(
            f"device={name}, but torch finds {f'{there} GPUs' if there else 'no GPU'}; give device=auto or device=cpu"
        )
    return device
