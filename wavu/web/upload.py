"""An upload as a file of our own: no larger and no longer than allowed, named by nobody else, gone afterwards."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import regex
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive

from wavu.audio.read import read_blocks
from wavu.errors import WavuError
from wavu.units import RATE_HZ, duration_words

FIELD = "audio"
NAME_CHARACTERS = 80


@dataclass(frozen=True)
class Limits:
    """What one request may cost: MB (1,000,000 bytes) of upload and seconds of audio."""

    megabytes: float
    seconds: float


async def received(request: Request, limits: Limits) -> UploadFile:
    """The file of a multipart request; whoever asks closes it.

    Raises:
        HTTPException: 413, too large, as soon as it is known; 400 or 422, there is no such file in the request.
    """
    request = Request(request.scope, _at_most(request.receive, round(limits.megabytes * 1e6)))
    form = await request.form(max_files=1, max_fields=1)
    upload = form.get(FIELD)
    if not isinstance(upload, UploadFile):
        raise HTTPException(422, f"no recording came; send one as the file '{FIELD}' of a multipart form")
    return upload


def _at_most(receive: Receive, n_bytes: int) -> Receive:
    """The body of a request, which is refused at the first byte too many: its Content-Length need not be true."""
    n_received = 0

    async def receive_some() -> Message:
        nonlocal n_received
        message = await receive()
        n_received += len(message.get("body", b""))
        if n_received > n_bytes:
            raise HTTPException(
                413, f"the upload is larger than {n_bytes / 1e6:g} MB; send a part of it, or allow more with max_megabytes="
            )
        return message

    return receive_some


@contextmanager
def as_file(upload: UploadFile) -> Iterator[Path]:
    """The upload under a name of our own, in a folder that nobody else may open; both vanish with the block."""
    with TemporaryDirectory(prefix="wavu-") as folder:
        path = Path(folder) / "recording"
        with open(path, "wb") as file:
            shutil.copyfileobj(upload.file, file)
        yield path


def check_audio(path: Path, limits: Limits) -> None:
    """Decode a file, no further than it may be long.

    Raises:
        HTTPException: 415, it cannot be read; 413, it is too long.
    """
    try:
        # Its header may claim anything.
        n_samples = sum(len(block) for block in read_blocks(path, end=limits.seconds + 1))
    except WavuError as error:
        raise HTTPException(415, f"{error}; wav, flac, mp3, ogg and opus can be read") from error
    if n_samples > limits.seconds * RATE_HZ:
        longest = duration_words(limits.seconds)
        raise HTTPException(413, f"the recording is longer than {longest}; send a part of it, or allow more with max_seconds=")


def safe_name(filename: str | None) -> str:
    """What of the name that a client gives may name a download: its last part, letters, digits, space, ``_`` and ``-``, no ending.

    >>> safe_name("../../etc/pass<wd>.wav"), safe_name("C:\\\\x\\\\kö.mp3"), safe_name("..")
    ('pass_wd', 'kö', 'recording')
    """
    last = PurePosixPath((filename or "").replace("\\", "/")).name
    stem = regex.sub(r"[^\p{L}\p{M}\p{N} _-]+", "_", last.rpartition(".")[0] or last)
    return stem[:NAME_CHARACTERS].strip(" _") or "recording"
