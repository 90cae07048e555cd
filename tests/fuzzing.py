"""Runs a reader on many broken inputs: it must end, and raise nothing but the documented errors.

The inputs are the same in every run (``derandomize``), so that a failure is a defect and never bad luck.
"""

import signal
from collections.abc import Callable
from contextlib import contextmanager
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from omnina.errors import UserError

CPU_SECONDS, WALL_SECONDS = 10, 120  # of one input; the slowest take a hundredth of it
UNCHECKED = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]

Example = TypeVar("Example")


class _TooLong(BaseException):
    """Not an Exception: the reader under test must not catch it."""


def few_and_many(few: int, many: int) -> pytest.MarkDecorator:
    """Parametrises ``examples``: a few in the normal suite, many in the slow one."""
    return pytest.mark.parametrize("examples", [few, pytest.param(many, marks=pytest.mark.slow)])


def fuzz(
    examples: int,
    valid: Example,
    inputs: SearchStrategy[Example],
    read: Callable[[Example], object],
    documented: tuple[type[Exception], ...] = (UserError,),
) -> None:
    """Call ``read`` on so many inputs; fails with the smallest one that hangs or raises anything else.

    ``valid`` must be read without an error: a reader that refuses everything would pass.
    """
    read(valid)

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=UNCHECKED,
    )
    @given(inputs)
    def run(example: Example) -> None:
        with _ends():
            try:
                read(example)
            except documented as error:
                assert str(error).strip(), "an error that says nothing"

    run()


@contextmanager
def _ends():
    """Fails if the block does not end; the limit on CPU time holds on a busy machine, the other one where
    it waits for something."""
    old = [signal.signal(number, _stop) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    try:
        yield
    except _TooLong as error:
        raise AssertionError("the input makes the reader hang") from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), old, strict=True):
            signal.signal(number, handler)


def _stop(*_: object) -> None:
    raise _TooLong
