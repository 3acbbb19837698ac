"""Settings of gan_train: the papers' values in their recipes, terms that have weights, and what is refused before any work."""

import pytest

from wavu.command import composed
from wavu.errors import WavuError
from wavu.gan.losses import DISCRIMINATOR_TERMS, GENERATOR_TERMS
from wavu.settings.gan import GanTrain, Loss

FOLDERS = ["audio=a", "text=t", "out_dir=o"]


def settings(*changes: str) -> GanTrain:
    return composed("gan_train", GanTrain, [*FOLDERS, *changes])


def test_every_weight_is_one_of_a_term_and_every_term_has_one() -> None:
    assert Loss.model_fields.keys() == {*DISCRIMINATOR_TERMS, *GENERATOR_TERMS, "slope"}
    assert not any(Loss().plain().values()), "a term that a recipe does not name weighs nothing there"


def test_the_recipes_of_the_papers_have_their_values() -> None:
    first, second = settings("recipe=wav2vec_u"), settings("recipe=wav2vec_u2")
    for both in (first, second):
        assert (both.updates, both.batch_size, both.discriminator.channels, both.loss.slope) == (150_000, 160, 384, 1)
        assert both.warm_start == "none" and both.members is None and both.adam.betas == [0.5, 0.98]
    assert first.generator.plain() == {"hears": "segments", "kernel": 4, "dropout": 0.1, "learning_rate": 4e-4}
    frames = {"hears": "frames", "gain": 30, "kernel": 9, "stride": 3, "dropout": 0.1, "learning_rate": 5e-5}
    assert second.generator.plain() == frames and second.discriminator.kernel == 8
    assert second.silence.probability == 0.5 and second.loss.auxiliary == 0.5 and first.loss.auxiliary == 0


def test_a_generator_of_frames_has_settings_of_its_own() -> None:
    assert settings("generator.hears=frames", "generator.stride=2").generator.plain()["gain"] == 30
    with pytest.raises(WavuError, match=r"unknown setting 'generator\.stride'"):
        settings("generator.stride=2")


def test_what_members_have_of_their_own_may_be_in_the_grid() -> None:
    assert settings("sweep.grid={loss.diversity:[2,4]}").sweep.grid == {"loss.diversity": [2, 4]}
    assert set(settings("sweep=original_grid").sweep.grid) <= settings().own.keys()
    assert list(settings().own)[:2] == ["generator.learning_rate", "discriminator.learning_rate"]


@pytest.mark.parametrize(
    ("changes", "guesses"),
    [
        ("recipe=wav2vec_u2", True),
        ("recipe=wav2vec_u2 loss.auxiliary=0", False),
        ("recipe=wav2vec_u2 loss.auxiliary=0 sweep.grid={loss.auxiliary:[0,0.5]}", True),
        ("recipe=wav2vec_u2 sweep.grid={loss.auxiliary:[0]}", False),
        ("recipe=wav2vec_u loss.auxiliary=1", False),
    ],
)
def test_targets_are_guessed_where_any_member_is_to(changes: str, guesses: bool) -> None:
    assert settings(*changes.split()).guesses_targets == guesses


MISTAKES = {
    "warm_start=hot": "warm_start=hot is unknown; give 'hmm', 'matching', 'boundaries' or 'none'",
    "replace=maybe": "replace=maybe is unknown; give 'collapsed' or 'off'",
    "keep=none": "keep=none is unknown; give 'best' or 'all'",
    "precision=float16": "precision=float16 is unknown; give 'float32', 'tf32' or 'bf16'",
    "generator.hears=letters": "generator.hears=letters is unknown; give segments, frames",
    "sweep.grid={loss.charm:[1,2]}": "members cannot differ in 'loss.charm'; they can in generator.learning_rate, ",
    "sweep.grid={loss.diversity:[1,-2]}": "sweep.grid: loss.diversity=-2.0 must be at least 0",
    "sweep.grid={generator.learning_rate:[0]}": "sweep.grid: generator.learning_rate=0.0 must be above 0",
    "sweep.grid={loss.diversity:[]}": "sweep.grid=[] must have at least 1 values",
    "members=0": "members=0 must be at least 1",
    "mutation=[]": "mutation=[] must have at least 1 values",
    "adam.betas=[0.5,1]": "adam.betas=1 must be below 1",
    "decipher.search.order=4": "decipher.search.order=4 is unknown; give 2 or 3",
    "self_trained=m warm_start=none": "self_trained=m has nothing for warm_start=none; give warm_start=hmm or warm_start=boundaries",
}


@pytest.mark.parametrize(("changes", "words"), MISTAKES.items(), ids=MISTAKES)
def test_mistakes_are_told_in_one_line(changes: str, words: str) -> None:
    with pytest.raises(WavuError) as error:
        settings(*changes.split())
    assert words in str(error.value) and "\n" not in str(error.value)
