"""Segments of speech and unpaired text in, generators of phones out, trained side by side and judged without labels.

    python -m wavu.gan_train audio=runs/audio text=runs/text out_dir=runs/gan
    python -m wavu.gan_train audio=runs/audio text=runs/text out_dir=runs/gan members=32 recipe=wav2vec_u2
    python -m wavu.gan_train audio=runs/audio text=runs/text out_dir=runs/gan recipe=wav2vec_u sweep=original_grid
    python -m wavu.gan_train audio=runs/audio text=runs/text out_dir=runs/gan2 self_trained=runs/hmm   # a second round

wavu.prepare_audio and wavu.prepare_text come first. Killed in the middle, the same command goes on where it stopped.
Curves: tensorboard --logdir runs/gan/curves
"""

from wavu.command import command
from wavu.settings.gan import GanTrain
from wavu.stages.gan import gan_train

main = command("gan_train", GanTrain, gan_train, __doc__)

if __name__ == "__main__":
    main()
