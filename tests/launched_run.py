"""Run by tests under accelerate's launcher: a stage, and a report by each process of how it was run.

    launched_run.py REPORT_FOLDER STAGE CONFIG.yaml [--key value ...]

FSDP2 does run on CPUs with gloo, but accelerate takes CPUs for what FSDP cannot run on: it is told otherwise
just before it looks.
"""

import json
import os
import sys
from importlib import import_module
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from omnina import packing
from omnina.shards import plan as shard_plan
from omnina.trainer import OmniNATrainer

SMALL_SHARD_BYTES = 4096  # so that the tests' tables lie in several shards


def main() -> None:
    report, stage, *arguments = sys.argv[1:]
    seen: dict = {"rows": {}, "rank": int(os.environ.get("RANK", "0"))}
    _record_rows(seen["rows"])
    _record_engine(seen)
    _record_end(seen)
    let_fsdp_run_on_cpus()
    shard_plan.SHARD_BYTES = SMALL_SHARD_BYTES
    import_module(f"omnina.{stage}").main(arguments)
    path = Path(report) / f"{seen['rank']}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(seen))


def _record_rows(rows: dict) -> None:
    """Row ids of each of this process's micro-batches, by step, as they are asked for."""
    original = packing.StepSampler.micro_batches

    def micro_batches(self, step):
        found = original(self, step)
        rows.setdefault(step, found)
        return found

    packing.StepSampler.micro_batches = micro_batches


def _record_engine(seen: dict) -> None:
    """What wrapped the model, at the end of training."""
    original = OmniNATrainer.train

    def train(self, *args, **kwargs):
        found = original(self, *args, **kwargs)
        parameters = list(self.model.parameters())
        policy = self.accelerator.state.fsdp_plugin.mixed_precision_policy if self.is_fsdp_enabled else None
        seen.update(
            world_size=self.args.world_size,
            wrapper=type(self.model_wrapped).__name__,
            is_fsdp2=self.accelerator.is_fsdp2,
            dtensors=sum(isinstance(parameter, DTensor) for parameter in parameters),
            parameters=len(parameters),
            wrapped_layers=sum(type(m).__name__ == "FSDPDecoderLayer" for m in self.model.modules()),
            policy=None
            if policy is None
            else [str(policy.param_dtype), str(policy.reduce_dtype), str(policy.output_dtype)],
            recomputed=sum(bool(getattr(m, "gradient_checkpointing", False)) for m in self.model.modules()),
            node=os.environ.get("GROUP_RANK"),
        )
        return found

    OmniNATrainer.train = train


def _record_end(seen: dict) -> None:
    """Whether this process takes itself for the main one, where only the end of a run is made up for."""
    original = OmniNATrainer.load_end

    def load_end(self, *args):
        original(self, *args)
        seen["is_main"] = self.state.is_world_process_zero

    OmniNATrainer.load_end = load_end


def let_fsdp_run_on_cpus() -> None:
    """Nothing, unless the launcher wants FSDP."""
    if "ACCELERATE_USE_FSDP" not in os.environ:
        return
    original = OmniNATrainer.create_accelerator_and_postprocess

    def create(self):
        PartialState()
        PartialState._shared_state["distributed_type"] = DistributedType.MULTI_GPU
        original(self)

    OmniNATrainer.create_accelerator_and_postprocess = create


if __name__ == "__main__":
    main()
