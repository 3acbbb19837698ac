"""A page in the browser: drop a recording or speak one, and read its phones and words with their times.

    python -m wavu.serve model=runs/model
    python -m wavu.serve model=runs/demo port=8080

Then open the address that it prints. Everything stays on this machine; nothing is loaded from anywhere else, and recordings are
not kept. Ctrl-C ends it. The page is sent by starlette and uvicorn: pip install 'wavu[serve]'
"""

import errno
import ipaddress
import socket
from contextlib import suppress
from pathlib import Path

from wavu.command import command
from wavu.errors import WavuError
from wavu.progress import say
from wavu.settings.use import Serve
from wavu.store import read_json

AT_ONCE = 32  # connections; more are turned away, since each may hold an upload
PATIENCE_SECONDS = 5  # that a request may go on after Ctrl-C


def main_work(settings: Serve) -> None:
    """Listen, open the recogniser, and answer until interrupted."""
    try:
        import python_multipart  # noqa: F401, what starlette reads uploads with
        import uvicorn

        from wavu.web.app import app
        from wavu.web.upload import Limits
    except ModuleNotFoundError as error:
        raise WavuError("wavu.serve needs starlette and uvicorn; pip install 'wavu[serve]'") from error
    from wavu.recogniser import Recogniser  # here, because it needs seconds

    host = settings.host
    with listening(host, settings.port) as door:  # first, since models take long to open
        folder = model_folder(settings.model)
        recogniser = Recogniser.read(folder)
        page = app(
            recogniser,
            Limits(settings.max_megabytes, settings.max_seconds),
            about=facts(folder),
            hosts=["localhost", "127.0.0.1", host, f"[{host}]"],
        )
        quiet = {"log_config": None, "access_log": False, "lifespan": "off", "server_header": False}
        limits = {"limit_concurrency": AT_ONCE, "timeout_graceful_shutdown": PATIENCE_SECONDS}
        server = uvicorn.Server(uvicorn.Config(page, **quiet, **limits))
        say(f"{folder.name}, {len(recogniser.phones)} phones: open {address(host, door.getsockname()[1])} (Ctrl-C ends it)")
        with suppress(KeyboardInterrupt):  # uvicorn ends in order, then hands it on
            server.run(sockets=[door])
        say("stopped")


def listening(host: str, port: int) -> socket.socket:
    """A socket at an address of this machine; a warning where others can reach it.

    Raises:
        WavuError: the port is taken, or the host is no address of this machine or every one.
    """
    if host in ("0.0.0.0", "::"):
        raise WavuError(
            f"host={host} is every address of this machine; give the one that others will type, such as host=192.168.1.20"
        )
    remedies = {
        errno.EADDRINUSE: f"another program listens there; end it, or give another port, such as port={port + 1}",
        errno.EACCES: "ports below 1024 are for the system; give a higher port",
    }
    try:
        family, *_, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        door = socket.create_server(where[:2], family=family)
    except (OSError, UnicodeError) as error:
        remedy = remedies.get(getattr(error, "errno", None), "host= must be an address or a name of this machine")
        raise WavuError(f"cannot listen at {host}:{port}: {remedy}") from error
    if not ipaddress.ip_address(where[0]).is_loopback:
        say(f"warning: anybody on the network can use this page while host={host}; host=127.0.0.1 is for this machine alone")
    return door


def address(host: str, port: int) -> str:
    """What a browser wants to be given."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def model_folder(folder: Path) -> Path:
    """The folder, or ``model/`` in it where that is a finished stage."""
    inner = folder / "model"
    return inner if (inner / "stage.json").exists() else folder


def facts(folder: Path) -> dict:
    """What the stage that made a model says of it, for those who read what it hears."""
    counts = read_json(folder / "stage.json").get("counts", {}) if (folder / "stage.json").exists() else {}
    verdict = counts.get("hmm", {}).get("verdict")
    return {"name": folder.resolve().name, "verdict": verdict, "encoder_has_seen": counts.get("encoder_has_seen")}


main = command("serve", Serve, main_work, __doc__)

if __name__ == "__main__":
    main()
