"""Which layer of an encoder? Each one is deciphered from a sample of the recordings, and judged without a label; MFCC beside them.

    python -m wavu.choose_layer encoder=facebook/wav2vec2-large-lv60 audio_dir=recordings text=runs/text out_dir=runs/layers
    python -m wavu.choose_layer encoder=models/my_hubert encoder.layer=[5,6,7] manifest=list.tsv text=runs/text out_dir=runs/layers

All layers come from one pass of the encoder. The frames of each become units by k-means, and the units are deciphered with the
text as wavu.gan_train begins, a few times over. out_dir gets scores.tsv, a row per layer, and layers.png; the last line names the
encoder.layer= to give wavu.prepare_audio. The score is the share of a phone that its unit tells (known) times the bits per phone
that the order of the text's phones is worth to the likelihood (order). On synthetic speech it told good features from bad ones much
as a supervised probe does (scripts/probe_layers.py), but not layers that are nearly alike, and it was chosen among many numbers on
those very comparisons: that it ranks the layers of a large encoder on speech of people is a guess.
Raw surprise and log likelihood are shown, but not comparable; and where nothing is deciphered no score means much, which is said.
The spread is that of decipherments of the same minutes; what other minutes (seed=) change is not in it.
"""

from rich.console import Console

from wavu.command import command
from wavu.pictures.layers import layers_table
from wavu.settings.choose_layer import ChooseLayer
from wavu.stages.layers import choose_layer, recommend


def work(settings: ChooseLayer) -> None:
    """Score the layers, show and recommend."""
    if rows := choose_layer(settings):
        Console(highlight=False).print(layers_table(rows))
        recommend(rows, settings.encoder.model)


main = command("choose_layer", ChooseLayer, work, __doc__, open_groups=("encoder",))

if __name__ == "__main__":
    main()
