"""The average of the weights: its numbers, what it is used for, and runs that go on with it."""

import shutil

import pytest
import torch
from answering import record, same_weights, settings, validations, weights
from dying import kill_at, kill_before_the_end
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM

from omnina import finetune
from omnina.checkpoints.choice import checkpoint_fault
from omnina.checkpoints.training_weights import TRAINING_WEIGHTS
from omnina.errors import UserError
from omnina.health import StepHealth
from omnina.weight_average import WeightAverage

LAST = {"load_best_model_at_end": False, "metric_for_best_model": None}
AVERAGED = {"ema_decay": 0.8}


@pytest.fixture(autouse=True)
def _no_evaluation(monkeypatch):
    """Of the model at the end, which takes longer than the runs."""
    monkeypatch.setattr("omnina.evaluation.run.finish_finetuning", lambda *_: None)
    monkeypatch.setattr("omnina.report.page.report_run", lambda *_: None)


def raw(checkpoint) -> dict[str, torch.Tensor]:
    """The weights that training goes on from."""
    return load_file(checkpoint / TRAINING_WEIGHTS)


def share(step: int, decay: float) -> float:
    return min(decay, (1 + step) / (10 + step))


def test_its_numbers_written_out():
    """Decays 2/11 and 3/12, then no more than 0.26: 0 -> 9/11 -> (9/11)/4 + 3 * 2/4 -> ..."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    average = WeightAverage(model, 0.26)
    expected = 0.0
    for step, (value, decay) in enumerate([(1.0, 2 / 11), (2.0, 3 / 12), (3.0, 0.26), (4.0, 0.26)], 1):
        model.weight.data.fill_(value)
        average.update(step)
        expected = decay * expected + (1 - decay) * value
        with average.in_model():
            assert model.weight.item() == pytest.approx(expected)
        assert model.weight.item() == value


def test_weights_come_back_where_validation_fails():
    model = nn.Linear(3, 2)
    average, before = WeightAverage(model, 0.9), model.weight.detach().clone()
    model.weight.data.add_(1)
    with pytest.raises(UserError), average.in_model():
        assert torch.equal(model.weight, before)
        raise UserError("no such metric")
    assert torch.equal(model.weight, before + 1)


def test_frozen_weights_are_left_alone():
    model = nn.Linear(3, 2)
    model.weight.requires_grad_(False)
    average = WeightAverage(model, 0.9)
    model.weight.data.fill_(1.0)
    with average.in_model():
        assert (model.weight == 1).all()


@pytest.fixture
def left_out(monkeypatch):
    """Step 2 of a run is left out."""
    original, seen = StepHealth.fault, []

    def fault(self, loss, norm):
        seen.append(loss)
        return original(self, float("nan") if len(seen) == 2 else loss, norm)

    monkeypatch.setattr(StepHealth, "fault", fault)


def test_a_checkpoint_has_the_average_of_all_steps_but_those_left_out(world, tmp_path, left_out):
    folder = tmp_path / "run"
    finetune.main(settings(world, folder, max_steps=4, save_steps=1, eval_steps=4, **LAST, **AVERAGED))
    expected, before = weights(world / "base"), None
    for step in range(1, 5):
        now, checkpoint = raw(folder / f"checkpoint-{step}"), weights(folder / f"checkpoint-{step}")
        if step == 2:
            assert all(torch.equal(now[name], before[name]) for name in now)
        else:
            decay = share(step, 0.8)
            expected = {name: decay * expected[name] + (1 - decay) * now[name] for name in now}
        for name in now:
            torch.testing.assert_close(checkpoint[name], expected[name], rtol=0, atol=1e-6)
        before = now
    assert same_weights(folder, folder / "checkpoint-4")
    assert not torch.equal(weights(folder)["model.norm.weight"], before["model.norm.weight"])
    AutoModelForCausalLM.from_pretrained(folder / "checkpoint-4")


def test_training_goes_its_own_way_and_validation_is_of_the_average(world, finished, tmp_path, monkeypatch):
    """Raw weights are those of the run without an average; figures are those of the model that is left."""
    seen = []
    monkeypatch.setattr(
        "omnina.training.finish", lambda _, trainer, metrics, __: seen.append((trainer, metrics))
    )
    finetune.main(settings(world, tmp_path / "run", **LAST, **AVERAGED))
    checkpoint, plain = raw(tmp_path / "run" / "checkpoint-12"), weights(finished / "checkpoint-12")
    assert all(torch.equal(checkpoint[name], plain[name]) for name in plain)
    [(trainer, metrics)] = seen
    assert trainer.average is None
    assert trainer.evaluate() == metrics
    assert validations(tmp_path / "run" / "checkpoint-12") != validations(finished / "checkpoint-12")


BEST = {"metric_for_best_model": "loss", "greater_is_better": True}  # the first: the loss falls
CASES = {"last": LAST, "best": BEST, "adapters": LAST | {"lora_rank": 4}, "muon": LAST | {"muon": True}}


@pytest.mark.parametrize("case", CASES)
def test_killed_and_run_again_gives_the_same_weights(world, tmp_path, case):
    folders = [tmp_path / name for name in ("whole", "killed", "killed_at_the_end")]
    whole, killed, at_the_end = (settings(world, path, **AVERAGED, **CASES[case]) for path in folders)
    finetune.main(whole)
    kill_at(8, killed)
    kill_before_the_end(at_the_end)
    for arguments, folder in ((killed, folders[1]), (at_the_end, folders[2])):
        finetune.main(arguments)
        assert same_weights(folder, folders[0])
        assert record(folder)["validation_at_end"] == record(folders[0])["validation_at_end"]
        ours, theirs = (raw(path / "checkpoint-12") for path in (folder, folders[0]))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    if case == "best":
        assert same_weights(folders[0], folders[0] / "checkpoint-6")


@pytest.fixture(scope="module")
def averaged(world, tmp_path_factory):
    """A run of six steps with an average."""
    folder = tmp_path_factory.mktemp("averaged") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("omnina.evaluation.run.finish_finetuning", lambda *_: None)
        patch.setattr("omnina.report.page.report_run", lambda *_: None)
        finetune.main(settings(world, folder, max_steps=6, **AVERAGED))
    return folder


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_a_damaged_file_is_noticed(averaged, tmp_path, damage):
    copy = shutil.copytree(averaged / "checkpoint-6", tmp_path / "checkpoint-6")
    assert checkpoint_fault(copy) is None
    path = copy / TRAINING_WEIGHTS
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert checkpoint_fault(copy).startswith(TRAINING_WEIGHTS)


def test_it_cannot_begin_end_or_change_on_the_way(world, finished, averaged, tmp_path):
    with pytest.raises(UserError, match=r"ema_decay: there 0\.8, here 0\.9"):
        finetune.main(settings(world, averaged, max_steps=6, ema_decay=0.9))
    resumes = [
        (averaged / "checkpoint-6", {}, "its weights are an average; go on with the ema_decay of its run"),
        (finished / "checkpoint-6", AVERAGED, "its weights are no average; go on without ema_decay"),
    ]
    for checkpoint, changes, message in resumes:
        started = ["--resume_from_checkpoint", str(checkpoint)]
        with pytest.raises(UserError, match=message):
            finetune.main([*settings(world, tmp_path / "other", **changes), *started])


def test_it_is_refused_where_the_model_would_be_sharded(world, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(UserError, match=r"ema_decay needs whole weights .* leave ACCELERATE_CONFIG out"):
        finetune.main(settings(world, tmp_path / "run", **AVERAGED))
