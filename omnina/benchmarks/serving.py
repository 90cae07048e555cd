"""How long a request to the local page's server takes: alone, among many, beside large ones."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from omnina.benchmarks.figures import single
from omnina.inference.answer import Answerer
from omnina.serving.app import Limits
from omnina.serving.server import running

AT_ONCE = (1, 10, 50)
UPLOAD_BASES = 10_000_000
MANY = 100  # sequences of a long request


def measure_serving(answerer: Answerer, sequence: str, question: str) -> list[dict]:
    """Median, 95th percentile and longest latency in seconds of requests for one answer."""
    small = {"sequences": sequence, "question": question}
    many = {"sequences": f">one\n{sequence}\n" * MANY, "question": question}
    upload = {"sequences": sequence * (UPLOAD_BASES // len(sequence)), "question": question}
    name = f"{answerer.folder.name}, {len(sequence)} bases"
    with running(answerer, Limits()) as address:
        ask = _asker(address)
        ask(small)  # the first one loads what is loaded late
        rows = []
        for count in AT_ONCE:
            with ThreadPoolExecutor(count) as pool:
                seconds = list(pool.map(lambda _: ask(small), range(max(count, AT_ONCE[1]))))
            rows += _latencies(f"{name}, {count} at once", seconds)
        for words, large in ((f"{MANY} sequences", many), ("an upload of 10 MB", upload)):
            with ThreadPoolExecutor(1) as pool:
                whole = pool.submit(ask, large)
                time.sleep(0.2)  # until it is at work
                rows += _latencies(f"{name}, beside {words}", [ask(small)])
                rows.append(single(f"{name}, {words}", "seconds", whole.result()))
    return rows


def _asker(address: str) -> Callable[[dict], float]:
    """Sends a request for an answer, and gives the seconds until all of it, or a refusal, was there."""

    def ask(body: dict) -> float:
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{address}/api/answer", json.dumps(body).encode(), headers)
        began = time.perf_counter()
        try:
            with urllib.request.urlopen(request) as response:
                response.read()
        except urllib.error.HTTPError as refused:
            refused.read()
        return time.perf_counter() - began

    return ask


def _latencies(work: str, seconds: list[float]) -> list[dict]:
    if len(seconds) == 1:
        return [single(work, "seconds", seconds[0])]
    median, late = np.percentile(seconds, [50, 95])
    return [
        single(work, "median, seconds", float(median)),
        single(work, "95th percentile, seconds", float(late)),
        single(work, "longest, seconds", max(seconds)),
    ]
