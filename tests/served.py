"""A server of a checkpoint on a free port of this machine, and requests to it."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from omnina.inference.answer import Answerer
from omnina.serving.app import Limits, application


@contextmanager
def serving(answerer: Answerer, limits: Limits) -> Iterator[str]:
    """The address of a server that ends with the block."""
    server = uvicorn.Server(uvicorn.Config(application(answerer, limits), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    [port] = {sock.getsockname()[1] for each in server.servers for sock in each.sockets}
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def post(address: str, name: str, body: object, **headers: str) -> tuple[int, dict]:
    """(status, what came back); a body of bytes is sent as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Type": "application/json"} | headers
    request = urllib.request.Request(f"{address}/api/{name}", data, given)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
