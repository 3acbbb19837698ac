"""A network of a few thousand weights, and speech that it can learn something from."""

import numpy as np

NETWORK = {
    "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2, "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 8, 5), "conv_stride": (10, 8, 4), "num_feat_extract_layers": 3, "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2, "hidden_dropout": 0.0, "attention_dropout": 0.0, "feat_proj_dropout": 0.0,
    "layerdrop": 0.0,
}  # fmt: skip
CODEBOOK = {
    "num_codevector_groups": 2, "num_codevectors_per_group": 8, "codevector_dim": 16, "proj_codevector_dim": 16,
    "feat_quantizer_dropout": 0.0,
}  # fmt: skip


def chirps(count: int, seconds: float, seed: int) -> np.ndarray:
    """Waveforms (count, T): tones that each last 0.1 s, two pitches in turn, of which only the start is drawn."""
    noise = np.random.default_rng(seed)
    pitch = np.repeat([400, 900, 2_000, 3_500], 1_600)
    rows = []
    for _ in range(count):
        turned = np.resize(np.roll(pitch, noise.integers(len(pitch))), round(seconds * 16_000))
        rows.append(np.sin(2 * np.pi * np.cumsum(turned) / 16_000) + 0.05 * noise.standard_normal(len(turned)))
    return np.array(rows, np.float32)
