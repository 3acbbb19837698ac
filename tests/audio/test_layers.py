"""Which layers an encoder is asked for."""

import pytest

from wavu.audio.layers import chosen_layers
from wavu.errors import WavuError


@pytest.mark.parametrize(("layer", "chosen"), [(None, [4]), (6, [6]), ([1, 3], [1, 3]), ("all", [1, 2, 3, 4, 5, 6])])
def test_what_is_asked_for(layer: object, chosen: list[int]) -> None:
    assert chosen_layers(layer, 6, "a model") == chosen


@pytest.mark.parametrize("layer", [0, 7, [], [1, 9], "best", 2.5])
def test_a_layer_that_is_not_there_is_refused(layer: object) -> None:
    with pytest.raises(WavuError, match="has layers 1 to 6"):
        chosen_layers(layer, 6, "a model")
