"""Log mel energies: the very numbers of the feature extractor that an exported folder brings along."""

import numpy as np
import pytest
from transformers import SeamlessM4TFeatureExtractor

from wavu.student import mel


@pytest.mark.parametrize("stride", [3, 4])
@pytest.mark.parametrize("n_samples", [560, 1_234, 16_000, 48_017])
def test_equals_the_extractor(stride: int, n_samples: int) -> None:
    extractor = SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, stride=stride)
    time = np.arange(n_samples) / 16_000
    waveform = (0.3 * np.sin(2 * np.pi * 440 * time) + 0.01 * np.random.default_rng(0).standard_normal(n_samples)).astype(
        np.float32
    )
    theirs = extractor(waveform, sampling_rate=16_000, return_tensors="np")
    ours = mel.stacked(waveform, extractor)
    assert theirs["attention_mask"].all()  # so that nothing of it is lost in a batch
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs["input_features"][0], atol=2e-4)


def test_digital_silence_is_a_number() -> None:
    extractor = SeamlessM4TFeatureExtractor(feature_size=80, num_mel_bins=80, stride=4)
    assert np.isfinite(mel.stacked(np.zeros(16_000, np.float32), extractor)).all()
