"""Some seconds of real steps of a run on this machine: how many tokens a second, how much memory.

In a process of its own, which holds nothing but the run. A step is the run's: its model, dtype, attention,
optimizer, passes of its size over documents of its lengths, gradients clipped. What the Trainer does around
it (logs, checkpoints, validation) is left out.

On a slow device a pass of the run's size may take longer than all the time there is: then passes are smaller,
and ``pass_tokens`` says how small.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from subprocess import CalledProcessError
from tempfile import TemporaryDirectory

import numpy as np
import torch
from transformers import Trainer

from omnina.attention import chosen_attention
from omnina.benchmarks.child import in_child
from omnina.benchmarks.memory import peak_bytes, small_steps
from omnina.benchmarks.training import run_pass, timed
from omnina.benchmarks.ways import OURS, Choices, Way
from omnina.checkpointed_layers import checkpoint_layers
from omnina.collation import FixedShape, FlatCollator, longest_bound
from omnina.errors import UserError
from omnina.fp8 import convert_layers
from omnina.matrix_optimizer import matrix_optimizer
from omnina.model import OmniNAForCausalLM
from omnina.packing import StepPlan, StepSampler, accumulation_steps
from omnina.planning.architecture import architecture_of
from omnina.planning.documents import length_of, load_documents, save_documents
from omnina.planning.settings import planned_settings
from omnina.run_settings import RunSettings
from omnina.tokenizer import EOS_ID
from omnina.trainer_settings import TrainerSettings

SECONDS = 12.0  # of passes; with what the libraries take to load, about 20 in all
PASSES_WANTED = 3  # of them a pass may take one part at most
FEWEST_PASSES = 3
WARMING_PASSES, WARMING_TOKENS = 2, 1024  # before others; of so many tokens, or the longest document


@dataclass(frozen=True)
class Measured:
    """What the child measured.

    Attributes:
        program_bytes: held before there was a model.
        pass_tokens, peak: the most tokens of a pass, and bytes at the peak.
        tokens, seconds: of the passes that were timed, together.
        optimizer_seconds: of one step of the optimizer, with clipping, once for all passes of a step.
    """

    program_bytes: int
    pass_tokens: int
    peak: int
    tokens: int
    seconds: float
    optimizer_seconds: float

    def tokens_per_second(self, step_tokens: float) -> float:
        """Of steps of so many tokens on this device, the optimizer's part counted once."""
        return step_tokens / (step_tokens * self.seconds / self.tokens + self.optimizer_seconds)


def calibrated(
    arguments: list[str], stage: str, rows: list[dict], processes: int, seconds: float = SECONDS
) -> Measured:
    """Steps of ``CONFIG.yaml [--key value ...]`` on documents, measured in a child.

    Args:
        arguments, stage: as ``planned_settings`` takes them.
        rows: ``input_ids`` and ``answer_start`` of each document.
        processes: among which the run divides its steps; one of them is measured.
        seconds: that passes are made for.

    Raises UserError where the system does not tell a process's peak of memory.
    """
    if not torch.cuda.is_available() and sys.platform != "linux":
        raise UserError("--calibrate reads the peak of memory from Linux's /proc; leave it out here.")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "documents.npz"
        save_documents(rows, path)
        given = (arguments, stage, str(path), processes, seconds)
        try:
            return Measured(**in_child("omnina.planning.calibration", "measured_steps", *given))
        except CalledProcessError as error:
            raise UserError(
                f"--calibrate: its process ended with status {error.returncode}; what it said stands above. "
                "If it was killed or out of memory, lower tokens_per_device."
            ) from error


def measured_steps(arguments: list[str], stage: str, documents: str, processes: int, seconds: float) -> dict:
    """A ``Measured``; for a child process."""
    run, args = planned_settings(arguments, stage, elsewhere=False)
    rows = load_documents(Path(documents))
    config = architecture_of(run)
    choices = Choices(config, args.device, args.bf16, run.token_weights().answers_only)
    small_steps(choices, OURS)  # what the libraries load is no part of the model
    program_bytes = peak_bytes(args.device)
    plan = _plan(run, rows, args.seed)
    passes = Passes(rows, plan, _way(run, args, choices, plan, processes), choices)
    steps = OptimizerSteps(passes.way.model, _optimizer(run, args, passes.way.model), args)
    return asdict(_measured(passes, steps, run.tokens_per_device, processes, seconds, program_bytes))


@dataclass
class Passes:
    """Passes over a run's documents, and what they took."""

    rows: list[dict]
    plan: StepPlan
    way: Way
    choices: Choices
    taken: list[tuple[int, float]] = field(default_factory=list)

    def of(self, tokens: int, processes: int = 1) -> Iterator[list[int]]:
        """Row ids of passes of so many tokens at most, without end; none is empty."""
        accumulation = accumulation_steps(self.plan.tokens_per_step, tokens, processes)
        sampler = StepSampler(self.plan, processes, 0, accumulation)
        return (batch for batch in sampler if len(batch))

    def make(self, batch: list[int]) -> None:
        """One, timed."""
        rows = [self.rows[place] for place in batch]
        seconds = timed(self.choices.device, lambda: run_pass(self.way, self.choices, rows))
        self.taken.append((sum(map(length_of, rows)), seconds))

    @property
    def most_tokens(self) -> int:
        """Of a pass so far."""
        return max(tokens for tokens, _ in self.taken)


@dataclass
class OptimizerSteps:
    """Steps of a run's optimizer, and the seconds that each took."""

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    args: TrainerSettings
    taken: list[float] = field(default_factory=list)

    def make(self) -> None:
        """One, timed, the gradients clipped before and forgotten after."""
        self.taken.append(timed(self.args.device, self._step))

    def _step(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.args.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()


def _measured(
    passes: Passes,
    steps: OptimizerSteps,
    pass_tokens: int,
    processes: int,
    seconds: float,
    program_bytes: int,
) -> Measured:
    small = passes.of(max(min(pass_tokens, WARMING_TOKENS), passes.plan.longest))
    for _ in range(WARMING_PASSES):  # the first loads and compiles, and leaves the optimizer its moments
        passes.make(next(small))
        steps.make()
    tokens, took = passes.taken[-1]
    most = max(affordable_tokens(pass_tokens, tokens / took, seconds), passes.plan.longest)
    accumulation = accumulation_steps(passes.plan.tokens_per_step, pass_tokens, processes)
    timed_passes = _timed_passes(passes, steps, passes.of(most, processes), accumulation, seconds)
    return Measured(
        program_bytes,
        passes.most_tokens,
        peak_bytes(passes.choices.device),
        sum(tokens for tokens, _ in timed_passes),
        sum(seconds for _, seconds in timed_passes),
        median(steps.taken[1:]),
    )


def affordable_tokens(wanted: int, tokens_per_second: float, seconds: float) -> int:
    """Tokens of a pass: as many as wanted, or as few as leave time for several such passes."""
    return min(wanted, int(tokens_per_second * seconds / PASSES_WANTED))


def _timed_passes(
    passes: Passes, steps: OptimizerSteps, batches: Iterator[list[int]], accumulation: int, seconds: float
) -> list[tuple[int, float]]:
    """(tokens, seconds) of each pass of the steps, the first, of a new size, left out."""
    passes.make(next(batches))
    first, end = len(passes.taken), time.perf_counter() + seconds
    while time.perf_counter() < end or len(passes.taken) < first + FEWEST_PASSES:
        passes.make(next(batches))
        if (len(passes.taken) - first) % accumulation == 0:
            steps.make()
    return passes.taken[first:]


def _plan(run: RunSettings, rows: list[dict], seed: int) -> StepPlan:
    lengths = np.array([length_of(row) for row in rows])
    return StepPlan(lengths, tokens_per_step=run.tokens_per_step, seed=seed, data_hash="calibration")


def _way(run: RunSettings, args: TrainerSettings, choices: Choices, plan: StepPlan, processes: int) -> Way:
    """The run's model, with random weights, and its batches."""
    cuda = args.device.type == "cuda"
    attention = chosen_attention(run.attention, cuda=cuda, half=choices.half)
    bins = processes * accumulation_steps(run.tokens_per_step, run.tokens_per_device, processes)
    shape = FixedShape.for_plan(plan, bins) if attention == "varlen" and run.compile_layers else None
    shares = choices.answers_only and attention == "per_document"
    longest = longest_bound(plan.lengths)
    collate = FlatCollator(longest, choices.answers_only, EOS_ID, shape, share_prefix=shares)
    model = OmniNAForCausalLM(choices.config, attention, run.dropout).to(args.device)
    return Way(_prepared(model, run, args).train(), collate)


def _prepared(model: OmniNAForCausalLM, run: RunSettings, args: TrainerSettings) -> torch.nn.Module:
    """With what the run's settings change in it."""
    if run.fp8:
        convert_layers(model, run.fp8_scaling, args.device)
    if run.compile_layers:
        model.compile_layers()
    checkpoint_layers(model, args.recomputed)
    if run.lora_rank:
        from omnina.lora import LoRA  # and with it peft

        return LoRA(run.lora_rank, run.lora_alpha, args.seed).applied(model)
    return model


def _optimizer(run: RunSettings, args: TrainerSettings, model: torch.nn.Module) -> torch.optim.Optimizer:
    if run.muon:
        return matrix_optimizer(model, args)
    kind, options = Trainer.get_optimizer_cls_and_kwargs(args, model)
    return kind([value for value in model.parameters() if value.requires_grad], **options)
