"""From a pretrained checkpoint to answers and metrics, on tables whose answers can be learned."""

import json

import numpy as np
import pytest
from answering import PART, RICH, made_rows, record, settings
from tables import write_table
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from omnina import finetune
from omnina.collation import FlatCollator
from omnina.dataset import load_data
from omnina.errors import UserError
from omnina.inference.questions import load_questions
from omnina.tables.rows import DataSettings
from omnina.tokenizer import load_tokenizer


def test_a_run_leaves_a_plain_llama_its_questions_and_an_evaluation(finished):
    assert type(AutoModelForCausalLM.from_pretrained(finished)) is LlamaForCausalLM
    questions = load_questions(finished)
    assert {text: question.labels for text, question in questions.by_text.items()} == {
        RICH: ["no", "yes"],
        PART: ["a", "b"],
    }
    files = {path.name for path in (finished / "evaluation").iterdir()}
    assert {"metrics.json", "metrics.csv", "metrics.md", "classes.csv"} <= files
    assert len([name for name in files if name.endswith(".png")]) == 8
    record = json.loads((finished / "evaluation" / "metrics.json").read_text())
    assert {"OmniNA", "majority", "k-mers"} <= set(record["results"][RICH])
    for text, question in questions.by_text.items():
        found = record["calibration"][text]
        assert found["temperature"] == question.temperature
        assert found["calibration_error"][1] <= found["calibration_error"][0]


def test_metrics_are_logged_during_training_and_choose_the_best_checkpoint(finished):
    history = json.loads((finished / "checkpoint-12" / "trainer_state.json").read_text())
    found = [entry for entry in history["log_history"] if "eval_accuracy" in entry]
    assert [entry["step"] for entry in found] == [0, 6, 12]
    assert "eval_Is_it_rich_in_G_and_C_mcc" in found[0]
    best = max(found[1:], key=lambda entry: entry["eval_accuracy"])
    assert history["best_metric"] == pytest.approx(best["eval_accuracy"])


def test_the_metric_during_training_is_that_of_the_saved_checkpoint(finished, world):
    record = json.loads((finished / "run.json").read_text())
    results = json.loads((finished / "evaluation" / "metrics.json").read_text())["results"]
    for name, question in (("Is_it_rich_in_G_and_C", RICH), ("Which_part_is_longer", PART)):
        assert record["validation_at_end"][f"eval_{name}_accuracy"] == results[question]["OmniNA"]["accuracy"]


def test_only_answers_are_supervised(world, finished):
    data = load_data(
        str(world / "train.csv"), (world / "base" / "tokenizer.json").read_text(encoding="utf-8"), 1, 2,
        DataSettings(512, True, None, source_column="question"), cache_dir=world / "cache",
    )  # fmt: skip
    tokenizer = load_tokenizer(world / "base")
    collator = FlatCollator(512, answers_only=True, filler_id=2)
    for row, cells in zip(range(len(data)), made_rows(60, 0), strict=True):
        labels = collator([data[row]])["labels"][0]
        supervised = labels[labels != -100]
        assert tokenizer.decode(supervised) == f"{cells['response']} </s>"


def test_a_second_call_says_that_the_run_is_finished(world, finished, capsys):
    finetune.main(settings(world, finished))
    assert "this run is finished" in capsys.readouterr().out


def test_bad_rows_are_left_out_of_training_and_evaluation(world, tmp_path, capsys):
    bad = {"question": RICH, "response": "yes", "sequence": "ACGX"}
    for name, seed in (("train", 0), ("val", 1)):
        write_table(tmp_path / f"{name}.csv", [bad, *made_rows(20, seed)])
    folder = tmp_path / "run"
    files = {
        f"{key}_files": str(tmp_path / f"{name}.csv")
        for key, name in (("train", "train"), ("validation", "val"))
    }
    steps = {"max_steps": 2, "eval_steps": 2, "save_steps": 2}
    finetune.main(settings(world, folder, bad_rows="skip", **files, **steps))
    assert f"the first: {tmp_path}/val.csv:2: " in capsys.readouterr().out
    results = json.loads((folder / "evaluation" / "metrics.json").read_text())["results"]
    assert results[RICH]["OmniNA"]["n"] == 20


def test_tables_are_mixed_by_weight(world, tmp_path, capsys):
    write_table(tmp_path / "few.csv", made_rows(4, 7))
    files = [str(world / "train.csv"), str(tmp_path / "few.csv")]
    folder = tmp_path / "mixed"
    changes = {
        "train_files": files,
        "train_weights": [1, 3],
        "max_steps": 2,
        "eval_steps": 2,
        "save_steps": 2,
    }
    finetune.main(settings(world, folder, **changes))
    out = capsys.readouterr().out
    assert f"{64:>9,}{60 + 12:>10,}" in out  # rows of the question, and how often an epoch asks it


def test_a_strand_free_question_of_other_tables_is_told_and_plays_no_part(world, tmp_path, capsys):
    changes = {"strand_free_questions": ["Does it code?"], "max_steps": 2, "eval_steps": 2, "save_steps": 2}
    finetune.main(settings(world, tmp_path / "run", **changes))
    assert "no training row asks 'Does it code?', so it plays no part here" in capsys.readouterr().out


def test_questions_that_differ_in_punctuation_are_measured_apart(world, tmp_path, monkeypatch):
    for name, seed in (("train", 0), ("val", 1)):
        rows = made_rows(20, seed)
        renamed = {RICH: "Well?", PART: "Well!"}
        write_table(tmp_path / f"{name}.csv", [row | {"question": renamed[row["question"]]} for row in rows])
    files = {"train_files": str(tmp_path / "train.csv"), "validation_files": str(tmp_path / "val.csv")}
    monkeypatch.setattr("omnina.evaluation.run.finish_finetuning", lambda *_: None)
    steps = {"max_steps": 2, "eval_steps": 2, "save_steps": 2}
    finetune.main(settings(world, tmp_path / "run", **files, **steps))
    found = record(tmp_path / "run")["validation_at_end"]
    briers = [found["eval_Well_brier"], found["eval_Well_2_brier"]]
    assert briers[0] != briers[1]
    assert found["eval_brier"] == pytest.approx(np.mean(briers))
    assert found["eval_Well_annotation_loss"] != found["eval_Well_2_annotation_loss"]


def test_mixing_is_checked_before_anything_is_tokenised(world, tmp_path):
    changes = {"train_weights": [1.0, 2.0], "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(UserError, match="2 train_weights for 1 tables"):
        finetune.main(settings(world, tmp_path / "run", **changes))
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": "output/nowhere/pretrain"}, "'bash pretrain.sh' makes it"),
        ({"metric_for_best_model": "mccc"}, "there is no 'mccc'; there are: loss"),
        (
            {"metric_for_best_model": "nope", "load_best_model_at_end": False, "early_stopping_patience": 1},
            "there is no 'nope'; there are: loss",
        ),
        ({"lora_rank": 0}, "lora_rank"),
        ({"label_sets": {RICH: ["yes"]}}, "leave out 'no'"),
        ({"label_sets": {"Why?": ["yes"]}}, "which no training row asks"),
        ({"strand_free_questions": ["is it rich in G and C"]}, "Did you mean 'Is it rich in G and C"),
        ({"label_sets": {RICH: [True, False]}}, "True is no text; quote it"),
        ({"min_bases": 200}, "unknown key 'min_bases'"),
    ],
)
def test_settings_that_cannot_work(world, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        finetune.main(settings(world, tmp_path / "run", **changes))


def test_the_loss_of_a_learnable_question_falls(world, finished):
    record = json.loads((finished / "run.json").read_text())
    losses = [record[f"validation_at_{place}"]["eval_loss"] for place in ("start", "end")]
    assert losses[1] < 0.7 * losses[0]
    assert np.isfinite(losses).all()
