"""Runs of the real entry point on a few rows: what resuming, sharing out and saving must keep."""

import json
import math
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from omnina import pretrain
from omnina.errors import UserError
from omnina.vocabulary.training import train_tokenizer

ROOT = Path(__file__).parents[1]
EVAL_KEYS = {"loss", "sequence_loss", "annotation_loss", "bits_per_base"}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    """Two small tables, a tokenizer and an architecture; answers follow from the sequences."""
    folder = tmp_path_factory.mktemp("tables")
    generator = random.Random(0)
    for name, rows in (("train", 60), ("val", 12)):
        lines = ["sequence,response,source"]
        for index in range(rows):
            sequence = "".join(generator.choices("ACGT", k=generator.randint(200, 400)))
            lines.append(f"{sequence},{'gene' if index % 2 else 'repeat'} number {index},{'ab'[index % 2]}")
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    report = train_tokenizer(
        [str(folder / "train.csv")],
        folder / "tokenizer",
        vocab_size=420,
        sample_bytes=1_000_000,
        text_share=0.3,
        seed=0,
    )
    model = {"vocab_size": report["vocab_size"] + 1, "hidden_size": 32, "intermediate_size": 64}
    model |= {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2}
    model |= {"max_position_embeddings": 512}
    (folder / "model.yaml").write_text(yaml.safe_dump(model))
    return folder


def settings(tables: Path, output: Path, **changes) -> list[str]:
    """Arguments of a run of 8 steps: a YAML file on disk."""
    values = {
        "train_files": str(tables / "train.csv"),
        "validation_files": str(tables / "val.csv"),
        "source_column": "source",
        "tokenizer": str(tables / "tokenizer"),
        "model_config": str(tables / "model.yaml"),
        "max_length": 512,
        "tokens_per_step": 2048,
        "tokens_per_device": 1024,
        "max_steps": 8,
        "learning_rate": 1e-2,
        "output_dir": str(output),
        "cache_dir": str(tables / "cache"),
        "save_steps": 4,
        "eval_steps": 8,
        "logging_steps": 1,
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 3,
    } | changes
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(values))
    return [str(path)]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def losses(folder: Path) -> list[float]:
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    history = json.loads((steps[-1] / "trainer_state.json").read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]


@pytest.fixture(scope="module")
def finished(tables, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    pretrain.main(settings(tables, folder))
    return folder


def test_a_run_leaves_a_plain_llama_with_its_prompt_and_record(finished):
    model = AutoModelForCausalLM.from_pretrained(finished)
    tokenizer = AutoTokenizer.from_pretrained(finished)
    assert type(model) is LlamaForCausalLM
    prompt = tokenizer.apply_chat_template([{"role": "user", "content": "ACGT"}])
    assert prompt["input_ids"][0] == 1
    assert model.generate(torch.tensor([prompt["input_ids"]]), max_new_tokens=2).shape[1] > 2
    files = {path.name for path in finished.iterdir()}
    assert {"run.json", "loss.png", "README.md", "config.yaml", "tokenizer.model", "runs"} <= files
    assert not list(finished.glob("*.bin"))
    assert list(finished.glob("runs/**/events*"))


def test_the_record_holds_what_was_measured(finished):
    record = json.loads((finished / "run.json").read_text())
    assert record["steps"] == 8
    assert record["mfu"] > 0
    assert 0 <= record["while_training"]["data_wait_share"] < 1
    assert record["while_training"].keys() == {"tokens_per_second", "bases_per_second", "data_wait_share"}
    counts = record["counts"]["train"]
    assert counts["rows"] == counts["used"] == 60
    end = record["validation_at_end"]
    names = {f"eval_{name}" for name in EVAL_KEYS} | {f"eval_{s}_bits_per_base" for s in "ab"}
    assert names <= end.keys()
    assert record["validation_at_start"]["eval_loss"] == pytest.approx(math.log(421), rel=0.02)
    assert end["eval_loss"] < record["validation_at_start"]["eval_loss"]
    assert 1.9 < record["markov_bits_per_base"]["a"]["best"] < 2.2  # random bases hold two bits


def cut_back(folder: Path) -> None:
    """As if the run had been killed between its two checkpoints."""
    for path in (folder / "checkpoint-8", folder / "runs"):
        shutil.rmtree(path)
    (folder / "run.json").unlink()
    (folder / "model.safetensors").unlink()
    (folder / "checkpoint-6").mkdir()  # begun and not whole: no trainer_state.json


def test_killed_after_a_checkpoint_and_run_again_gives_the_same_bits(tables, finished, tmp_path):
    folder = tmp_path / "resumed"
    arguments = settings(tables, folder)
    pretrain.main(arguments)
    cut_back(folder)
    pretrain.main(arguments)
    resumed, whole = weights(folder), weights(finished)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert losses(folder) == losses(finished)


def test_muon_trains_otherwise_and_goes_on_with_the_same_bits(tables, finished, tmp_path):
    folder = tmp_path / "muon"
    arguments = settings(tables, folder, muon=True)
    pretrain.main(arguments)
    whole, at_end = weights(folder), losses(folder)
    cut_back(folder)
    pretrain.main(arguments)
    resumed, others = weights(folder), weights(finished)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert losses(folder) == at_end
    assert at_end[0] == losses(finished)[0] and at_end[-1] < at_end[0]
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(whole[name], others[name])


def test_a_run_cannot_change_its_optimizer_on_the_way(tables, finished, tmp_path):
    started = ["--resume_from_checkpoint", str(finished / "checkpoint-4")]
    with pytest.raises(UserError, match="its optimizer was AdamW; go on with muon: false"):
        pretrain.main([*settings(tables, tmp_path / "other", muon=True), *started])


def test_a_finished_run_says_so_and_stops(finished, tables, capsys):
    before = (finished / "model.safetensors").stat().st_mtime_ns
    pretrain.main([str(finished.with_suffix(".yaml"))])
    assert "this run is finished" in capsys.readouterr().out
    assert (finished / "model.safetensors").stat().st_mtime_ns == before


def test_another_runs_folder_is_refused_with_the_difference(finished, tables, tmp_path):
    arguments = settings(tables, tmp_path / "other", output_dir=str(finished), learning_rate=5e-3)
    with pytest.raises(UserError, match=r"learning_rate: there 0.01, here 0.005"):
        pretrain.main(arguments)


def test_a_checkpoint_can_be_named(finished, tables, tmp_path):
    arguments = settings(tables, tmp_path / "named", resume_from_checkpoint=str(finished / "checkpoint-4"))
    pretrain.main(arguments)
    whole = weights(finished)
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(tmp_path / "named").items())


def test_a_run_that_goes_on_saves_as_often_as_its_settings_say_now(tables, finished, tmp_path):
    checkpoint = str(finished / "checkpoint-4")
    pretrain.main(settings(tables, tmp_path / "often", resume_from_checkpoint=checkpoint, save_steps=2))
    saved = {path.name for path in (tmp_path / "often").glob("checkpoint-*")}
    assert saved == {"checkpoint-6", "checkpoint-8"}


def test_accumulating_gives_the_weights_of_one_large_pass(tables, finished, tmp_path):
    folder = tmp_path / "one_pass"
    pretrain.main(settings(tables, folder, tokens_per_device=2048))
    accumulated, once = losses(finished), losses(folder)
    assert accumulated == pytest.approx(once, abs=2e-4)


def test_eight_micro_batches_equal_one(tables, tmp_path):
    eight, one = tmp_path / "eight", tmp_path / "one"
    pretrain.main(settings(tables, eight, tokens_per_step=4096, tokens_per_device=512, max_steps=4))
    pretrain.main(settings(tables, one, tokens_per_step=4096, tokens_per_device=4096, max_steps=4))
    assert losses(eight) == pytest.approx(losses(one), abs=2e-4)
    for name, tensor in weights(one).items():
        torch.testing.assert_close(weights(eight)[name], tensor, rtol=0, atol=5e-3)


def test_two_processes_give_the_losses_of_one(tables, finished, tmp_path):
    folder = tmp_path / "two"
    report = tmp_path / "world.json"
    config = {"compute_environment": "LOCAL_MACHINE", "distributed_type": "MULTI_GPU", "num_machines": 1}
    config |= {"num_processes": 2, "machine_rank": 0, "mixed_precision": "no", "use_cpu": False}
    (tmp_path / "two.yaml.accelerate").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file"]
    command += [str(tmp_path / "two.yaml.accelerate"), "--main_process_port", "0"]
    command += [str(ROOT / "tests" / "report_world.py"), str(report)]
    command += settings(tables, folder, tokens_per_device=1024)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ACCELERATE_")}
    done = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-30000:]
    assert json.loads(report.read_text()) == {"world_size": 2, "wrapper": "DistributedDataParallel"}
    assert losses(folder) == pytest.approx(losses(finished), abs=2e-4)


def test_chat_template_gives_the_ids_that_training_used(tables, finished):
    from omnina.chunking import SequenceRules
    from omnina.dataset import load_data
    from omnina.tables.rows import DataSettings
    from omnina.tables.table import read_rows

    tokenizer = AutoTokenizer.from_pretrained(finished)
    data = load_data(
        str(tables / "val.csv"),
        (finished / "tokenizer.json").read_text(encoding="utf-8"),
        1,
        2,
        DataSettings(512, False, SequenceRules(), source_column="source"),
        cache_dir=tables / "cache",
    )
    for index, (_, row) in enumerate(read_rows(tables / "val.csv")):
        document = data[index]
        prompt = tokenizer.apply_chat_template([{"role": "user", "content": row["sequence"]}])["input_ids"]
        assert document["input_ids"][: document["answer_start"]].tolist() == prompt
        assert tokenizer.decode(document["input_ids"][document["answer_start"] : -1]) == row["response"]
