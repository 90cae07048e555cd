"""Metrics of answers during training, of questions with labels and of free text."""

import numpy as np
import pytest
import torch
from tables import random_dna, write_table

from omnina.answer_validation import AnswerValidation
from omnina.dataset import load_data
from omnina.inference.label_set import LabelSet
from omnina.model import OmniNAForCausalLM
from omnina.prompt import FINETUNE_PROMPT, PromptEncoder
from omnina.tables.rows import DataSettings
from omnina.text_validation import foreseen_tokens, text_metrics
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

LABELLED, FREE = "Which colour?", "What is it?"
CPU = torch.device("cpu")


def test_questions_with_labels_and_free_text_have_their_own_metrics(checkpoint, tmp_path):
    rows = [
        {"sequence": random_dna(20 + seed, seed), "question": question, "response": answer}
        for seed in range(6)
        for question, answer in ((LABELLED, ["red", "green"][seed % 2]), (FREE, f"a story of {seed}"))
    ]
    table = write_table(tmp_path / "val.csv", rows)
    settings = DataSettings(256, True, None, source_column="question")
    definition = (checkpoint / "tokenizer.json").read_text(encoding="utf-8")
    data = load_data(str(table), definition, BOS_ID, EOS_ID, settings, cache_dir=tmp_path, workers=0)
    backend = load_tokenizer(checkpoint).backend_tokenizer
    encoder = PromptEncoder(backend, FINETUNE_PROMPT, bos_id=BOS_ID, eos_id=EOS_ID, max_length=256)
    sets = {LABELLED: LabelSet.of(["green", "red"], encoder)}
    model = OmniNAForCausalLM.from_pretrained(checkpoint).eval()
    found = AnswerValidation(data, np.arange(12), sets, 300).metrics(model, 1, 0, CPU)
    assert {"Which_colour_accuracy", "accuracy", "What_is_it_exact_match", "exact_match"} <= set(found)
    assert "Which_colour_exact_match" not in found
    foreseen = list(foreseen_tokens(model, [data[row] for row in range(1, 12, 2)], CPU, 4096))
    for name, value in text_metrics(foreseen).items():
        assert found[f"What_is_it_{name}"] == pytest.approx(value)
