"""Sample rate and hops: the one place where seconds, samples and frames are converted.

Every encoder of wavu gives one frame per 20 ms of 16 kHz audio, as wav2vec 2.0 does (320 samples).
"""

RATE_HZ = 16_000
HOP_SAMPLES = 320
HOP_SECONDS = HOP_SAMPLES / RATE_HZ
FRAME_RATE_HZ = RATE_HZ / HOP_SAMPLES


def samples(seconds: float) -> int:
    """Number of 16 kHz samples nearest to a duration in seconds."""
    return round(seconds * RATE_HZ)


def seconds(samples: int) -> float:
    """Duration in seconds of a number of 16 kHz samples."""
    return samples / RATE_HZ


def duration_words(seconds: float) -> str:
    """A duration as a person says it: ``"5.3 h"``, ``"12.0 min"``, ``"41 s"``.

    >>> duration_words(19080), duration_words(90), duration_words(41.2)
    ('5.3 h', '1.5 min', '41 s')
    """
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 90:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.0f} s"
