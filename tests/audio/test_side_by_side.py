from pathlib import Path

import numpy as np

from tests.audio.test_encoder import WAVEFORMS, save
from wavu.audio.encoder import HuggingFace, Mfcc
from wavu.audio.side_by_side import SideBySide, part


def test_what_lies_side_by_side_is_what_encoders_give_alone(tmp_path: Path) -> None:
    save(tmp_path, "wav2vec2 large")
    settings = {"model": str(tmp_path), "batch_seconds": 60, "precision": "float32"}
    both = SideBySide(HuggingFace(layer=[1, 3], **settings))
    assert both.names == ["mfcc", "1", "3"] and both.dim == 78 + 32
    waveforms = WAVEFORMS[:4]
    alone = {
        "mfcc": Mfcc().encode(waveforms),
        **{str(layer): HuggingFace(layer=layer, **settings).encode(waveforms) for layer in (1, 3)},
    }
    for index, frames in enumerate(both.encode(waveforms)):
        for name, rows in alone.items():
            assert abs(len(rows[index]) - len(frames)) <= 1
            assert np.abs(part(frames, both.names, name) - rows[index][: len(frames)]).max() < 1e-4
