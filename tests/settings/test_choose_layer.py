"""Settings of choose_layer: what leaves no layers, no recordings or no speech to choose by is refused before any work."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.choose_layer import ChooseLayer

GIVEN = {"audio_dir": "a", "text": "t", "out_dir": "o", "encoder": "huggingface", "encoder.model": "m"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoder": "mfcc"}, "encoder=mfcc has no layers to choose from; give the folder of a Hugging Face model, or its name"),
        ({"audio_dir": "null"}, "give either audio_dir=FOLDER or manifest=FILE.tsv"),
        ({"manifest": "list.tsv"}, "give either audio_dir=FOLDER or manifest=FILE.tsv"),
        ({"minutes": "0"}, "minutes=0 must be above 0"),
        ({"repeats": "0"}, "repeats=0 must be at least 1"),
        ({"repeats": "1.5"}, "repeats=1.5 must be a whole number"),
        ({"min_seconds": "99"}, "max_seconds=40 must be above min_seconds=99"),
        ({"decipher.hours": "2"}, "unknown setting 'decipher.hours'"),
    ],
)
def test_mistakes_are_told(changes: dict[str, str], told: str) -> None:
    with pytest.raises(WavuError) as error:
        composed("choose_layer", ChooseLayer, [f"{name}={value}" for name, value in (GIVEN | changes).items()])
    assert told in str(error.value)
