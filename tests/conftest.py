"""What several tests need: a very small model, documents, and flat batches of them."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from answering import make_world, settings
from browsing import chromium
from playwright.sync_api import Browser
from tables import random_dna, write_table
from transformers import LlamaConfig

from omnina import finetune
from omnina.collation import FlatCollator
from omnina.inference.questions import Question, Questions, save_questions
from omnina.model import OmniNAForCausalLM
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer, save_tokenizer
from omnina.vocabulary.training import train_tokenizer

VOCABULARY = 97
MAX_LENGTH = 64
COLOUR, KIND, STORY = "Which colour?", "Which kind?", "What is it?"
LABELS = {COLOUR: ["red", "red brown", "redder", "green"], KIND: ["only"]}
QUESTION_MAX_LENGTH = 256
SECONDS = 60  # of a minute
_began = time.monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    """For continuous integration, which ends a run without its results when its time is over."""
    parser.addoption("--minutes", type=float, help="skip tests that have not begun after so many minutes")


def pytest_runtest_setup(item: pytest.Item) -> None:
    minutes = item.config.getoption("--minutes")
    if minutes is not None and time.monotonic() - _began > minutes * SECONDS:
        pytest.skip(f"not begun within --minutes {minutes:g}")


@pytest.fixture
def small_config() -> LlamaConfig:
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=80,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=96,
    )


@pytest.fixture
def small_model(small_config) -> OmniNAForCausalLM:
    torch.manual_seed(0)
    model = OmniNAForCausalLM(small_config)
    with torch.no_grad():  # larger than the initialisation, so that attention and losses differ from uniform
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


@pytest.fixture
def rows() -> list[dict]:
    generator = np.random.default_rng(0)
    lengths = [5, 37, 1, 64, 12, 23]
    return [
        {"input_ids": generator.integers(3, VOCABULARY - 1, length), "answer_start": length // 2}
        for length in lengths
    ]


@pytest.fixture
def collator() -> FlatCollator:
    return FlatCollator(max_length=MAX_LENGTH, answers_only=False, filler_id=2)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A fine-tuned checkpoint with random weights, made by the same code as real ones."""
    folder = tmp_path_factory.mktemp("checkpoint")
    texts = ["red brown", "redder than green", "only this kind", "a story of genes"]
    rows = [{"sequence": random_dna(300, seed), "response": texts[seed % 4]} for seed in range(40)]
    table = write_table(folder / "rows.csv", rows)
    train_tokenizer(
        [str(table)], folder / "tokenizer", vocab_size=420, sample_bytes=100_000, text_share=0.3, seed=0
    )
    tokenizer = load_tokenizer(folder / "tokenizer")
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    model = OmniNAForCausalLM(config)
    with torch.no_grad():  # answers of freshly initialised weights hardly differ from each other
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder / "model")
    save_tokenizer(tokenizer, folder / "model")
    by_text = {text: Question(sorted(labels), 1.5) for text, labels in LABELS.items()}
    save_questions(Questions(by_text | {STORY: Question(None)}, QUESTION_MAX_LENGTH), folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with the module: while it is open, no other event loop can run in this thread."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """Tables with two questions, and a checkpoint to fine-tune."""
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture(scope="session")
def finished(world, tmp_path_factory) -> Path:
    """A fine-tuning run that came to its end."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    finetune.main(settings(world, folder))
    return folder
