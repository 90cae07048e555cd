"""What several tests need: a very small model, documents, and flat batches of them."""

import numpy as np
import pytest
import torch
from transformers import LlamaConfig

from omnina.model import OmniNAForCausalLM
from omnina.packing import FlatCollator

VOCABULARY = 97
MAX_LENGTH = 64


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
