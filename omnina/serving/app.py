"""The web application: a page at ``/``, and JSON in and out below ``/api``.

    GET  /api/model     what the checkpoint is, its questions, the limits
    POST /api/answer    {"sequences": "ACGT or FASTA", "question": "..."}
    POST /api/track     {"sequences": "..."}
    POST /api/scan      {"sequences": "...", "first": 1, "last": 50, "question": "..."}

What cannot be done is answered with ``{"error": "..."}`` and 400 (not JSON), 413 (too large), 415 (not sent
as JSON), 422 (cannot be asked), 503 (too many are waiting) or 504 (took too long).
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from omnina.errors import UserError
from omnina.inference.answer import Answerer
from omnina.serving import requests, work
from omnina.serving.turns import Busy, Gone, Turns, Work

PAGE = Path(__file__).parent / "page"
POLICY = (  # the page may use its own files and talk to its own server, and nothing else
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
RETRY_SECONDS = 5
SLOWEST_UPLOAD = 30.0  # seconds for a body to arrive


@dataclass(frozen=True)
class Limits:
    """What one server takes.

    Attributes:
        request_bytes: of one request's body.
        seconds: of one request, waiting included.
        waiting: requests at a time.
        hosts: names under which the page may be asked for, so that no other site can pretend to be it.
    """

    request_bytes: int = 12_000_000
    seconds: float = 120.0
    waiting: int = 64
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost")


class Desk:
    """Takes requests to the model and brings back what it says.

    Args:
        answerer: the checkpoint.
        limits: of a request.
    """

    def __init__(self, answerer: Answerer, limits: Limits) -> None:
        self.answerer, self.limits = answerer, limits
        self.turns = Turns(limits.waiting, limits.seconds)

    async def page(self, request: Request) -> Response:
        """The page."""
        return HTMLResponse(_page(self.answerer, self.limits), headers=HEADERS)

    async def model(self, request: Request) -> Response:
        """What the checkpoint is."""
        return _json(_model(self.answerer))

    async def answer(self, request: Request) -> Response:
        """Answers, or annotations if nothing is asked."""

        def begun(body: object) -> Work[dict]:
            asked = requests.answer_request(body)
            return (work.answers if asked.question else work.annotations)(self.answerer, asked)

        return await self._done(request, begun)

    async def track(self, request: Request) -> Response:
        """Bits of each base."""
        return await self._done(
            request, lambda body: work.tracks(self.answerer, requests.track_request(body))
        )

    async def scan(self, request: Request) -> Response:
        """Scores of all substitutions."""
        return await self._done(request, lambda body: work.scan(self.answerer, requests.scan_request(body)))

    async def _done(self, request: Request, begun: Callable[[object], Work[dict]]) -> Response:
        try:
            with self.turns.place():  # from here on: bodies that are still arriving fill memory too
                body = await _body(request, self.limits.request_bytes)
                return _json(await self.turns.result(begun(body), request.is_disconnected))
        except UserError as error:
            return _error(422, str(error))
        except Busy:
            text = f"{self.turns.waiting} requests are waiting already; try again in {RETRY_SECONDS} seconds."
            return _error(503, text, {"Retry-After": str(RETRY_SECONDS)})
        except TimeoutError:
            return _error(504, f"not done after {self.limits.seconds:.0f} seconds; ask for less at a time.")
        except (Gone, ClientDisconnect):
            return Response(status_code=499)  # nobody reads it


def application(answerer: Answerer, limits: Limits) -> Starlette:
    """The application for one checkpoint."""
    desk = Desk(answerer, limits)
    routes = [
        Route("/", desk.page),
        Route("/page.css", _file("page.css", "text/css")),
        Route("/page.js", _file("page.js", "text/javascript")),
        Route("/api/model", desk.model),
        *(
            Route(f"/api/{name}", getattr(desk, name), methods=["POST"])
            for name in ("answer", "track", "scan")
        ),
    ]
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=list(limits.hosts))
    handlers = {HTTPException: _refused, Exception: _failed}
    return Starlette(routes=routes, middleware=[trusted], exception_handlers=handlers)


async def _body(request: Request, most_bytes: int) -> object:
    """The request's JSON; HTTPException for another type, too many bytes, too slow ones, or no JSON.

    Browsers ask before they send JSON to another site: so no other page can use this one.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with the header Content-Type: application/json.")
    received = bytearray()
    try:
        async with asyncio.timeout(SLOWEST_UPLOAD):
            async for chunk in request.stream():
                received += chunk
                if len(received) > most_bytes:
                    raise HTTPException(
                        413, f"the request has more than {most_bytes:,} bytes; send less at a time."
                    )
    except TimeoutError as error:
        raise HTTPException(
            408, f"the request did not arrive within {SLOWEST_UPLOAD:.0f} seconds."
        ) from error
    try:
        body = json.loads(received)
        json.dumps(
            body, ensure_ascii=False
        ).encode()  # half a surrogate pair is no text: no answer can hold it
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"the request is not JSON ({error}).") from error
    return body


def _model(answerer: Answerer) -> dict:
    questions = {text: question.labels for text, question in answerer.questions.items()}
    return {
        "checkpoint": answerer.folder.resolve().name,
        "parameters": answerer.model.num_parameters(),
        "most_tokens": answerer.max_length,
        "questions": questions,
        "limits": {
            "sequences": requests.MOST_SEQUENCES,
            "bases": requests.MOST_BASES,
            "tracked_bases": requests.MOST_TRACKED,
            "scanned_bases": requests.MOST_SCANNED,
            "bases_around_a_scan": requests.MOST_AROUND,
        },
    }


def _page(answerer: Answerer, limits: Limits) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGE), undefined=jinja2.StrictUndefined, autoescape=True
    )
    return environment.get_template("page.html.jinja").render(
        model=_model(answerer), most_bytes=limits.request_bytes
    )


def _file(name: str, kind: str) -> Callable:
    text = (PAGE / name).read_text(encoding="utf-8")

    async def sent(request: Request) -> Response:
        return Response(text, media_type=kind, headers=HEADERS)

    return sent


async def _refused(request: Request, error: HTTPException) -> Response:
    return _error(error.status_code, error.detail)


async def _failed(request: Request, error: Exception) -> Response:
    """The server's own log has the error; those who ask get an answer that they can read."""
    return _error(500, "the server failed; what went wrong is in its log.")


def _json(values: dict) -> Response:
    return JSONResponse(values, headers=HEADERS)


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers=HEADERS | (headers or {}))
