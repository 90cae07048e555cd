"""Where the time of our forward and backward passes goes: shares of the operators, in named parts.

Counted is what each operator takes itself, without those it calls: a GPU's time where there is one, else the
processor's. Python between operators is in none; a row says what share of the passes' seconds they are.
"""

from collections import Counter
from functools import partial

from torch.profiler import ProfilerActivity, profile

from omnina.benchmarks.figures import single
from omnina.benchmarks.operator_parts import OTHER, PARTS, marked_modules, operators_by_part
from omnina.benchmarks.training import run_pass, timed
from omnina.benchmarks.ways import OURS, Choices, Way, make_way
from omnina.benchmarks.work import Work

LARGEST = 5  # operators of no part that are named
SHARE = "share of the operators' time"
Times = Counter[tuple[str, str]]  # microseconds of (part, operator)


def measure_profile(work: Work) -> list[dict]:
    """Rows ``{work, metric, value}``: the parts, which add up to 1; the largest of the rest."""
    choices, passes = work.passes()
    way = make_way(OURS, choices)
    run_pass(way, choices, passes[0])  # the first warms up
    times, seconds = profiled(way, choices, passes[1:])
    whole = times.total()
    name = work.named(choices.device)
    rows = [single(name, f"{part}, {SHARE}", _of_part(times, part) / whole) for part in PARTS]
    rest = Counter({operator: time for (part, operator), time in times.items() if part == OTHER})
    rows += [
        single(name, f"{OTHER}: {operator}, {SHARE}", time / whole)
        for operator, time in rest.most_common(LARGEST)
    ]
    return [*rows, single(name, "operators' time, share of the passes' seconds", whole / 1e6 / seconds)]


def profiled(way: Way, choices: Choices, passes: list[list[dict]]) -> tuple[Times, float]:
    """What operators took, microseconds, and all passes together, seconds."""
    on_gpu = choices.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    seconds = 0.0
    with marked_modules(way.model), profile(activities=activities) as profiler:
        for rows in passes:
            way.model.zero_grad()
            seconds += timed(choices.device, partial(run_pass, way, choices, rows))
    times: Times = Counter()
    for event, part in operators_by_part(profiler.events()):
        times[part, event.name] += event.self_device_time_total if on_gpu else event.self_cpu_time_total
    return times, seconds


def _of_part(times: Times, wanted: str) -> float:
    return sum(time for (part, _), time in times.items() if part == wanted)
