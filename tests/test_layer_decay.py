"""Lower layers learn more slowly: each parameter's learning rate, and runs that go on with it."""

import json

import pytest
import torch
from answering import same_weights, settings, weights
from dying import kill_at
from transformers import Trainer, TrainingArguments

from omnina import finetune
from omnina.errors import UserError
from omnina.layer_decay import decay_by_layer
from omnina.lora import LoRA
from omnina.model import OmniNAForCausalLM

RATE, HALF = 0.1, 0.5
EMBEDDINGS, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"


def decayed(model, tmp_path) -> tuple[torch.optim.Optimizer, dict[str, float], dict[str, float]]:
    """The optimizer; learning rate and weight decay of each parameter, by name."""
    args = TrainingArguments(
        str(tmp_path), learning_rate=RATE, weight_decay=0.01, use_cpu=True, report_to="none"
    )
    optimizer = Trainer(model, args).create_optimizer()
    decay_by_layer(optimizer, model, HALF)
    names = {parameter: name for name, parameter in model.named_parameters()}
    rates, weight_decays = (
        {names[parameter]: group[key] for group in optimizer.param_groups for parameter in group["params"]}
        for key in ("lr", "weight_decay")
    )
    return optimizer, rates, weight_decays


def test_each_parameter_has_the_rate_of_its_layer(small_model, tmp_path):
    optimizer, rates, weight_decays = decayed(small_model, tmp_path)
    assert rates.keys() == {name for name, _ in small_model.named_parameters()}
    of_layers = {".layers.2.": RATE, ".layers.1.": RATE / 2, ".layers.0.": RATE / 4}
    for name, rate in rates.items():
        layer = next((layer for layer in of_layers if layer in name), None)
        assert rate == (of_layers[layer] if layer else {HEAD: RATE, NORM: RATE, EMBEDDINGS: RATE / 8}[name])
        assert weight_decays[name] == (0.0 if "norm" in name else 0.01)
    assert optimizer.param_groups[0]["lr"] == RATE  # the one that is logged


def test_a_tied_head_learns_as_the_embeddings_do(small_config, tmp_path):
    small_config.tie_word_embeddings = True
    optimizer, rates, _ = decayed(OmniNAForCausalLM(small_config), tmp_path)
    assert HEAD not in rates and rates[EMBEDDINGS] == RATE / 8
    assert optimizer.param_groups[0]["lr"] == RATE == rates[NORM]


def test_adapters_have_the_rate_of_their_layer(small_model, tmp_path):
    optimizer, rates, _ = decayed(LoRA(4, None, 0).applied(small_model), tmp_path)
    assert {rate for name, rate in rates.items() if ".layers.0." in name} == {RATE / 4}
    assert {rate for name, rate in rates.items() if ".layers.2." in name} == {RATE}
    assert optimizer.param_groups[0]["lr"] == RATE
    assert all(group["params"] for group in optimizer.param_groups)


def test_the_first_step_moves_a_parameter_by_its_rate(small_model, tmp_path):
    """AdamW's first step is the learning rate in each direction, whatever the gradient's size."""
    optimizer, rates, weight_decays = decayed(small_model, tmp_path)
    before = {name: parameter.detach().clone() for name, parameter in small_model.named_parameters()}
    for parameter in small_model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for name, parameter in small_model.named_parameters():
        shrunk = before[name] * (1 - rates[name] * weight_decays[name])
        torch.testing.assert_close(parameter.detach(), shrunk - rates[name], rtol=0, atol=1e-6)


@pytest.mark.parametrize("changes", [{}, {"lora_rank": 4}], ids=["whole", "adapters"])
def test_killed_and_run_again_gives_the_same_weights(world, tmp_path, changes):
    folders = [tmp_path / name for name in ("whole", "killed")]
    whole, killed = (settings(world, folder, layer_decay=HALF, **changes) for folder in folders)
    finetune.main(whole)
    kill_at(8, killed)
    finetune.main(killed)
    assert same_weights(*folders)
    history = json.loads((folders[1] / "checkpoint-12" / "trainer_state.json").read_text())["log_history"]
    assert next(entry["learning_rate"] for entry in history if "learning_rate" in entry) == 1e-2


def test_it_changes_what_is_learned_and_cannot_change_on_the_way(world, finished, tmp_path):
    folder = tmp_path / "decayed"
    finetune.main(settings(world, folder, layer_decay=HALF))
    assert not torch.equal(weights(folder)[EMBEDDINGS], weights(finished)[EMBEDDINGS])
    with pytest.raises(UserError, match=r"layer_decay: there 0.5, here 0.9"):
        finetune.main(settings(world, folder, layer_decay=0.9))
    started = ["--resume_from_checkpoint", str(folder / "checkpoint-6")]
    with pytest.raises(UserError, match=r"trained with layer_decay: 0.5; go on with the same"):
        finetune.main([*settings(world, tmp_path / "other", layer_decay=0.9), *started])
