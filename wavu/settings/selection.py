"""Settings of the score without labels: what each of its measures weighs."""

from pydantic import Field, model_validator

from wavu.settings.base import NotNegative, Settings


class Selection(Settings):
    """The weights of a sum in which less is better; ``configs/selection``."""

    weighted_lm_perplexity: NotNegative = 1.0
    """ln of the original's criterion"""
    jsd1: NotNegative = 0.333
    """n-gram divergence from the text, bits: a guard against dull text of low perplexity"""
    jsd2: NotNegative = 0.333
    """the same of pairs"""
    jsd3: NotNegative = 0.333
    """the same of triples"""
    log_likelihood: NotNegative = Field(exclude_if=lambda weight: not weight)  # only gan_train measures it

    @model_validator(mode="after")
    def _weighs_something(self) -> "Selection":
        if not any(weights := [getattr(self, name) for name in Selection.model_fields]):
            raise ValueError(f"selection has the weights {weights}; one must be above 0")
        return self
