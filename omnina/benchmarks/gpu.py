"""Training on one GPU: the published sizes in bf16 and float8 beside transformers' Llama, under a time limit.

Each way of each size is measured in a process of its own (``gpu_way.py``): graphs that another way compiled,
classes that Liger's kernels replaced and memory that was not given back do not count, and one that fails or
hangs takes no other with it. What matters most comes first; what there is no time for is told as such.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import torch

from omnina.benchmarks.child import ChildFailed, in_child_within
from omnina.benchmarks.figures import EXTRAS, single
from omnina.benchmarks.gpu_way import FILLED, FP8, FP8_ROWWISE, Measured
from omnina.benchmarks.ways import LIGER, OURS, PACKED, PADDED
from omnina.benchmarks.work import Work
from omnina.errors import UserError

ANCHOR_FLOPS = 989e12  # dense bf16 peak in an H100's and H200's data sheet, by which published shares divide
FIRST_WAYS, LAST_WAYS = (OURS, PADDED, FP8), (PACKED, LIGER, FILLED, FP8_ROWWISE)
FP8_WAYS = (FP8, FP8_ROWWISE)
NEEDS = {FP8: "torchao", FP8_ROWWISE: "torchao", LIGER: "liger_kernel"}
RATE = "useful tokens/s, median"
# Name: float8's scaling, seed of the weights. The last two say how far apart curves are by chance.
BF16_CURVE = "bf16"
CURVES = {
    BF16_CURVE: (None, 0),
    "fp8, tensorwise": ("tensorwise", 0),
    "fp8, rowwise": ("rowwise", 0),
    "bf16, other weights": (None, 1),
    "bf16, other weights again": (None, 2),
}
FP8_CURVES = [curve for curve, (scaling, _) in CURVES.items() if scaling]


@dataclass(frozen=True)
class Size:
    """A model, and tokens of a packed pass at first.

    Args:
        model_config: YAML with the architecture.
        fp8: measure float8 too.
    """

    model_config: str
    tokens: int
    fp8: bool = True

    @property
    def name(self) -> str:
        """For the tables."""
        return Path(self.model_config).stem

    def compared(self, way: str) -> list[str]:
        """Names of the ways in float8 whose ratio needs this one."""
        return [f"{self.name}, {each}" for each in (FP8_WAYS if way == OURS and self.fp8 else ())]


@dataclass(frozen=True)
class Curves:
    """Losses of a model with and without float8, for a number of steps.

    Args:
        work: the rows and the model.
        learning_rate: after its rise.
        steps: of each curve.
    """

    work: Work
    learning_rate: float
    steps: int = 200

    def name(self, curve: str) -> str:
        """For the tables."""
        return f"{Path(self.work.model_config).stem}, loss, {curve}"

    def compared(self, curve: str) -> list[str]:
        """Names of the curves that mean nothing without this one."""
        return [self.name(each) for each in (FP8_CURVES if curve == BF16_CURVE else ())]


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long.

    Args:
        sizes: what matters most first.
        curves: of one model after another, when all sizes have been measured.
        limit: seconds in all; then what is being measured is stopped.
        way_limit: seconds of one way, with its start and its compiling.
        seconds: that the steps of each way are timed.
        fewest_tokens: of a packed pass; below, the way is given up.
        ceiling_size: rows of the matrices in the ceiling.
        only: words; measured is what has one of them in its name, and what its ratio needs. Everything if
            there is none.
    """

    sizes: tuple[Size, ...]
    curves: tuple[Curves, ...]
    limit: float = 540.0
    way_limit: float = 150.0
    seconds: float = 8.0
    fewest_tokens: int = 4096
    ceiling_size: int = 8192
    only: tuple[str, ...] = ()

    def ways(self) -> list[tuple[Size, str]]:
        """In the order in which they are measured: what the targets are about, then the rest."""
        first, *others = self.sizes
        aimed_at = [*((first, way) for way in FIRST_WAYS), *((size, OURS) for size in others)]
        rest = [(size, way) for ways in (FIRST_WAYS, LAST_WAYS) for size in self.sizes for way in ways]
        return [
            (size, way)
            for size, way in dict.fromkeys([*aimed_at, *rest])
            if (size.fp8 or way not in FP8_WAYS) and self.wants(f"{size.name}, {way}", *size.compared(way))
        ]

    def wanted_curves(self) -> list[tuple[Curves, str]]:
        """In the order in which they are measured."""
        return [
            (curves, curve)
            for curves in self.curves
            for curve in CURVES
            if self.wants(curves.name(curve), *curves.compared(curve))
        ]

    def works(self) -> list[str]:
        """Names of all that there is to measure, whatever ``only`` says."""
        everything = replace(self, only=())
        ways = [f"{size.name}, {way}" for size, way in everything.ways()]
        return [*ways, *(curves.name(curve) for curves, curve in everything.wanted_curves())]

    def check_only(self) -> None:
        """Raise UserError for a word of ``only`` that is in no name: it would measure nothing."""
        works = self.works()
        unknown = [word for word in self.only if not any(word in work for work in works)]
        if unknown:
            raise UserError(
                f"--only: nothing has {' or '.join(unknown)} in its name (capitals count). There is:\n"
                + "\n".join(f"  {work}" for work in works)
            )

    def wants(self, *works: str) -> bool:
        """Whether one of these is to be measured."""
        return not self.only or any(word in work for word in self.only for work in works)


@dataclass(frozen=True)
class Nothing:
    """There is no figure, and why."""

    reason: str


@dataclass
class Children:
    """Asks processes, one after another, until the time is up.

    Args:
        limit, way_limit: seconds of all and of each.
        say: is told what is being measured.
    """

    limit: float
    way_limit: float
    say: Callable[[str], None]
    _began: float = field(default_factory=time.monotonic)

    def answer(
        self, work: str, module: str, function: str, *arguments: object, lacks: str | None = None
    ) -> object | Nothing:
        """What the function returns; Nothing if it failed, for lack of time, or for what ``lacks`` says."""
        left = self._began + self.limit - time.monotonic()
        if lacks or left <= 0:
            return self._nothing(work, f"not measured: {lacks or 'the time was up'}")
        self.say(f"{work}: measuring")
        try:
            return in_child_within(min(left, self.way_limit), module, function, *arguments)
        except ChildFailed as error:
            return self._nothing(work, f"failed: {error}")

    def _nothing(self, work: str, reason: str) -> Nothing:
        self.say(f"{work}: {reason}")
        return Nothing(reason)


def check_gpu() -> None:
    """Raise UserError where there is no GPU on which these figures would mean something."""
    if not torch.cuda.is_available() or not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(
            "torch sees no GPU that computes in bf16, and on a CPU the published sizes take hours. Run it "
            "where nvidia-smi lists one (python scripts/doctor.py says what torch sees), or add --tiny to "
            "try all parts with a small model."
        )


def measure_gpu(plan: Plan, say: Callable[[str], None] = print) -> Iterator[list[dict]]:
    """All rows ``{work, metric, value}`` so far: after the ceiling, each way and each curve."""
    children = Children(plan.limit, plan.way_limit, say)
    here = "omnina.benchmarks.gpu_way"
    ceilings = children.answer("ceiling", here, "measure_ceilings", plan.ceiling_size)
    found: dict[tuple[Size, str], Measured | Nothing] = {}
    rows = _ceiling_rows(ceilings)
    yield rows
    for size, way in plan.ways():
        given = (way, size.model_config, size.tokens, plan.fewest_tokens, plan.seconds)
        answer = children.answer(f"{size.name}, {way}", here, "measure_way", *given, lacks=_lacks(way))
        found[size, way] = answer if isinstance(answer, Nothing) else Measured(**answer)
        rows = [*_ceiling_rows(ceilings), *_way_rows(found, ceilings)]
        yield rows
    for curve in _curve_rows(plan, children):
        rows = [*rows, *curve]
        yield rows


def _lacks(way: str) -> str | None:
    """What a way needs and is not here; None if nothing."""
    package = NEEDS.get(way)
    if package and find_spec(package) is None:
        return f"{EXTRAS[package]} is not installed (pip install -r requirements-gpu.txt)"
    return "its kernels need a GPU" if way == LIGER and not torch.cuda.is_available() else None


def _ceiling_rows(ceilings: dict[str, float] | Nothing) -> list[dict]:
    if isinstance(ceilings, Nothing):
        return [single("ceiling", "matrix product, TFLOP/s", ceilings.reason)]
    return [
        single("ceiling", f"{name} matrix product, TFLOP/s", value / 1e12) for name, value in ceilings.items()
    ]


def _way_rows(found: dict[tuple[Size, str], Measured | Nothing], ceilings: dict | Nothing) -> list[dict]:
    """Of each size its ways, and their ratios."""
    known = {} if isinstance(ceilings, Nothing) else ceilings
    rows = []
    for size in dict.fromkeys(size for size, _ in found):
        ways = {way: measured for (of, way), measured in found.items() if of == size}
        for way, measured in ways.items():
            rows += _figures(f"{size.name}, {way}", measured, known)
        rows += _ratios(size.name, ways)
    return rows


def _figures(work: str, measured: Measured | Nothing, ceilings: dict[str, float]) -> list[dict]:
    if isinstance(measured, Nothing):
        return [single(work, RATE, measured.reason)]
    reached = statistics.median(measured.flops)
    rates, ceiling = measured.rates, ceilings.get(measured.dtype)
    share = reached / ceiling if ceiling else None
    return [
        single(work, RATE, statistics.median(rates)),
        single(work, "lowest and highest step", f"{min(rates):,.0f} to {max(rates):,.0f}"),
        single(work, f"share of the measured {measured.dtype} ceiling", share),
        single(work, "share of 989 TFLOP/s", reached / ANCHOR_FLOPS),
        single(work, "a pass", measured.one_pass),
        single(work, "real tokens, share of computed", measured.real),
        single(work, "data wait, share of a step", measured.waited),
        single(
            work, "compiled graphs, after warming up and at the end", "{} and {}".format(*measured.graphs)
        ),
        single(work, "peak memory, GiB", measured.peak / 2**30),
        *([] if "Llama" in work else [single(work, "attention", measured.attention)]),
    ]


def _ratios(name: str, ways: dict[str, Measured | Nothing]) -> list[dict]:
    """Of median useful tokens per second, ours over each other way, and float8's over ours."""
    rates = {way: statistics.median(each.rates) for way, each in ways.items() if isinstance(each, Measured)}
    if OURS not in rates:
        return []
    ours = rates.pop(OURS)
    return [
        single(name, f"{way.removeprefix('ours, ')} over bf16", rate / ours)
        if way in FP8_WAYS
        else single(name, f"ours over {way}", ours / rate)
        for way, rate in rates.items()
    ]


def _curve_rows(plan: Plan, children: Children) -> Iterator[list[dict]]:
    """Of one curve after another: the mean training loss in each part of it."""
    for curves, curve in plan.wanted_curves():
        work, given = curves.name(curve), (vars(curves.work), curves.steps, curves.learning_rate)
        losses = children.answer(
            work, "omnina.benchmarks.float8_loss", "loss_curve", *given, *CURVES[curve], lacks=_lacks(FP8)
        )
        if isinstance(losses, Nothing):
            yield [single(work, "nats per token", losses.reason)]
        else:
            yield [single(work, f"nats per token, to step {end}", loss) for end, loss in losses]
