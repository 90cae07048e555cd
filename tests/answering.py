"""A small world of two questions whose answers can be learned, and runs of fine-tuning in it."""

import json
import random
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file
from tables import random_dna, write_table
from transformers import LlamaConfig

from omnina.model import OmniNAForCausalLM
from omnina.tokenizer import load_tokenizer, save_tokenizer
from omnina.vocabulary.training import train_tokenizer

RICH, PART = "Is it rich in G and C?", "Which part is longer?"


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


def make_world(folder: Path) -> None:
    """Tables, and a checkpoint with random weights."""
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


def settings(world: Path, output: Path, **changes) -> list[str]:
    """Arguments of a run of 12 steps: a YAML file on disk."""
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


def record(folder: Path) -> dict:
    """What a finished run says of itself."""
    return json.loads((folder / "run.json").read_text())


def validations(checkpoint: Path) -> list[dict]:
    """Steps and figures of the validations that a checkpoint's log holds, all but the clock's."""
    history = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
    entries = [entry for entry in history if "eval_loss" in entry]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def same_weights(one: Path, other: Path) -> bool:
    """Whether two folders hold the same weights, bit for bit."""
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
