"""Uploads that are too large, too long, no audio, or named by somebody who means harm."""

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from wavu.audio.read import read_blocks
from wavu.units import RATE_HZ
from wavu.web import upload
from wavu.web.upload import Limits, as_file, check_audio, received, safe_name

LIMITS = Limits(megabytes=0.001, seconds=2)
HEAD = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="x.wav"\r\n\r\n'


def request(*chunks: bytes) -> tuple[Request, list[bytes]]:
    """A multipart request that comes bit by bit, and what of it has not been asked for."""
    waiting = list(chunks)

    async def receive() -> dict:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    headers = [(b"content-type", b"multipart/form-data; boundary=b")]
    return Request({"type": "http", "method": "POST", "headers": headers}, receive), waiting


def test_a_file_comes_in() -> None:
    upload = asyncio.run(received(request(HEAD, b"sound", b"\r\n--b--\r\n")[0], LIMITS))
    assert upload.filename == "x.wav" and upload.file.read() == b"sound"


def test_no_byte_is_taken_beyond_the_limit() -> None:
    asked, waiting = request(HEAD, *[b"0" * 400] * 50)
    with pytest.raises(HTTPException, match="larger than 0.001 MB") as refused:
        asyncio.run(received(asked, LIMITS))
    assert refused.value.status_code == 413 and len(waiting) == 47


@pytest.mark.parametrize(
    "body",
    [
        b"--b--\r\n",
        HEAD.replace(b"audio", b"other") + b"x\r\n--b--\r\n",
        HEAD.replace(b'; filename="x.wav"', b"") + b"x\r\n--b--\r\n",
    ],
)
def test_a_request_without_a_file(body: bytes) -> None:
    with pytest.raises(HTTPException, match="no recording came") as refused:
        asyncio.run(received(request(body)[0], LIMITS))
    assert refused.value.status_code == 422


def test_the_file_is_ours_and_vanishes() -> None:
    with pytest.raises(ZeroDivisionError), as_file(UploadFile(io.BytesIO(b"sound"), filename="../../x.wav")) as path:
        assert path.name == "recording" and path.read_bytes() == b"sound" and path.parent.stat().st_mode & 0o077 == 0
        raise ZeroDivisionError
    assert not path.parent.exists()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize(("seconds", "fits"), [(1.9, True), (2.2, False), (60, False)])
def test_length_is_what_is_decoded(kind: str, seconds: float, fits: bool, tmp_path: Path) -> None:
    path = tmp_path / "recording"  # its name tells no format
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE_HZ)), RATE_HZ, format=kind)
    if fits:
        return check_audio(path, LIMITS)
    with pytest.raises(HTTPException, match="longer than 2 s") as refused:
        check_audio(path, LIMITS)
    assert refused.value.status_code == 413


def test_no_more_is_decoded_than_may_be(tmp_path: Path, monkeypatch) -> None:
    """Twenty minutes of silence are a few kilobytes."""
    soundfile.write(tmp_path / "recording", np.zeros(1200 * RATE_HZ), RATE_HZ, format="FLAC")
    decoded = []

    def counted(path: Path, **part: float) -> Iterator[np.ndarray]:
        for block in read_blocks(path, **part):
            decoded.append(len(block))
            yield block

    monkeypatch.setattr(upload, "read_blocks", counted)
    with pytest.raises(HTTPException, match="longer than 2 s"):
        check_audio(tmp_path / "recording", LIMITS)
    assert sum(decoded) == 3 * RATE_HZ


@pytest.mark.parametrize(
    ("content", "told"), [(b"", "has no bytes"), (b"<html>" * 99, "Format not recognised"), (b"RIFF", "unreadable")]
)
def test_what_is_no_audio_is_told_without_a_path(content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / "recording").write_bytes(content)
    with pytest.raises(HTTPException, match=told) as refused:
        check_audio(tmp_path / "recording", LIMITS)
    assert refused.value.status_code == 415 and str(tmp_path) not in refused.value.detail


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("speech.wav", "speech"),
        ("Größe 2.final.mp3", "Größe 2_final"),
        ("हिन्दी.wav", "हिन्दी"),
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot"),
        ("a\r\nX-Evil: 1.wav", "a_X-Evil_ 1"),
        ("<img src=x onerror=alert(1)>.wav", "img src_x onerror_alert_1"),
        ("\u202efdp.wav", "fdp"),
        ("x" * 999, "x" * 80),
        (".wav", "wav"),
        ("...", "recording"),
        ("", "recording"),
        (None, "recording"),
    ],
)
def test_a_name_holds_nothing_but_a_name(given: str | None, safe: str) -> None:
    assert safe_name(given) == safe
