"""The pages and answers of wavu.serve: GET / the page, GET /model what hears, POST /transcribe a recording in, what was heard out."""

from asyncio import CancelledError
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from wavu.audio.files import Recording
from wavu.errors import WavuError
from wavu.progress import say
from wavu.recogniser import Recogniser
from wavu.transcription import FORMATS, Transcription
from wavu.web.guard import guards
from wavu.web.upload import Limits, as_file, check_audio, received, safe_name

PAGE = Path(__file__).parent / "page"
HUNG_UP = 499  # what servers note where the client has left; nobody reads it


def app(recogniser: Recogniser, limits: Limits, *, about: dict, hosts: Collection[str]) -> Starlette:
    """The application.

    about: facts of the model for the page: name, verdict, encoder_has_seen; None where one is not known. hosts: names that a
    browser may know this server by.
    """
    facts = about | {
        "warning": recogniser.warning,
        "phones": recogniser.phones,
        "words": recogniser.words is not None,
        "limits": asdict(limits),
    }
    one_at_a_time = CapacityLimiter(1)  # the recogniser takes all of the machine, and promises nothing about threads

    async def model(request: Request) -> Response:
        return JSONResponse(facts)

    async def transcribe(request: Request) -> Response:
        try:
            upload = await received(request, limits)
            try:
                said = await to_thread.run_sync(heard, recogniser, upload, limits, limiter=one_at_a_time)
            finally:
                upload.file.close()
        except ClientDisconnect:
            return Response(status_code=HUNG_UP)
        except CancelledError:  # the server ends, and has waited for as long as it will
            return JSONResponse({"error": "wavu.serve was stopped"}, 503)
        return JSONResponse(asdict(said) | {"downloads": downloads(said)})

    routes = [
        Route("/model", model),
        Route("/transcribe", transcribe, methods=["POST"]),
        Mount("/", StaticFiles(directory=PAGE, html=True)),
    ]
    handlers = {HTTPException: told, Exception: failed}
    return Starlette(routes=routes, middleware=guards(hosts), exception_handlers=handlers)


def heard(recogniser: Recogniser, upload: UploadFile, limits: Limits) -> Transcription:
    """What is said in an upload.

    Raises:
        HTTPException: 413 or 415, see :func:`check_audio`; 422, there is nothing in it to hear.
    """
    with as_file(upload) as path:
        check_audio(path, limits)
        ((_, said),) = recogniser.stream([Recording(safe_name(upload.filename), path)])
    if isinstance(said, str):
        raise HTTPException(422, f"the recording is of no use: {said}")
    return said


def downloads(said: Transcription) -> list[dict[str, str]]:
    """Each format as a file: its name and its text, as wavu.transcribe writes them for one recording."""
    texts = {name: kind.header(said.words is not None, said.warning) + kind.write(said) for name, kind in FORMATS.items()}
    texts["txt"] = FORMATS["txt"].header(said.words is not None, said.warning) + f"{said}\n"
    return [{"format": name, "name": f"{said.id}{FORMATS[name].ending}", "text": text} for name, text in texts.items()]


async def told(request: Request, error: HTTPException) -> Response:
    """A refusal as one line of JSON."""
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def failed(request: Request, error: Exception) -> Response:
    """A failure of ours: its cause, which may name folders, stays on this side."""
    if isinstance(error, WavuError):
        say(f"error: {error}")
    return JSONResponse({"error": "the recogniser failed; the reason stands where wavu.serve was started"}, 500)
