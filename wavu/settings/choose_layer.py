"""Settings of choose_layer: recordings, an encoder with layers, and how each of them is deciphered."""

from pydantic import model_validator

from wavu.settings.audio import HuggingFace, KMeans, Recordings, one_source
from wavu.settings.base import Count, Loading, Place, Positive, Seed, Work
from wavu.settings.decipher import Decipher
from wavu.settings.selection import Selection


class ChooseLayer(Work, Loading, Recordings):
    """``configs/choose_layer.yaml``."""

    encoder: HuggingFace
    audio_dir: Place | None
    manifest: Place | None
    text: Place
    seed: Seed
    minutes: Positive
    repeats: Count
    shard_minutes: Positive = 1.0
    """of audio in memory with all layers: 0.3 GB for 24 of 1024 dims"""
    keep_frames: bool
    frames: Count = 100_000
    """at most, that the k-means of each layer is fitted to"""
    kmeans: KMeans
    decipher: Decipher
    selection: Selection

    @model_validator(mode="before")
    @classmethod
    def _has_layers(cls, given: dict) -> dict:
        encoder = given.get("encoder")
        if isinstance(encoder, dict) and (kind := encoder.get("kind")) != "huggingface":
            raise ValueError(f"encoder={kind} has no layers to choose from; give the folder of a Hugging Face model, or its name")
        return given

    @model_validator(mode="after")
    def _one_source(self) -> "ChooseLayer":
        one_source(self.audio_dir, self.manifest)
        return self
