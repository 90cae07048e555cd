"""Free text during training: told from one forward pass, but what generation would write."""

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from omnina import text_validation
from omnina.text_validation import foreseen_tokens, text_metrics

CPU = torch.device("cpu")


@pytest.fixture
def llama(small_model, small_config) -> LlamaForCausalLM:
    model = LlamaForCausalLM(small_config)
    model.load_state_dict(small_model.state_dict())
    return model.eval()


def written(llama: LlamaForCausalLM, prompt: np.ndarray, tokens: int) -> list[int]:
    """Greedy generation, as many tokens as wanted."""
    ids = torch.from_numpy(prompt)[None]
    for _ in range(tokens):
        likeliest = llama(ids, use_cache=False).logits[:, -1:].argmax(-1)
        ids = torch.cat((ids, likeliest), dim=1)
    return ids[0, len(prompt) :].tolist()


def documents(llama: LlamaForCausalLM) -> list[dict]:
    """Rows whose answer is what generation writes; every second one's third token is another."""
    generator, found = np.random.default_rng(0), []
    for index in range(10):
        prompt = generator.integers(3, 96, 4 + 5 * index)
        answer = written(llama, prompt, 6)
        if index % 2:
            answer[2] = 3 + (answer[2] + 1) % 90
        ids = np.array([*prompt, *answer])
        found.append({"input_ids": ids, "answer_start": len(prompt)})
    return found


def test_a_row_is_exact_if_generation_writes_it(small_model, llama):
    rows = documents(llama)
    foreseen = list(foreseen_tokens(small_model, rows, CPU, 4096))
    for row, of_row in zip(rows, foreseen, strict=True):
        prompt, answer = np.split(row["input_ids"], [row["answer_start"]])
        assert of_row.all() == (written(llama, prompt, len(answer)) == answer.tolist())
    assert [bool(of_row.all()) for of_row in foreseen] == [True, False] * 5
    assert all(of_row[:2].all() and not of_row[2] for of_row in foreseen[1::2])


def test_neighbours_and_limits_change_nothing(small_model, llama, monkeypatch):
    rows = documents(llama)
    together = list(foreseen_tokens(small_model, rows, CPU, 4096))
    monkeypatch.setattr(text_validation, "MOST_ANSWER_TOKENS", 13)
    for tokens in (1, 100, 4096):
        apart = list(foreseen_tokens(small_model, rows, CPU, tokens))
        assert all(np.array_equal(one, other) for one, other in zip(together, apart, strict=True))


def test_metrics_by_hand():
    rows = [np.array([True, True]), np.array([True, False, False, False])]
    assert text_metrics(rows) == {"exact_match": 0.5, "token_accuracy": (1 + 1 / 4) / 2}
