"""Settings of self_train: what cannot work is refused, and what decipher_segments changes is changed."""

import pytest

from wavu.command import composed
from wavu.decode.align import LEAST_ACTIVE
from wavu.errors import WavuError
from wavu.settings.self_training import SelfTrain


def settings(*changes: str) -> SelfTrain:
    return composed("self_train", SelfTrain, ["gan=g", "audio=a", "text=t", "out_dir=o", *changes])


def test_people_are_heard_otherwise_than_voices_of_machines() -> None:
    before, after = (
        settings("words.lm_weight=2.0", "deciphered.words.beam=12"),
        settings("deciphered.hmm.states=1").after_decipherment(),
    )
    assert (before.hmm.states, before.evidence.by, before.words.beam) == (3, "likelihood", 16.0)
    assert (after.hmm.states, after.evidence.by, after.words.beam) == (1, "agreement", 11.0)
    after = before.after_decipherment()
    assert after.words.plain() == before.words.plain() | {"acoustic_scale": 0.15, "word_score": 2.0, "beam": 12.0}
    assert after.gaussians.transform.plain() == {"reach": 0, "dim": 40, "iterations": 10}
    assert after.tuning.phones == before.tuning.phones and after.tuning.words.acoustic_scale == [0.1, 0.15, 0.2]
    assert after.student == before.student and after.deciphered == before.deciphered


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("rounds=0", "rounds=0 must be at least 1"),
        ("rounds=1.5", "rounds=1.5 must be a whole number"),
        ("voters=0", "voters=0 must be at least 1"),
        ("search=letters", "search=letters is unknown; give 'words' or 'phones'"),
        ("evidence.by=faith", "evidence.by=faith is unknown; give 'likelihood' or 'agreement'"),
        ("deciphered.evidence.by=faith", "deciphered.evidence.by=faith is unknown"),
        ("deciphered.hmm.order=2", "unknown setting 'deciphered.hmm.order'"),
        ("hmm.order=4", "hmm.order=4 is unknown; give 2 or 3"),
        ("gaussians.mixtures.gaussians=3", "gaussians.mixtures.gaussians=3 must be a power of 2"),
        ("gaussians.turns=-1", "gaussians.turns=-1 must be at least 0"),
        (f"words.max_active={LEAST_ACTIVE}", f"words.max_active={LEAST_ACTIVE} must be above {LEAST_ACTIVE}"),
        ("tuning.words.acoustic_scale=[]", "must have at least 1 values"),
        ("selection.jsd1=nan", "selection.jsd1=nan must be a finite number"),
    ],
)
def test_what_cannot_work_is_refused(change: str, told: str) -> None:
    with pytest.raises(WavuError, match=told):
        settings(change)
