"""Adapters: what they train, and that merging them changes no answer."""

import shutil

import torch
from answering import RICH, settings, weights
from transformers import AutoModelForCausalLM, LlamaForCausalLM

from omnina import finetune
from omnina.chunking import parse_cell
from omnina.inference.answer import Answerer, Query
from omnina.lora import LoRA


def test_lora_leaves_a_merged_plain_model(world, tmp_path):
    folder = tmp_path / "lora"
    finetune.main(settings(world, folder, lora_rank=4))
    assert type(AutoModelForCausalLM.from_pretrained(folder)) is LlamaForCausalLM
    base, tuned = weights(world / "base"), weights(folder)
    assert base.keys() == tuned.keys()
    changed = {name for name in base if not torch.equal(base[name], tuned[name])}
    assert changed == {name for name in base if "_proj" in name}
    assert Answerer(folder).answer([Query(parse_cell("ACGT"), RICH)])[0].text in ("yes", "no")


def test_adapters_go_on_under_muon(world, tmp_path):
    folder = tmp_path / "lora"
    arguments = settings(world, folder, lora_rank=4, muon=True)
    finetune.main(arguments)
    whole = weights(folder)
    for name in ("checkpoint-12", "runs", "evaluation"):
        shutil.rmtree(folder / name)
    for name in ("run.json", "model.safetensors"):
        (folder / name).unlink()
    finetune.main(arguments)
    resumed = weights(folder)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


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
