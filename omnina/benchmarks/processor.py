"""Our training pass on a CPU: with more threads, and with compiled layers beside those that are not.

Each number of threads is measured in a process of its own, all of them in every turn, so that a machine that
slows down meanwhile slows all. Both kinds of layers compute the same rows in turn in one process, with all
the threads; nothing that another run compiled is used, so the first passes hold what compiling costs.
"""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch._dynamo  # its counters are not there before
import torch.compiler
from torch._dynamo.utils import counters

from omnina.benchmarks.child import in_child
from omnina.benchmarks.figures import compared, lowest_and_highest, single, spread
from omnina.benchmarks.training import run_pass, timed
from omnina.benchmarks.ways import OURS, Choices, Way, make_way
from omnina.benchmarks.work import Work
from omnina.cores import usable_cores

CPU = torch.device("cpu")
FASTER = "times as fast as layers not compiled"
FEWEST_PASSES = 4  # in which compiling and what follows it can be told apart


@dataclass(frozen=True)
class Compiling:
    """What compiled layers cost and give.

    Attributes:
        speeds: times as fast as layers that are not compiled, each pass of the last half.
        seconds: of compiling: what the first half took beyond that speed.
        passes: until both have taken as long; None: never, as they are no faster.
    """

    speeds: list[float]
    seconds: float
    passes: float | None

    @classmethod
    def of(cls, eager: Sequence[float], compiled: Sequence[float]) -> "Compiling":
        """From the seconds of the same passes in order, four at least."""
        half = len(eager) // 2
        speeds = [e / c for c, e in zip(compiled[half:], eager[half:], strict=True)]
        ratio = 1 / statistics.median(speeds)
        seconds = sum(compiled[:half]) - ratio * sum(eager[:half])
        gain = statistics.median(eager) * (1 - ratio)  # of a pass
        return cls(speeds, seconds, seconds / gain if gain > 0 else None)


def default_threads() -> list[int]:
    """1, 2, 4, ... and as many as this process has cores."""
    cores = usable_cores()
    return sorted({*(2**power for power in range(cores.bit_length())), cores})


def measure_processor(work: Work, threads: Sequence[int], turns: int) -> list[list[dict]]:
    """Two tables: passes a second for each number of threads, and what compiling costs and gives.

    Raises UserError where the table has too few rows for the fewest passes.
    """
    work = replace(work, batches=max(work.batches, FEWEST_PASSES))
    work.passes(FEWEST_PASSES)
    return [_thread_rows(work, sorted(set(threads)), turns), compiling_rows(work, max(threads))]


def _thread_rows(work: Work, threads: Sequence[int], turns: int) -> list[dict]:
    """Against the fewest threads, and how far the turns are apart in it."""
    found = [
        {count: in_child(__name__, "seconds_with_threads", vars(work), count) for count in threads}
        for _ in range(turns)
    ]
    fewest, rows = threads[0], []
    for count in threads:
        rates = (1 / statistics.median(turn[each] for turn in found) for each in (count, fewest))
        metric = f"passes/s, {count} threads (ours) against {fewest} (baseline)"
        rows.append(compared(work.named(CPU), metric, *rates))
        ratios = [turn[fewest] / turn[count] for turn in found]
        rows.append(spread(work.named(CPU), f"{count} threads, times as fast as {fewest}", ratios, "turn"))
    return rows


def seconds_with_threads(settings: dict, threads: int) -> float:
    """Median seconds of a pass, the first left out; for a child process, whose threads it sets."""
    torch.set_num_threads(threads)
    choices, passes = _on_cpu(Work(**settings))
    way = make_way(OURS, choices)
    return statistics.median([_seconds(way, choices, rows) for rows in passes][1:])


def compiling_rows(work: Work, threads: int, backend: str = "inductor") -> list[dict]:
    """Rows ``{work, metric, value}`` of layers compiled by one of torch.compile's backends."""
    found = in_child(__name__, "seconds_compiled", vars(work), threads, backend)
    cost = Compiling.of(found["eager"], found["compiled"])
    name = f"{work.named(CPU)}, {threads} threads, torch.compile"
    paid = "never: they are no faster" if cost.passes is None else cost.passes
    return [
        single(name, f"{FASTER}, median of the last half", statistics.median(cost.speeds)),
        single(name, f"{FASTER}, lowest and highest of these", lowest_and_highest(cost.speeds)),
        single(name, "seconds of compiling", cost.seconds),
        single(name, "passes until it has paid for itself", paid),
        single(
            name, "compiled graphs, after the first half and at the end", "{} and {}".format(*found["graphs"])
        ),
    ]


def seconds_compiled(settings: dict, threads: int, backend: str) -> dict[str, list]:
    """Seconds of every pass, ``eager`` and ``compiled``, and the graphs; for a child process."""
    torch.set_num_threads(threads)
    choices, passes = _on_cpu(Work(**settings))
    eager, compiled = make_way(OURS, choices), make_way(OURS, choices)
    compiled.model.compile_layers(backend=backend)
    _seconds(eager, choices, passes[0])  # what any first pass loads is no part of compiling
    seconds: dict[str, list] = {"eager": [], "compiled": [], "graphs": []}
    with _nothing_kept():
        for place, rows in enumerate(passes, start=1):
            seconds["eager"].append(_seconds(eager, choices, rows))
            seconds["compiled"].append(_seconds(compiled, choices, rows))
            if place in (len(passes) // 2, len(passes)):
                seconds["graphs"].append(int(counters["stats"]["unique_graphs"]))
    return seconds


@contextmanager
def _nothing_kept() -> Iterator[None]:
    """The block in which graphs that an earlier process compiled are not taken from its cache on disk."""
    before = torch.compiler.config.force_disable_caches
    torch.compiler.config.force_disable_caches = True
    yield
    torch.compiler.config.force_disable_caches = before


def _on_cpu(work: Work) -> tuple[Choices, list[list[dict]]]:
    choices, passes = work.passes()
    return replace(choices, device=CPU), passes


def _seconds(way: Way, choices: Choices, rows: list[dict]) -> float:
    way.model.zero_grad()
    return timed(choices.device, partial(run_pass, way, choices, rows))
