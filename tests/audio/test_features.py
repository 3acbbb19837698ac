"""Our MFCC against Kaldi's, and against a plain loop written from its definition."""

import numpy as np
import pytest
import torch
from scipy.fft import dct

from wavu.audio import features
from wavu.audio.features import CEPSTRUM_DIM, MFCC_DIM, _cepstra, cepstra, mfcc

NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)


def plain_cepstra(waveform: np.ndarray) -> np.ndarray:
    """Frame by frame, filter by filter."""
    mel = lambda hertz: 1127 * np.log(1 + hertz / 700)  # noqa: E731
    centres = np.linspace(mel(20), mel(8000), 25)
    rows = []
    for start in range(0, len(waveform) - 399, 160):
        frame = 32768 * waveform[start : start + 400].astype(np.float64)
        frame = frame - frame.mean()
        frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
        power = np.abs(np.fft.rfft(frame * np.hanning(400) ** 0.85, 512)) ** 2
        energies = []
        for low, centre, high in zip(centres, centres[1:], centres[2:], strict=False):
            at = mel(np.arange(257) * 16_000 / 512)
            energies.append(
                np.sum(power * np.clip(np.minimum((at - low) / (centre - low), (high - at) / (high - centre)), 0, None))
            )
        cepstra = dct(np.log(energies), norm="ortho")[:13]
        rows.append(cepstra * (1 + 11 * np.sin(np.pi * np.arange(13) / 22)))
    return np.array(rows)


def plain_deltas(rows: np.ndarray) -> np.ndarray:
    """Rows, their slope over five frames, and the slope of the slope; before the first and after the last row it is repeated."""
    reach = range(-2, 3)
    at = lambda row: rows[min(max(row, 0), len(rows) - 1)]  # noqa: E731
    slope = [sum(j * at(row + j) for j in reach) / 10 for row in range(len(rows))]
    curve = [sum(j * k * at(row + j + k) for j in reach for k in reach) / 100 for row in range(len(rows))]
    return np.concatenate([rows, slope, curve], axis=1)


def test_cepstra_equal_a_plain_loop() -> None:
    assert np.abs(_cepstra(torch.from_numpy(NOISE)).numpy() - plain_cepstra(NOISE)).max() < 1e-3


def test_cepstra_equal_kaldi() -> None:
    knf = pytest.importorskip("kaldi_native_fbank")
    options = knf.MfccOptions()
    options.frame_opts.dither, options.use_energy, options.num_ceps, options.mel_opts.num_bins = 0, False, 13, 23
    kaldi = knf.OnlineMfcc(options)
    kaldi.accept_waveform(16_000, (NOISE * 32768).tolist())
    kaldi.input_finished()
    theirs = np.stack([kaldi.get_frame(frame) for frame in range(kaldi.num_frames_ready)])
    assert np.abs(_cepstra(torch.from_numpy(NOISE)).numpy() - theirs).max() < 1e-2


def test_frames_are_normalised_cepstra_with_slope_and_curve_in_pairs() -> None:
    rows = plain_deltas(plain_cepstra(NOISE))
    ours = mfcc(NOISE).numpy()
    assert ours.shape == (len(rows) // 2, MFCC_DIM)
    unpaired = ours.reshape(-1, 39)
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    assert np.abs(unpaired - scaled[: len(unpaired)]).max() < 2e-3
    assert np.abs(cepstra(NOISE).numpy() - scaled).max() < 2e-3


def test_one_window_is_one_cepstrum() -> None:
    assert cepstra(NOISE[:400]).shape == (1, CEPSTRUM_DIM) and not cepstra(NOISE[:400]).any()


@pytest.mark.parametrize("n", [560, 640, 960, 16_000, 15_999])
def test_there_is_one_frame_per_20_ms_as_in_wav2vec(n: int) -> None:
    frames = mfcc(NOISE[:n])
    assert len(frames) == ((n - 400) // 160 + 1) // 2
    if n % 320 == 0:
        assert len(frames) == (n - 400) // 320 + 1
    assert torch.isfinite(frames).all()


def test_a_batch_is_its_rows() -> None:
    rows = np.stack([NOISE, NOISE[::-1]])
    assert torch.allclose(mfcc(rows), torch.stack([mfcc(row.copy()) for row in rows]), atol=1e-5)


def test_digital_silence_takes_less_of_the_variance_with_the_floor(monkeypatch) -> None:
    waveform = np.concatenate([NOISE, np.zeros(8_000, np.float32)])
    floored = mfcc(waveform)[:48, 0].std()
    monkeypatch.setattr(features, "MEL_FLOOR", 1e-7)
    assert floored > 1.5 * mfcc(waveform)[:48, 0].std()
