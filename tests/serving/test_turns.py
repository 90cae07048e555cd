"""Turns: a long request holds up nobody for longer than a step."""

import asyncio
from collections.abc import Generator

import pytest

from omnina.serving.turns import Busy, Gone, Turns


def steps(name: str, count: int, done: list[str]) -> Generator[None, None, str]:
    for _ in range(count):
        done.append(name)
        yield
    return name


async def still_there() -> bool:
    return False


def test_steps_of_two_requests_alternate():
    done: list[str] = []

    async def both() -> list[str]:
        turns = Turns(4, 10.0)
        long, short = steps("long", 100, done), steps("short", 3, done)
        return await asyncio.gather(turns.result(long, still_there), turns.result(short, still_there))

    assert asyncio.run(both()) == ["long", "short"]
    last = len(done) - 1 - done[::-1].index("short")
    assert last < 10


def test_who_has_left_is_not_worked_for():
    done: list[str] = []

    async def left() -> bool:
        return len(done) >= 2

    async def alone() -> None:
        await Turns(4, 10.0).result(steps("one", 100, done), left)

    with pytest.raises(Gone):
        asyncio.run(alone())
    assert len(done) == 2


def test_one_too_many():
    turns = Turns(1, 10.0)
    with turns.place(), pytest.raises(Busy), turns.place():
        pass
    with turns.place():
        assert turns.waiting == 1


def test_an_error_of_a_step_reaches_its_request_alone():
    def failing() -> Generator[None, None, None]:
        yield
        raise RuntimeError("broken")

    async def two() -> list:
        turns = Turns(2, 10.0)
        both = (turns.result(work, still_there) for work in (failing(), steps("fine", 5, [])))
        return await asyncio.gather(*both, return_exceptions=True)

    first, second = asyncio.run(two())
    assert (str(first), second) == ("broken", "fine")
