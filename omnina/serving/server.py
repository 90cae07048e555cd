"""The web server around the application."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from threading import Thread

import uvicorn

from omnina.errors import UserError
from omnina.inference.answer import Answerer
from omnina.serving.app import Limits, application

ANY_HOST = ("*",)
KEEP_ALIVE = 5  # seconds that an idle connection stays open


def names_of(host: str) -> tuple[str, ...]:
    """Under which names the page may be asked for: of this machine's own address, any other is an attack."""
    try:
        loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # a name of a network
        loopback = False
    # Starlette compares what stands before the first colon: of [::1]:7860 that is a bracket.
    return ("127.0.0.1", "localhost", host, "[") if loopback else ANY_HOST


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
