"""Tables of both stages, a tokenizer and a small model, and runs on them."""

import random
from pathlib import Path

import torch
import yaml
from tables import random_dna, write_table
from transformers import LlamaConfig

from omnina.model import OmniNAForCausalLM
from omnina.tokenizer import load_tokenizer, save_tokenizer
from omnina.vocabulary.training import train_tokenizer

QUESTIONS = {"Is it rich in G and C?": ("yes", "no"), "Which one is it?": ("the first", "the second")}
STEPS = {
    "tokens_per_step": 2048,
    "tokens_per_device": 1024,
    "max_steps": 20,
    "save_steps": 10,
    "eval_steps": 10,
}


def make_world(folder: Path) -> Path:
    """``pretrain_train.csv``, ``..._val.csv``, ``finetune_...``, ``model.yaml``, the checkpoint ``base``."""
    generator = random.Random(0)
    for name, count in (("train", 60), ("val", 13)):
        rows = [
            {
                "sequence": random_dna(generator.randint(200, 400), 100 * count + index),
                "response": f"gene {index}",
            }
            for index in range(count)
        ]
        write_table(folder / f"pretrain_{name}.csv", rows)
        write_table(folder / f"finetune_{name}.csv", _questions(count, generator))
    train_tokenizer(
        [str(folder / "pretrain_train.csv")],
        folder / "tokenizer",
        vocab_size=420,
        sample_bytes=100_000,
        text_share=0.3,
        seed=0,
    )
    tokenizer = load_tokenizer(folder / "tokenizer")
    shape = {"vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    shape |= {"num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512}
    (folder / "model.yaml").write_text(yaml.safe_dump(shape))
    torch.manual_seed(0)
    config = LlamaConfig(**shape, bos_token_id=1, eos_token_id=2, pad_token_id=tokenizer.pad_token_id)
    OmniNAForCausalLM(config).save_pretrained(folder / "base")
    save_tokenizer(tokenizer, folder / "base")
    return folder


def arguments(world: Path, stage: str, output: Path, **changes) -> list[str]:
    """Of a run of 20 steps on the CPU."""
    values = STEPS | {
        "train_files": str(world / f"{stage}_train.csv"),
        "validation_files": str(world / f"{stage}_val.csv"),
        "max_length": 512,
        "learning_rate": 3e-3,
        "output_dir": str(output),
        "cache_dir": str(world / "cache"),
        "workers": 0,
        "logging_steps": 1,
        "disable_tqdm": True,
        "use_cpu": True,
        "seed": 3,
    }
    if stage == "pretrain":
        values |= {"tokenizer": str(world / "tokenizer"), "model_config": str(world / "model.yaml")}
    else:
        values |= {"checkpoint": str(world / "base")}
    path = output.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(values | changes))
    return [str(path)]


def _questions(count: int, generator: random.Random) -> list[dict[str, str]]:
    made = []
    for index in range(count):
        for question, answers in QUESTIONS.items():
            sequence = random_dna(generator.randint(30, 90), 1000 * count + index)
            made.append({"question": question, "response": answers[index % 2], "sequence": sequence})
    return made
