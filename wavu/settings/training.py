"""Settings of :class:`wavu.training.Trainer`, by which every network is trained that is not a GAN."""

from wavu.settings.base import Count, NotNegative, Positive, Precision, Settings, Share


class Training(Settings):
    """Updates, and how fast they go."""

    updates: Count
    accumulate: Count = 1
    """batches per update and process"""
    rate: Positive
    warm_up: Share = 0.1
    """share of the updates in which the rate rises"""
    hold: Share = 0.4
    """share in which it stays; then it falls"""
    final_rate: Share = 0.05
    """what is left of it in the end"""
    weight_decay: NotNegative = 0.01
    """decoupled from the gradient"""
    clip: Positive = 1.0
    """greatest norm of the gradient"""
    precision: Precision = "no"
    """no, fp16 or bf16"""
