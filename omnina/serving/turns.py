"""Requests take turns at the model, one step of each at a time: a long one holds up nobody for long."""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Result = TypeVar("Result")
Work = Generator[None, None, Result]  # yields after each step, returns the result


class Busy(Exception):
    """As many requests as may be are waiting already."""


class Gone(Exception):
    """Who asked does not wait any more."""


class Turns:
    """One thread for the model, on which the steps of all requests queue.

    Args:
        most_waiting: requests at a time; more are refused.
        seconds: that a request may take, waiting included; TimeoutError beyond.
    """

    def __init__(self, most_waiting: int, seconds: float) -> None:
        self.most_waiting, self.seconds, self.waiting = most_waiting, seconds, 0
        self._thread = ThreadPoolExecutor(1, "model")

    async def result(self, work: Work[Result], is_gone: Callable[[], Awaitable[bool]]) -> Result:
        """What the work returns.

        Steps stand in one queue, and a request's next step joins at its end: hence the turns. A step that
        runs when its request's time is over is finished, the others are not begun.

        Raises Gone, TimeoutError, and whatever the work raises.
        """
        async with asyncio.timeout(self.seconds):
            while True:
                done, value = await asyncio.get_running_loop().run_in_executor(self._thread, _step, work)
                if done:
                    return value
                if await is_gone():
                    raise Gone

    def close(self) -> None:
        """End the thread after the step at hand."""
        self._thread.shutdown(cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Count as one that waits, within the block; raises Busy if as many as may be do already."""
        if self.waiting >= self.most_waiting:
            raise Busy
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1


def _step(work: Work[Result]) -> tuple[bool, Result | None]:
    """(whether it was the last, the result): StopIteration cannot pass through a future."""
    try:
        next(work)
    except StopIteration as end:
        return True, end.value
    return False, None
