"""Settings of the detectors of speech, as ``configs/vad/*.yaml`` choose them."""

from typing import Annotated, Literal

from pydantic import Field

from wavu.settings.base import NotNegative, Positive, Settings, Share


class NoVad(Settings):
    """The whole recording is speech."""

    kind: Literal["none"]
    min_pause: Annotated[float, Field(ge=0, le=0)] = 0.0
    """seconds; there is no pause"""
    padding: Annotated[float, Field(ge=0, le=0)] = 0.0
    """seconds; there is nothing around speech"""


class Rvad(Settings):
    """rVAD-fast (Tan et al. 2020), the original's detector."""

    kind: Literal["rvad"]
    threshold: Positive
    min_pause: NotNegative = 0.0
    """seconds; the original keeps no pause"""
    padding: NotNegative = 0.0
    """seconds kept before and after speech"""


class Silero(Settings):
    """A small network."""

    kind: Literal["silero"]
    threshold: Share
    min_pause: NotNegative = 0.1
    """seconds; a shorter pause stays, as it may be the closure of a stop"""
    padding: NotNegative = 0.0
    """seconds kept before and after speech"""


class WebRtc(Settings):
    """The detector of WebRTC."""

    kind: Literal["webrtc"]
    mode: Annotated[int, Field(ge=0, le=3)]
    min_pause: NotNegative = 0.1
    """seconds; a shorter pause stays, as it may be the closure of a stop"""
    padding: NotNegative = 0.02
    """seconds kept before and after speech"""


Vad = Annotated[NoVad | Rvad | Silero | WebRtc, Field(discriminator="kind")]
