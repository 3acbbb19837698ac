"""Recordings without a word of text in; a speech encoder out, which prepare_audio takes as encoder=.

    python -m wavu.pretrain audio=my_recordings out_dir=runs/encoder pretrain=small
    python -m wavu.pretrain 'audio={ky: kyrgyz, tt: tatar}' out_dir=runs/encoder pretrain=continued start_from=facebook/wav2vec2-large-xlsr-53
    python -m wavu.pretrain audio=my_recordings out_dir=runs/encoder pretrain=small objective=hubert

objective=wav2vec2 hides spans of speech and learns to tell their codes from others; objective=hubert learns to tell the acoustic
unit of each hidden frame, first units of MFCC, then of what it has learned. From random weights, or going on from a model that
somebody has trained. Several processes (accelerate launch -m wavu.pretrain ...) share the work. Killed, the same command goes on
from the last checkpoint. Curves: tensorboard --logdir runs/encoder/curves
"""

from wavu.command import command
from wavu.settings.pretraining import Pretrain
from wavu.stages.pretraining import pretrain

main = command("pretrain", Pretrain, pretrain, __doc__)

if __name__ == "__main__":
    main()
