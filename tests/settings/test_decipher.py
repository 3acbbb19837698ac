"""Settings of the decipherment: two choices for one class, of which the quick one does less of everything."""

from wavu.command import composed
from wavu.settings.choose_layer import ChooseLayer
from wavu.settings.gan import GanTrain


def test_the_quick_one_does_less_of_what_takes_time_and_shares_the_rest() -> None:
    full = composed("gan_train", GanTrain, ["audio=a", "text=t", "out_dir=o"]).decipher.plain()
    quick = composed("choose_layer", ChooseLayer, ["audio_dir=a", "text=t", "out_dir=o", "encoder.model=m"]).decipher.plain()
    assert full.pop("hours") == 2 and full.keys() == quick.keys()
    cheaper = {"restarts", "steps", "frames_per_phone", "rounds", "order"}
    for part in ("matching", "search"):
        assert full[part].keys() == quick[part].keys()
        for name, value in full[part].items():
            less = quick[part][name]
            assert (len(less) < len(value) if isinstance(value, list) else less < value) if name in cheaper else less == value
