"""What a student starts from."""

from pathlib import Path

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.self_training import SelfTrain
from wavu.settings.student import PretrainedStudent
from wavu.stages.lessons import student_encoder
from wavu.store import write_json

ENCODERS = {"mfcc": {"kind": "mfcc"}, "large": {"kind": "huggingface", "model": "somebody/large"}}


def student(*changes: str) -> PretrainedStudent:
    folders = [f"{name}={name}" for name in ("gan", "audio", "text", "out_dir")]
    return composed("self_train", SelfTrain, [*folders, "student=wav2vec2", *changes]).student


@pytest.mark.parametrize(
    ("named", "used", "found"),
    [
        (None, "large", "somebody/large"),
        ("somebody/base", "large", "somebody/base"),
        ("somebody/base", "mfcc", "somebody/base"),
    ],
)
def test_a_student_starts_from_what_is_named_or_was_used(named: str | None, used: str, found: str, tmp_path: Path) -> None:
    write_json(tmp_path / "frontend" / "frontend.json", {"encoder": ENCODERS[used]})
    assert student_encoder(student(f"student.encoder={named or 'null'}"), tmp_path) == found


def test_what_cannot_be_fine_tuned_is_told(tmp_path: Path) -> None:
    write_json(tmp_path / "frontend" / "frontend.json", {"encoder": ENCODERS["mfcc"]})
    with pytest.raises(WavuError, match="prepared with encoder=mfcc; give student.encoder=NAME, or take student=small"):
        student_encoder(student(), tmp_path)
