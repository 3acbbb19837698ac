"""Long recordings in pieces, and a model that stands on its own; that it hears what wavu hears is shown in tests/test_export.py."""

import ast
from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Wav2Vec2BertConfig, WhisperConfig

from tests.audio.test_whisper import SIZES
from wavu.audio import whisper_ctc
from wavu.audio.whisper_ctc import (
    HOP_SAMPLES,
    OVERLAP_SAMPLES,
    WINDOW_SAMPLES,
    WhisperCtc,
    WhisperCtcConfig,
    join,
    pieces,
)


@given(st.integers(320, 10 * WINDOW_SAMPLES))
def test_pieces_cover_a_recording_and_overlap(n: int) -> None:
    spans = pieces(n)
    assert spans[0][0] == 0 and spans[-1][1] == n
    assert all(0 < end - start <= WINDOW_SAMPLES for start, end in spans)
    assert all(before[1] - after[0] == OVERLAP_SAMPLES for before, after in zip(spans, spans[1:], strict=False))


@given(st.integers(320, 5 * WINDOW_SAMPLES))
def test_frames_of_pieces_are_those_of_the_recording(n: int) -> None:
    frames = torch.arange(n // HOP_SAMPLES)
    spans = pieces(n)
    assert torch.equal(join(spans, [frames[start // HOP_SAMPLES : end // HOP_SAMPLES] for start, end in spans]), frames)


def test_it_imports_nothing_of_wavu() -> None:
    tree = ast.parse(Path(whisper_ctc.__file__).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("wavu")]


def test_padding_changes_nothing_and_says_nothing() -> None:
    torch.manual_seed(0)
    head = Wav2Vec2BertConfig(
        feature_projection_input_dim=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        conv_depthwise_kernel_size=3, vocab_size=5, pad_token_id=0, position_embeddings_type="rotary",
    )  # fmt: skip
    model = WhisperCtc(WhisperCtcConfig(WhisperConfig(**SIZES), head, layers=[2])).eval()
    waveforms, there = torch.randn(2, 16_000), torch.ones(2, 16_000)
    there[1, 6_400:] = 0
    with torch.no_grad():
        both, alone = model(waveforms, there).logits, model(waveforms[1:, :6_400]).logits
    assert both.shape == (2, 50, 5) and alone.shape == (1, 20, 5)
    torch.testing.assert_close(both[1, :20], alone[0], atol=1e-5, rtol=1e-4)
    assert (both[1, 20:].argmax(-1) == 0).all()
