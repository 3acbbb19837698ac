"""Who may ask: no page of another origin, and nobody who reaches this server by a name that is not its own."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING = {"GET", "HEAD"}  # methods that change and cost nothing
HEADERS = {
    # blob: what the page plays is the file that it was given, which never comes back from the server.
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """Refuses with 403 what another origin's page would have done, and adds the headers that a browser is bound by."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if scope["type"] == "http" and scope["method"] not in READING and foreign(Headers(scope=scope)):
            refused = JSONResponse({"error": "this server takes audio from its own page only, not from another site's"}, 403)
            await refused(scope, receive, send_guarded)
        else:
            await self.app(scope, receive, send_guarded)


def foreign(headers: Headers) -> bool:
    """Whether a browser says that the request comes from another origin's page; programs that are no browser say nothing."""
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


def guards(hosts: Collection[str]) -> list[Middleware]:
    """The guard, and the check that ``Host`` is one of ``hosts``: a name of somebody else's may be made to lead here."""
    return [Middleware(Guard), Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)]
