"""Students of each kind have the settings of their kind, and phoneme_ctc the same block."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.settings.phoneme_ctc import PhonemeCtc
from wavu.settings.self_training import SelfTrain
from wavu.settings.student import AnyStudent


def student(*changes: str) -> AnyStudent:
    return composed("self_train", SelfTrain, ["gan=g", "audio=a", "text=t", "out_dir=o", *changes]).student


def test_the_teacher_of_zero_shot_is_regularised_as_the_student() -> None:
    given = ["audio={de: a}", "labels={de: b}", "out_dir=o"]
    for kind, start in (("small", "null"), ("wav2vec2", "x")):
        block = composed("phoneme_ctc", PhonemeCtc, [*given, f"fine_tuning={kind}", f"start_from={start}"]).fine_tuning
        assert block.regularisation == student(f"student={kind}").regularisation
        assert "kind" not in block.plain()  # as the records of those that were fine-tuned before have it


def test_a_head_starts_tuning_where_it_did_whatever_else_is_given() -> None:
    assert student("student=head", "student.words.word_score=1.0").words.plain() == {"acoustic_scale": 0.7, "word_score": 1.0}


def test_epochs_end_a_training_only_where_they_are_given() -> None:
    assert student("student=head").training.plain()["epochs"] == 10
    assert "epochs" not in student("student=small").training.plain()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["student=head", "student.network.stride=3"], "unknown setting 'student.network.stride'"),
        (["student=wav2vec2", "student.network.width=3"], "unknown setting 'student.network'"),
        (["student=small", "student.encoder=x"], "unknown setting 'student.encoder'"),
        (["student.network.kernel=4"], "student.network.kernel=4 must be odd"),
        (["student.network.heads=3"], "student.network: width=128 must be a multiple of twice heads=3"),
        (["student.regularisation.final_dropout=1.0"], "must be below 1"),
        (["student.surest=0"], "student.surest=0 must be above 0"),
        (["student.tuning.word_score=[]"], "must have at least 1 values"),
        (["student.validation.every=0"], "student.validation.every=0 must be at least 1"),
    ],
)
def test_what_a_student_cannot_be_is_refused(changes: list[str], told: str) -> None:
    with pytest.raises(WavuError, match=told):
        student(*changes)
