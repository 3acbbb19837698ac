"""Settings of what hears recordings: prepare_audio and codebook, and what choose_layer shares with them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from wavu.settings.base import (
    Count,
    Lengths,
    Loading,
    NotNegative,
    Place,
    Positive,
    Seed,
    Settings,
    Share,
    Source,
    Word,
    Work,
)
from wavu.settings.executor import Executor, Local
from wavu.settings.vad import Vad


def _layers(value: object) -> object:
    """One layer, several or all; how many there are only the model tells."""
    several = value if isinstance(value, list) and value else [value]
    if value in (None, "all") or all(isinstance(one, int) and not isinstance(one, bool) and one >= 1 for one in several):
        return value
    raise ValueError("must be a layer from 1, several such as [9, 10], all, or null")


class HuggingFace(Settings):
    """A speech encoder of the wav2vec 2.0 family, or that of Whisper."""

    kind: Literal["huggingface"]
    model: Word
    layer: Annotated[int | list[int] | Literal["all"] | None, BeforeValidator(_layers)]
    batch_seconds: Positive = 120.0
    """audio in a batch on a GPU, padding included; a CPU takes one recording at a time"""
    precision: Literal["bfloat16", "float32", "bfloat16_everywhere"] = "bfloat16"
    """of the products on a GPU; a CPU takes float32 unless bfloat16_everywhere is given, nearly twice as fast with AVX512-BF16 or AMX"""


class Mfcc(Settings):
    """13 MFCC, delta and delta-delta, two frames of 10 ms in one."""

    kind: Literal["mfcc"]


class Precomputed(Settings):
    """Frames that the original extracted."""

    kind: Literal["precomputed"]
    folder: Place
    split: Word


Encoder = Annotated[HuggingFace | Mfcc | Precomputed, Field(discriminator="kind")]


class ClusterRuns(Settings):
    """A run of frames of one unit (Baevski et al. 2021)."""

    kind: Literal["cluster_runs"]
    pair_pool: bool


class Stride(Settings):
    """Equal parts (Liu et al. 2022)."""

    kind: Literal["stride"]
    frames: Count
    pair_pool: bool = False
    """two neighbours become one, as in wav2vec-U"""


class Ward(Settings):
    """Neighbours merged, most alike first."""

    kind: Literal["ward"]
    rate_hz: Annotated[Positive, Field(le=50)]  # one per frame
    pair_pool: bool = False
    """two neighbours become one, as in wav2vec-U"""


class Change(Settings):
    """A segment begins where frames change most."""

    kind: Literal["change"]
    dims: Count
    prominence: NotNegative
    pair_pool: bool = False
    """two neighbours become one, as in wav2vec-U"""


Segment = Annotated[ClusterRuns | Stride | Ward | Change, Field(discriminator="kind")]


class Recordings(Lengths):
    """Which recordings, and what of them."""

    vad: Vad
    min_seconds: NotNegative = 0.3
    """of speech; a shorter recording is skipped: it holds hardly one phone"""
    max_seconds: Positive = 40.0
    """a longer recording is cut at the quietest points near equal parts; the longest of LibriSpeech is 35 s"""
    max_clipped: Share = 0.05
    """largest share of samples at full scale; clean recordings stay under 0.001"""


class KMeans(Settings):
    """Of frames, fitted with FAISS."""

    clusters: Annotated[Count, Field(le=32_767)]  # a unit is an int16
    iterations: Count = 25
    """25 more lower the distortion by 0.2 %"""
    restarts: Count = 1
    """the best of them is kept; three lower the distortion by 0.1 %"""


class Sample(Settings):
    """What k-means and PCA are fitted to."""

    hours: Positive
    frames: Count = 100_000
    """drawn from those hours, 780 per cluster; twice as many lower the distortion by 0.2 %"""


class Targets(Settings):
    """Clusters of the MFCC beside each frame."""

    clusters: Annotated[Count, Field(ge=2, le=32_767)] | None


class Pca(Settings):
    """Of the encoder's frames."""

    dim: Count | None
    bits: Literal[16, 8] = 16
    """of a value on disk; 8 take half the disk, and a frame is off by a hundredth of what frames vary by"""


def one_source(audio_dir: Path | str | None, manifest: Path | str | None) -> None:
    """Refuse none and both."""
    if (audio_dir is None) == (manifest is None):
        raise ValueError("give either audio_dir=FOLDER or manifest=FILE.tsv")


class PrepareAudio(Work, Loading, Recordings):
    """``configs/prepare_audio.yaml``."""

    encoder: Encoder
    segment: Segment
    audio_dir: Source | None
    manifest: Source | None
    seed: Seed
    shard_minutes: Positive = 10.0
    """of audio that lie in memory, and are lost by a kill"""
    keep_frames: bool
    sample: Sample
    kmeans: KMeans
    targets: Targets
    pca: Pca
    executor: Executor = Field(default_factory=lambda: Local(kind="local"), exclude=True)
    """of the work alone: what comes out is the same, and ``stage.json`` does not tell of it"""

    @model_validator(mode="after")
    def _one_source(self) -> "PrepareAudio":
        if isinstance(self.encoder, Precomputed):
            if given := [name for name in ("audio_dir", "manifest") if getattr(self, name)]:
                raise ValueError(f"encoder=precomputed brings its own list of recordings; leave out {given[0]}=")
            if self.targets.clusters:
                raise ValueError(
                    "encoder=precomputed brings no audio, of whose MFCC targets are clusters; leave out targets.clusters="
                )
        else:
            one_source(self.audio_dir, self.manifest)
        return self


class Codebook(Work, Loading, Recordings):
    """``configs/codebook.yaml``."""

    model: Word
    audio: Word | dict[str, Word]
    points: Literal["language", "speaker", "folder"] | None = Field(exclude=True)
    """of the picture alone: codes stay what they are, and ``stage.json`` does not tell of it"""
    batch_seconds: Positive = 120.0
    """audio in a batch, padding included"""
    shard_minutes: Positive = 10.0
    """of audio that lie in memory, and are lost by a kill"""
