"""Learning rate schedules: each that transformers has works, or is refused before a table is read."""

import json

import pytest
import yaml
from answering import record, settings

from omnina import finetune
from omnina.config import PretrainSettings, parse_run
from omnina.errors import UserError
from omnina.schedule import schedule_arguments

CONFIG = ["configs/pretrain/example.yaml", "--max_steps", "100", "--warmup_steps", "5"]
STABLE = ["--lr_scheduler_type", "warmup_stable_decay"]


def parsed(*arguments: str):
    _, training = parse_run([*CONFIG, *arguments], PretrainSettings)
    return training


@pytest.mark.parametrize("length", [{"max_steps": 12}, {"max_steps": -1, "num_train_epochs": 3}])
@pytest.mark.parametrize("muon", [False, True])
def test_a_stable_rate_goes_down_over_the_last_steps_alone(world, tmp_path, length, muon):
    output = tmp_path / "out"
    schedule = {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 0.3}}
    finetune.main(settings(world, output, muon=muon, **schedule, **length))
    steps = record(output)["steps"]
    decay = int(0.3 * steps)
    written = yaml.safe_load((output / "config.yaml").read_text())
    assert decay > 1 and written["lr_scheduler_kwargs"] == {"num_decay_steps": decay}
    log = json.loads((output / "training_log.json").read_text())["log_history"]
    rates = [entry["learning_rate"] for entry in log if "learning_rate" in entry]
    assert len(rates) == steps and rates[: steps - decay] == [1e-2] * (steps - decay)
    falling = rates[steps - decay :]
    assert falling == sorted(falling, reverse=True) and 0 < falling[-1] < 5e-3


def test_the_usual_decay_is_a_tenth_of_all_steps():
    assert schedule_arguments(parsed(*STABLE), 100) == {"num_decay_steps": 10}
    given = parsed(*STABLE, "--lr_scheduler_kwargs", '{"num_decay_steps": 7, "decay_type": "1-sqrt"}')
    assert schedule_arguments(given, 100) == {"num_decay_steps": 7, "decay_type": "1-sqrt"}


@pytest.mark.parametrize("steps", [7, 15, 100, 3743])
def test_shares_that_fill_a_run_fit_however_they_are_rounded(steps):
    given = parsed(*STABLE, "--warmup_steps", "0.5", "--lr_scheduler_kwargs", '{"num_decay_steps": 0.5}')
    decay = schedule_arguments(given, steps)["num_decay_steps"]
    assert decay == steps // 2 and decay + given.get_warmup_steps(steps) == steps


def test_other_schedules_keep_what_they_were_given():
    assert schedule_arguments(parsed(), 100) is None


@pytest.mark.parametrize(
    ("schedule", "arguments", "message"),
    [
        ("cosine_with_min_lr", "{}", r"not what cosine_with_min_lr takes: .*min_lr"),
        ("cosine", '{"num_decay_steps": 3}', "unexpected keyword argument 'num_decay_steps'"),
        ("warmup_stable_decay", '{"decay_type": "steep"}', "Unknown decay type: steep"),
        ("warmup_stable_decay", '{"min_lr_ratio": "low"}', "not what warmup_stable_decay takes"),
        ("warmup_stable_decay", '{"num_decay_steps": 96}', r"num_decay_steps .96. does not fit after"),
        ("warmup_stable_decay", '{"num_decay_steps": -1}', "num_decay_steps .-1. does not fit"),
        ("warmup_stable_decay", '{"num_stable_steps": 50}', "num_stable_steps follows from the run's steps"),
        ("polynomial", '{"lr_end": 1}', "must be smaller than initial lr"),
    ],
)
def test_a_schedule_that_cannot_be_made_is_refused_at_once(schedule, arguments, message):
    with pytest.raises(UserError, match=message):
        parsed("--lr_scheduler_type", schedule, "--lr_scheduler_kwargs", arguments)


@pytest.mark.parametrize(
    ("schedule", "arguments"),
    [
        *((name, "{}") for name in ("linear", "constant", "constant_with_warmup", "cosine_with_restarts")),
        *((name, "{}") for name in ("inverse_sqrt", "polynomial", "reduce_lr_on_plateau")),
        ("cosine_with_min_lr", '{"min_lr_rate": 0.1}'),
        ("warmup_stable_decay", "{}"),
    ],
)
def test_every_other_one_is_accepted(schedule, arguments):
    parsed("--lr_scheduler_type", schedule, "--lr_scheduler_kwargs", arguments)


def test_an_end_is_reached_beside_muon(world, tmp_path):
    schedule = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr": 1e-3}}
    finetune.main(settings(world, tmp_path / "out", muon=True, **schedule))
    assert record(tmp_path / "out")["steps"] == 12
