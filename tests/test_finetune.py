"""From a pretrained checkpoint to answers and metrics, on tables whose answers can be learned."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from tables import random_dna, write_table
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from omnina import finetune
from omnina.chunking import parse_cell
from omnina.dataset import load_data
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query
from omnina.inference.questions import load_questions
from omnina.lora import LoRA
from omnina.model import OmniNAForCausalLM
from omnina.packing import FlatCollator
from omnina.rows import DataSettings
from omnina.tokenizer import load_tokenizer, save_tokenizer
from omnina.tokenizer_training import train_tokenizer
from omnina.trainer import OmniNATrainer

ROOT = Path(__file__).parents[1]
RICH, PART = "Is it rich in G and C?", "Which part is longer?"


class Killed(Exception):
    """Stands for a signal."""


def made_rows(count: int, seed: int) -> list[dict[str, str]]:
    """Half of them sequences with few or many G and C, half two labelled parts of different lengths."""
    generator = random.Random(seed)
    made = []
    for index in range(count):
        answer = generator.choice(["yes", "no"])
        weights = (1, 4, 4, 1) if answer == "yes" else (4, 1, 1, 4)
        bases = "".join(generator.choices("ACGT", weights, k=generator.randint(1, 90)))
        made.append({"question": RICH, "response": answer, "sequence": bases})
        lengths = (4, 12) if index % 2 else (12, 4)
        cell = " ".join(f"{name}:{random_dna(n, index)}" for name, n in zip("ab", lengths, strict=True))
        made.append({"question": PART, "response": "ba"[index % 2 == 0], "sequence": cell})
    return made


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Tables, and a checkpoint with random weights."""
    folder = tmp_path_factory.mktemp("world")
    write_table(folder / "train.csv", made_rows(60, 0))
    write_table(folder / "val.csv", made_rows(20, 1))
    train_tokenizer(
        [str(folder / "train.csv")],
        folder / "tokenizer",
        vocab_size=420,
        sample_bytes=100_000,
        text_share=0.3,
        seed=0,
    )
    tokenizer = load_tokenizer(folder / "tokenizer")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=512,
        bos_token_id=1, eos_token_id=2, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    OmniNAForCausalLM(config).save_pretrained(folder / "base")
    save_tokenizer(tokenizer, folder / "base")
    return folder


def settings(world: Path, output: Path, **changes) -> list[str]:
    values = {
        "train_files": str(world / "train.csv"),
        "validation_files": str(world / "val.csv"),
        "checkpoint": str(world / "base"),
        "max_length": 512,
        "tokens_per_step": 2048,
        "tokens_per_device": 1024,
        "max_steps": 12,
        "learning_rate": 1e-2,
        "dropout": 0.1,
        "output_dir": str(output),
        "cache_dir": str(world / "cache"),
        "save_steps": 6,
        "eval_steps": 6,
        "logging_steps": 1,
        "load_best_model_at_end": True,
        "metric_for_best_model": "accuracy",
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 3,
    } | changes
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(values))
    return [str(path)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def finished(world, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finetune.main(settings(world, folder))
    return folder


def test_a_run_leaves_a_plain_llama_its_questions_and_an_evaluation(finished):
    assert type(AutoModelForCausalLM.from_pretrained(finished)) is LlamaForCausalLM
    questions = load_questions(finished)
    assert {text: question.labels for text, question in questions.by_text.items()} == {
        RICH: ["no", "yes"],
        PART: ["a", "b"],
    }
    assert all(question.temperature != 1.0 for question in questions.by_text.values())
    files = {path.name for path in (finished / "evaluation").iterdir()}
    assert {"metrics.json", "metrics.csv", "metrics.md", "classes.csv"} <= files
    assert len([name for name in files if name.endswith(".png")]) == 8
    results = json.loads((finished / "evaluation" / "metrics.json").read_text())["results"]
    assert {"OmniNA", "majority", "k-mers"} <= set(results[RICH])


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
        str(world / "train.csv"), world / "base" / "tokenizer.json", 1, 2,
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


def test_killed_and_run_again_gives_the_same_weights(world, finished, tmp_path, monkeypatch):
    folder = tmp_path / "killed"
    original = OmniNATrainer.training_step

    def dying(self, *arguments, **options):
        if self.state.global_step == 8:
            raise Killed
        return original(self, *arguments, **options)

    monkeypatch.setattr(OmniNATrainer, "training_step", dying)
    with pytest.raises(Killed):
        finetune.main(settings(world, folder))
    monkeypatch.setattr(OmniNATrainer, "training_step", original)
    finetune.main(settings(world, folder))
    assert all(torch.equal(tensor, weights(finished)[name]) for name, tensor in weights(folder).items())


@pytest.mark.parametrize("place", ["omnina.training.finish", "omnina.finetune.finish_finetuning"])
def test_killed_after_the_last_step_the_end_is_made_up_for(world, finished, tmp_path, monkeypatch, place):
    def dying(*_):
        raise Killed

    folder = tmp_path / "killed"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, dying)
        finetune.main(settings(world, folder))
    monkeypatch.chdir(tmp_path)
    finetune.main(settings(world, folder))
    assert json.loads((folder / "run.json").read_text())["steps"] == 12
    assert all(torch.equal(tensor, weights(finished)[name]) for name, tensor in weights(folder).items())
    both = [
        json.loads((path / "evaluation" / "metrics.json").read_text())["results"]
        for path in (folder, finished)
    ]
    assert both[0] == both[1]


def test_lora_leaves_a_merged_plain_model(world, tmp_path):
    folder = tmp_path / "lora"
    finetune.main(settings(world, folder, lora_rank=4))
    assert type(AutoModelForCausalLM.from_pretrained(folder)) is LlamaForCausalLM
    base, tuned = weights(world / "base"), weights(folder)
    assert base.keys() == tuned.keys()
    changed = {name for name in base if not torch.equal(base[name], tuned[name])}
    assert changed == {name for name in base if "_proj" in name}
    assert Answerer(folder).answer([Query(parse_cell("ACGT"), RICH)])[0].text in ("yes", "no")


def test_merged_adapters_equal_applied_ones(small_model, rows, collator):
    lora = LoRA(rank=4, alpha=None, seed=0)
    applied = lora.applied(small_model)
    with torch.no_grad():
        for name, parameter in applied.named_parameters():
            if "lora_B" in name:  # zero at the start: nothing would be told apart
                parameter.normal_(0, 0.1)
    batch = collator(rows)
    before = applied(**batch).loss
    after = lora.merged(applied)(**batch).loss
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)


def test_two_processes_answer_like_one(world, finished, tmp_path):
    """MULTI_GPU is what gives two real processes where there is no GPU."""
    folder = tmp_path / "two"
    config = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU", "num_machines": 1}
    config |= {"num_processes": 2, "machine_rank": 0, "mixed_precision": "no", "use_cpu": False}
    (tmp_path / "accelerate.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    command += [str(tmp_path / "accelerate.yaml"), "--main_process_port", "0", "-m", "omnina.finetune"]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ACCELERATE_")}
    command += settings(world, folder)
    done = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    records = [json.loads((path / "run.json").read_text()) for path in (finished, folder)]
    one, two = (record["validation_at_start"] for record in records)
    assert "eval_brier" in one
    assert two == pytest.approx(one, abs=1e-5)  # later, rounding in training would tell them apart
    assert records[0]["validation_at_end"].keys() == records[1]["validation_at_end"].keys()


def test_early_stopping_stops(world, tmp_path):
    folder = tmp_path / "early"
    finetune.main(
        settings(world, folder, learning_rate=1e-9, early_stopping_patience=1, eval_steps=2, save_steps=2)
    )
    assert json.loads((folder / "run.json").read_text())["steps"] < 12


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": "output/nowhere/pretrain"}, "'bash pretrain.sh' makes it"),
        ({"metric_for_best_model": "mccc"}, "there is no 'mccc'; there are: loss"),
        ({"lora_rank": 0}, "lora_rank"),
        ({"label_sets": {RICH: ["yes"]}}, "leave out 'no'"),
        ({"label_sets": {"Why?": ["yes"]}}, "which no training row asks"),
        ({"train_weights": [1.0, 2.0]}, "2 train_weights for 1 tables"),
        ({"strand_free_questions": ["Is it rich in G or C?"]}, "Did you mean 'Is it rich in G and C"),
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
