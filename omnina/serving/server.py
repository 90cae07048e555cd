"""The web server around the application."""

import socket

import uvicorn

from omnina.errors import UserError
from omnina.inference.answer import Answerer
from omnina.serving.app import Limits, application

KEEP_ALIVE = 5  # seconds that an idle connection stays open


def serve(answerer: Answerer, host: str, port: int, limits: Limits) -> None:
    """Answer requests until interrupted; UserError if the port cannot be had."""
    listening = _bound(host, port)
    address, own_port = listening.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    print(f"OmniNA is at http://{shown}:{own_port} (Ctrl+C ends it)", flush=True)
    config = uvicorn.Config(
        application(answerer, limits),
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE,
        server_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"--host {host} --port {port}: cannot listen there ({reason}); give another --port."
        ) from error
    return listening
