"""A generator's labels in, a recogniser out: hidden Markov models learn from them, correct them, and learn again from that.

    python -m wavu.self_train gan=runs/gan audio=runs/audio text=runs/text out_dir=runs/model
    python -m wavu.self_train gan=runs/gan audio=runs/audio text=runs/text out_dir=runs/model2 voters=5 rounds=2
    python -m wavu.self_train gan=runs/gan audio=runs/audio text=runs/text out_dir=runs/hmm search=phones student=none
    python -m wavu.self_train gan=runs/found audio=runs/audio text=runs/text out_dir=runs/model   # after wavu.decipher_segments

First phones sound like units, then like gaussians of linear discriminants. After each turn all speech is decoded, as words of
the text in an order that the text has; the next turn learns from what was found, as long as speech nobody has learned from is
explained better by it. Last, a network is trained on what the best of them says, with CTC: the student. The folder is what
wavu.transcribe takes as model=. No Kaldi is needed.
"""

from wavu.command import command, composed
from wavu.settings.gan import GanTrain
from wavu.settings.self_training import SelfTrain
from wavu.stages.gan import gan_train
from wavu.stages.self_training import self_train


def work(settings: SelfTrain) -> None:
    """Self-training, whose further rounds train GANs under the settings ``again``."""
    self_train(settings, lambda given: gan_train(composed("gan_train", GanTrain, given)))


main = command("self_train", SelfTrain, work, __doc__)

if __name__ == "__main__":
    main()
