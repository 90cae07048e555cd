"""The checkpoint as a reader of packed batches, and as transformers' own Llama."""

from pathlib import Path

import pytest
from transformers import LlamaForCausalLM

from omnina.inference.packed import PackedReader


@pytest.fixture(scope="session")
def reader(checkpoint: Path) -> PackedReader:
    return PackedReader(checkpoint, tokens_per_batch=700)


@pytest.fixture(scope="session")
def plain(checkpoint: Path) -> LlamaForCausalLM:
    return LlamaForCausalLM.from_pretrained(checkpoint).eval()
