"""Fine-tuning shared out to two processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from answering import record, settings

from omnina import finetune

ROOT = Path(__file__).parents[1]


SOFT = {"loss_weights": {"sequence": 0.1}, "label_smoothing": 0.1, "answer_balance": 0.5}


@pytest.mark.parametrize("objective", [{}, SOFT], ids=["plain", "soft"])
def test_two_processes_answer_like_one(world, tmp_path, objective):
    """MULTI_GPU is what gives two real processes where there is no GPU."""
    config = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU", "num_machines": 1}
    config |= {"num_processes": 2, "machine_rank": 0, "mixed_precision": "no", "use_cpu": False}
    (tmp_path / "accelerate.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    command += [str(tmp_path / "accelerate.yaml"), "--main_process_port", "0", "-m", "omnina.finetune"]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ACCELERATE_")}
    # Dropout would draw other masks; with larger steps rounding alone tells the runs apart.
    gentle = {"dropout": 0.0, "learning_rate": 1e-3, "max_steps": 6} | objective
    finetune.main(settings(world, tmp_path / "one", **gentle))
    command += settings(world, tmp_path / "two", **gentle)
    done = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (record(tmp_path / name) for name in ("one", "two"))
    for place in ("validation_at_start", "validation_at_end"):
        assert "eval_brier" in one[place]
        assert two[place] == pytest.approx(one[place], abs=1e-6)
    assert one["validation_at_end"]["eval_loss"] < one["validation_at_start"]["eval_loss"] - 0.1
