"""kill -9 of fine-tuning, in a step and while its end is evaluated, with a checkpoint limit of one."""

import json
from functools import partial
from pathlib import Path

import pytest
import run_child
from answering import make_world, record, same_weights, settings
from fault_injection import at_call, kill
from faults_world import STEP

pytestmark = pytest.mark.slow

# what is called, which call, killed after it or before, in words, steps done, step that is gone on from
MOMENTS = [
    (*STEP, 9, False, "in step 9 of fine-tuning", 8, 6),
    ("omnina.evaluation.run", "evaluate", 1, False, "before the end of fine-tuning is evaluated", 12, 12),
    ("omnina.evaluation.files", "_write_csv", 1, True, "while the evaluation is written", 12, 12),
    ("omnina.checkpoints.writing", "shutil.rmtree", 5, False, "while an old checkpoint is removed", 12, 12),
]  # fmt: skip


@pytest.fixture(scope="module")
def finetuning(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("finetuning")
    make_world(folder)
    return folder


def run(folder: Path, name: str, *faults: run_child.Fault) -> tuple[int, str]:
    arguments = settings(folder, folder / name, save_total_limit=1, metric_for_best_model="loss")
    return run_child.run("finetune", arguments, folder / f"{name}.log", *faults)


@pytest.fixture(scope="module")
def undisturbed(finetuning) -> Path:
    status, log = run(finetuning, "undisturbed")
    assert status == 0, log
    return finetuning / "undisturbed"


def results(folder: Path) -> dict:
    return json.loads((folder / "evaluation" / "metrics.json").read_text())["results"]


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment[4].replace(" ", "_"))
def test_killed(finetuning, undisturbed, record_property, moment):
    module, function, call, after, words, done, begin = moment
    name = words.replace(" ", "_")
    status, log = run(finetuning, name, partial(at_call, kill, module, function, call, after=after))
    assert status == -9, log
    status, log = run(finetuning, name)
    assert status == 0, log
    folder = finetuning / name
    assert same_weights(folder, undisturbed)
    assert record(folder)["validation_at_end"] == record(undisturbed)["validation_at_end"]
    assert results(folder) == results(undisturbed)
    lost = f"{done - begin} step(s), made again" if done > begin else "nothing"
    record_property("fault", (f"kill -9: {words}", f"goes on at step {begin}, evaluates", lost))
