"""A fine-tuned checkpoint of a very small model with random weights, made by the same code as real ones."""

from pathlib import Path

import pytest
import torch
from tables import random_dna, write_table
from transformers import LlamaConfig

from omnina.inference.questions import Question, Questions, save_questions
from omnina.model import OmniNAForCausalLM
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer, save_tokenizer
from omnina.tokenizer_training import train_tokenizer

COLOUR, KIND, STORY = "Which colour?", "Which kind?", "What is it?"
LABELS = {COLOUR: ["red", "red brown", "redder", "green"], KIND: ["only"]}
MAX_LENGTH = 256


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
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
    save_questions(Questions(by_text | {STORY: Question(None)}, MAX_LENGTH), folder / "model")
    return folder / "model"
