"""Settings of gan_train: generators and discriminators, what weighs in their losses, and how members differ."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from wavu.errors import WavuError
from wavu.settings.base import Count, Device, Dropout, NotNegative, Number, Place, Positive, Seed, Settings, Share, Whole, Work
from wavu.settings.decipher import Decipher, Order
from wavu.settings.mistakes import checked
from wavu.settings.selection import Selection


class HearsSegments(Settings):
    """The generator of wav2vec-U 1.0 (Baevski et al. 2021)."""

    hears: Literal["segments"]
    kernel: Count = 4
    """segments a phone is read from (as the original)"""
    dropout: Dropout = 0.1
    """share of the input set to zero (as the original)"""
    learning_rate: Positive


class HearsFrames(Settings):
    """The generator of wav2vec-U 2.0 (Liu et al. 2022)."""

    hears: Literal["frames"]
    gain: Positive = 30.0
    """of its batch normalisation to begin with; 30 for wav2vec 2.0 Large, 35 for XLSR-53"""
    kernel: Count = 9
    """frames a phone is read from"""
    stride: Count = 3
    """frames from one output to the next: 16.7 outputs per second"""
    dropout: Dropout = 0.1
    """share set to zero, before the linear layer and before the convolution"""
    learning_rate: Positive


Generator = Annotated[HearsSegments | HearsFrames, Field(discriminator="hears")]


class Discriminator(Settings):
    """Three convolutions that tell made-up phones from real ones."""

    channels: Count = 96
    """of its two hidden convolutions; 96 are enough for some hours of speech"""
    kernel: Count = 6
    """phones seen by each of its three convolutions (as the original)"""
    learning_rate: Positive
    weight_decay: NotNegative = 1e-4
    """decoupled from the gradient (as the original)"""
    head_start: Whole = 0
    """updates before the generator moves"""


class Loss(Settings):
    """What weighs the terms of both players' losses, by the names of ``wavu.gan.losses``; and the slope that one asks for."""

    gradient_penalty: NotNegative = 0.0
    """that the discriminator's slope is another than slope"""
    slope: NotNegative = 0.0
    """what the gradient penalty asks for; 0 leaves a generator alone that is right already, 1 is the original's"""
    diversity: NotNegative = 0.0
    """phones that a batch leaves unused (there: code penalty)"""
    smoothness: NotNegative = 0.0
    """differences of neighbouring outputs; any slows training from the HMM's boundaries down"""
    auxiliary: NotNegative = 0.0
    """wrong guesses of the cluster of MFCCs, for generators that hear frames: prepare_audio targets.clusters=64"""


class Sweep(Settings):
    """How members differ to begin with; ``configs/sweep``."""

    seeds: Count = 1
    """members that share each point of the grid"""
    grid: dict[str, Annotated[list[Number], Field(min_length=1)]] | None = None
    """settings and the values to try: {loss.diversity: [2, 4]}"""


class Fidelity(Settings):
    """Slips of the original, none of them unless asked for; ``configs/fidelity``."""

    extra_output: bool = False
    """S segments give S + 1 outputs, not S"""
    padding_counts: bool = False
    """penalty and means run over padding too, not just to where an utterance ends"""
    joint_clipping: bool = False
    """a gradient is clipped by the norm of both networks' gradients, not of its player's own"""
    repeated_phones: bool = False
    """a line may repeat a phone; else it shows it once, for JOIN cannot repeat one"""
    special_phones: Whole = 0
    """outputs beside the phones of the language and silence: 4 are <s>, <pad>, </s> and <unk>; text is padded with the first of them"""
    metric_per_batch: bool = False
    """vocabulary per 160 lines, silence one of it, and a language model with silences; else all lines, and one without"""


class Silence(Settings):
    """Where ``<SIL>`` stands in the text if warm_start=none; else as deciphered."""

    probability: Share = 0.25
    """between two words (best of 0 to 0.75 in the original)"""
    before: Share = 1.0
    """a sentence (as the original)"""
    after: Share = 1.0
    """a sentence (as the original)"""


class Adam(Settings):
    """Of both players."""

    betas: Annotated[list[Dropout], Field(min_length=2, max_length=2)] = [0.5, 0.98]
    """little momentum: the other player moves the target"""
    epsilon: Positive = 1e-6
    """as the original"""
    clip_norm: Positive = 5.0
    """greatest norm of a player's gradient; in the original it is reached in four steps of five"""


class Regression(Settings):
    """How the generator learns the warm start's phones by heart."""

    ridge: NotNegative = 1e-4
    """weight of the squared kernel beside the mean cross-entropy, inputs scaled to variance 1"""
    iterations: Count = 60
    """of L-BFGS; later ones change little"""
    examples: Count = 100_000
    """segments looked at: 0.8 GB of windows at 512 dims"""
    confidence: Share = 0.9
    """mean probability of the best phone to begin with; 1 would leave no gradient"""


class Likelihood(Settings):
    """The HMM whose likelihood is measured: what a member's labels say about the speech."""

    utterances: Count = 300
    """of those held out: half a minute's work for 30 members"""
    order: Order = 2
    """of its phone n-gram: 3 is V times as slow"""
    n_states: Count = 2
    """per phone"""
    smoothing: NotNegative = 10.0
    """frames of unseen sounds granted to each state"""


class Validation(Settings):
    """When and by what members are scored, without labels."""

    every: Count = 1_000
    """updates; each time all members are scored and a checkpoint is written"""
    utterances: Count = 1_000
    """held out of training; corpora under ten times as many train and validate on all"""
    sentences: Count = 20_000
    """of the text, to learn what n-grams a language has"""
    order: Count = 4
    """of the language model, where fidelity=original wants one of its own"""
    hmm: Likelihood = Field(default_factory=Likelihood)


class FullDecipher(Decipher):
    """Unless warm_start=none."""

    hours: Positive = 2.0
    """of speech for Baum-Welch, drawn at random: enough for the some 10,000 numbers it learns"""


class GanTrain(Work):
    """``configs/gan_train.yaml``."""

    audio: Place
    text: Place
    self_trained: Place | None
    seed: Seed
    device: Device
    precision: Literal["float32", "tf32", "bf16"]
    phones_per_second: Positive | None
    replace: Literal["collapsed", "off"]
    keep: Literal["best", "all"]
    warm_start: Literal["hmm", "matching", "boundaries", "none"]
    members: Count | None = None
    """GANs trained side by side; null: one for each point of the sweep"""
    replace_after: Whole
    updates: Count
    batch_size: Count = 32
    """utterances, and as many sentences, per update"""
    generator: Generator
    discriminator: Discriminator
    loss: Loss
    validation: Validation = Field(default_factory=Validation)
    decipher: FullDecipher
    sweep: Sweep = Field(default_factory=Sweep)
    fidelity: Fidelity = Field(default_factory=Fidelity)
    selection: Selection
    silence: Silence = Field(default_factory=Silence)
    adam: Adam = Field(default_factory=Adam)
    regression: Regression = Field(default_factory=Regression)
    buckets: Count = 8
    """an update's utterances are of one of so many classes of length, and its sentences too: less padding"""
    repool: bool = True
    """segments begin and end where the warm start's phones do; false: as prepare_audio cut them"""
    mutation: Annotated[list[Positive], Field(min_length=1)] = [0.8, 1.25]
    """a copy's settings are each multiplied by one of these (Jaderberg et al. 2017)"""
    checkpoint_minutes: NotNegative = 5.0
    """at most between two checkpoints; each validation writes one too"""
    log_every: Count = 100
    """updates between two points of the loss curves"""

    @property
    def own(self) -> dict[str, float]:
        """What each member has its own of, by name."""
        rates = {f"{player}.learning_rate": getattr(self, player).learning_rate for player in ("generator", "discriminator")}
        return rates | {f"loss.{name}": weight for name, weight in self.loss.plain().items()}

    @property
    def guesses_targets(self) -> bool:
        """Whether any member has an auxiliary loss."""
        weights = (self.sweep.grid or {}).get("loss.auxiliary", [self.loss.auxiliary])
        return self.generator.hears == "frames" and any(weights)

    @model_validator(mode="after")
    def _self_training_has_what_is_wanted(self) -> "GanTrain":
        if self.self_trained and self.warm_start not in ("hmm", "boundaries"):
            raise ValueError(
                f"self_trained={self.self_trained} has nothing for warm_start={self.warm_start}; give warm_start=hmm or warm_start=boundaries"
            )
        return self

    @model_validator(mode="after")
    def _every_value_of_the_grid_is_possible(self) -> "GanTrain":
        for name, values in (self.sweep.grid or {}).items():
            if name not in self.own:
                raise ValueError(f"members cannot differ in '{name}'; they can in {', '.join(self.own)}")
            block, _, leaf = name.partition(".")
            now: Settings = getattr(self, block)
            for value in values:
                try:
                    checked(type(now), now.plain() | {leaf: value}, command="gan_train")
                except WavuError as error:
                    raise ValueError(f"sweep.grid: {block}.{error}") from error
        return self
