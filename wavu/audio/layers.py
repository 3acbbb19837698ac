"""Which blocks of an encoder are listened to."""

from wavu.errors import WavuError


def chosen_layers(layer: int | list[int] | str | None, depth: int, model: str) -> list[int]:
    """What ``encoder.layer`` asks for, as layers from 1 to ``depth``; None takes 5/8 of the depth.

    Raises:
        WavuError: there is no such layer.

    >>> chosen_layers(None, 24, "large"), chosen_layers("all", 3, "small")
    ([15], [1, 2, 3])
    """
    if layer == "all":
        return list(range(1, depth + 1))
    layers: list = layer if isinstance(layer, list) else [max(1, round(0.625 * depth)) if layer is None else layer]
    if not layers or not all(isinstance(number, int) and 1 <= number <= depth for number in layers):
        raise WavuError(f"encoder.layer={layer}, but {model} has layers 1 to {depth}")
    return layers
