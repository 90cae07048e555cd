"""Pretraining under a launcher, where one process suffers a fault.

python faulty_rank.py RANK|all FAULT CONFIG.yaml
"""

import errno
import os
import signal
import sys
from functools import partial

from fault_injection import at_call, fail_with, hang, kill, not_a_number, send, spoil_loss
from launched_run import let_fsdp_run_on_cpus

from omnina.command import run_command
from omnina.pretrain import main

TRAINER = "omnina.trainer"


def tell_the_launcher() -> None:
    """As Slurm does, which knows the launcher alone."""
    os.kill(os.getppid(), signal.SIGTERM)


FAULTS = {
    "none": lambda: None,
    "kill": partial(at_call, kill, TRAINER, "OmniNATrainer.training_step", 5),
    "signal": partial(at_call, partial(send, signal.SIGUSR1), TRAINER, "OmniNATrainer.training_step", 5),
    "hang": partial(at_call, hang, TRAINER, "OmniNATrainer.training_step", 5),
    "nan": partial(spoil_loss, not_a_number, range(5, 6)),
    "launcher": partial(at_call, tell_the_launcher, TRAINER, "OmniNATrainer.training_step", 5),
    "disk": partial(at_call, partial(fail_with, errno.ENOSPC), TRAINER, "OmniNATrainer._save_rng_state", 3),
}

if __name__ == "__main__":
    rank, fault, *arguments = sys.argv[1:]
    let_fsdp_run_on_cpus()
    if rank in ("all", os.environ["RANK"]):
        FAULTS[fault]()
    run_command(lambda: main(arguments))
