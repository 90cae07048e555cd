"""What happens around a step of training, beside the step itself."""

import time

import numpy as np
import torch
from transformers import TrainerCallback

from omnina.packing import StepPlan
from omnina.preemption import Preemption
from omnina.ranks import any_rank
from omnina.watchdog import Watchdog


class Clock(TrainerCallback):
    """Seconds of training, validation included, over all calls that worked on the run."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Go on counting where the log ends."""
        earlier = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self._began = time.perf_counter() - earlier

    @property
    def seconds(self) -> float:
        """So far."""
        return time.perf_counter() - self._began


class TrueEpoch(TrainerCallback):
    """The Trainer cannot know the epoch of an endless loader; the plan does."""

    def __init__(self, plan: StepPlan) -> None:
        self.plan = plan

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Write it into the state."""
        state.epoch = self.plan.epoch(state.global_step)


class StepsOfSettings(TrainerCallback):
    """How often a run logs, validates and saves follows its settings; transformers keeps the checkpoint's."""

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Take the settings' in place of the checkpoint's."""
        state.compute_steps(args, state.max_steps)


class DropoutSeed(TrainerCallback):
    """Dropout's random numbers follow from the seed, the step and the process alone.

    So a resumed step draws what the uninterrupted run drew, micro-batch after micro-batch, and no two
    processes draw the same. With another number of processes, rows lie elsewhere and masks differ: the run
    is then equal in distribution only. Nothing else draws from these generators; rows have their own.
    """

    def on_step_begin(self, args, state, control, **kwargs) -> None:
        """Seed torch anew."""
        of_step = np.random.SeedSequence([args.seed, state.global_step, args.process_index])
        torch.manual_seed(int(of_step.generate_state(1, np.uint64)[0]))


class AgreedStop(TrainerCallback):
    """Asks all processes after every step whether one of them was told to stop; then they save together.

    Attributes:
        agreed: whether they do.
    """

    def __init__(self, preemption: Preemption, watchdog: Watchdog) -> None:
        self.preemption, self.watchdog, self.agreed = preemption, watchdog, False

    def on_step_end(self, args, state, control, **kwargs) -> None:
        """Agree, and ask for a checkpoint."""
        self.watchdog.beat()
        if any_rank(self.preemption.requested):
            self.agreed = control.should_save = True
