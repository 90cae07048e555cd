"""Requests to a server of a checkpoint."""

import json
import urllib.error
import urllib.request


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
