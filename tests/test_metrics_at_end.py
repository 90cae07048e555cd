"""The figures of a run's end are those of the weights that it leaves, measured once."""

import pytest
from answering import settings

from omnina import finetune
from omnina.trainer import OmniNATrainer

LAST = {"load_best_model_at_end": False}
BEST = {"metric_for_best_model": "loss", "greater_is_better": True}  # the first: the loss falls


@pytest.fixture
def ended(monkeypatch):
    """Runs, and returns the trainer, the metrics of the end, and how often it validated."""

    def run(arguments: list[str]) -> tuple[OmniNATrainer, dict[str, float], int]:
        original, seen, calls = OmniNATrainer.evaluate, [], []

        def finish(_, trainer, metrics, seconds):
            seen.extend([trainer, metrics])

        def counted(self, *values, **options):
            calls.append(self.state.global_step)
            return original(self, *values, **options)

        with monkeypatch.context() as patch:
            patch.setattr(OmniNATrainer, "evaluate", counted)
            patch.setattr(
                "omnina.training.finish", lambda _, trainer, metrics, __: seen.extend([trainer, metrics])
            )
            patch.setattr("omnina.evaluation.run.finish_finetuning", lambda *_: None)
            finetune.main(arguments)
        return *seen, len(calls)

    return run


@pytest.mark.parametrize(("changes", "step"), [(LAST, 12), (BEST, 6)], ids=["last", "best"])
def test_the_weights_of_the_end_are_not_validated_again(world, tmp_path, ended, changes, step):
    trainer, metrics, validations = ended(settings(world, tmp_path / "run", **changes))
    assert validations == 3  # before the first step, after 6 and after 12
    logged = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert metrics["eval_loss"] == next(e["eval_loss"] for e in logged if e["step"] == step)
    assert len({entry["eval_loss"] for entry in logged}) == 3  # so the wrong one would be seen
    assert trainer.evaluate() == metrics


def test_the_figures_are_those_of_the_checkpoint_where_the_best_validation_left_none(world, tmp_path, ended):
    """Validated at 2, 4 and 6, saved at 4 alone besides the end: the best, at 2, cannot be loaded."""
    changes = BEST | {"eval_steps": 2, "save_steps": 4, "max_steps": 6}
    trainer, metrics, _ = ended(settings(world, tmp_path / "run", **changes))
    assert trainer.state.best_global_step == 2
    assert trainer.evaluate() == metrics


def test_after_a_validation_of_other_rows_the_end_is_measured(world, tmp_path, ended):
    folder = tmp_path / "run"
    _, of_all, _ = ended(settings(world, folder, **LAST))
    trainer, of_few, validations = ended(settings(world, folder, validation_documents=7, **LAST))
    assert validations == 1
    assert of_few != of_all
    assert trainer.evaluate() == of_few


def test_without_validations_in_training_the_end_is_measured(world, tmp_path, ended):
    changes = {"eval_strategy": "no", "eval_on_start": False, "max_steps": 2, "metric_for_best_model": None}
    trainer, metrics, validations = ended(settings(world, tmp_path / "run", **LAST, **changes))
    assert validations == 1
    assert trainer.evaluate() == metrics
