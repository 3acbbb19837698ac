"""What a student starts from."""

from pathlib import Path

import pytest

from wavu.errors import WavuError
from wavu.stages.lessons import student_encoder
from wavu.store import write_json

ENCODERS = {"mfcc": {"kind": "mfcc"}, "large": {"kind": "huggingface", "model": "somebody/large"}}


@pytest.mark.parametrize(
    ("kind", "named", "used", "found"),
    [
        ("small", None, "mfcc", None),
        ("head", None, "large", None),
        ("wav2vec2", None, "large", "somebody/large"),
        ("wav2vec2", "somebody/base", "large", "somebody/base"),
        ("wav2vec2", "somebody/base", "mfcc", "somebody/base"),
    ],
)
def test_a_student_starts_from_what_is_named_or_was_used(
    kind: str, named: str | None, used: str, found: str | None, tmp_path: Path
) -> None:
    write_json(tmp_path / "frontend" / "frontend.json", {"encoder": ENCODERS[used]})
    assert student_encoder({"kind": kind, "encoder": named}, tmp_path) == found


def test_what_cannot_be_fine_tuned_is_told(tmp_path: Path) -> None:
    write_json(tmp_path / "frontend" / "frontend.json", {"encoder": ENCODERS["mfcc"]})
    with pytest.raises(WavuError, match="prepared with encoder=mfcc; give student.encoder=NAME, or take student=small"):
        student_encoder({"kind": "wav2vec2", "encoder": None}, tmp_path)
