"""The web server around the application."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

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


@contextmanager
def running(answerer: Answerer, limits: Limits) -> Iterator[str]:
    """The address of a server in a thread of this process, which ends with the block: for measuring it."""
    server = uvicorn.Server(uvicorn.Config(application(answerer, limits), log_level="error"))
    listening = _bound("127.0.0.1", 0)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield "http://{}:{}".format(*listening.getsockname())
    server.should_exit = True
    thread.join()


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
