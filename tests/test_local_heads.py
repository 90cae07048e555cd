"""Heads that begin by looking a fixed number of tokens back."""

import json
from math import pi

import pytest
import torch
from answering import settings
from transformers import LlamaConfig, LlamaForCausalLM

from omnina import finetune, stage
from omnina.errors import UserError
from omnina.local_heads import head_distances, start_local_heads
from omnina.model import OmniNAForCausalLM
from omnina.resolution import at_resolution
from omnina.tokenizer import load_tokenizer, save_tokenizer

LENGTH = 1000  # longer than the fastest frequencies take to repeat


def started(*, single_bases: bool = False, **sizes) -> OmniNAForCausalLM:
    """A model of four heads, bases of rotation as usual, with its heads pointed."""
    torch.manual_seed(0)
    usual = {"num_hidden_layers": 3, "num_attention_heads": 4, "vocab_size": 641}
    config = LlamaConfig(**usual | {"hidden_size": 128, "intermediate_size": 256} | sizes)
    model = OmniNAForCausalLM(config, dropout=0.1)
    start_local_heads(model, seed=1, single_bases=single_bases)
    return model


def looks(model: OmniNAForCausalLM, tokens: torch.Tensor) -> list[torch.Tensor]:
    """Attention of the last token in each layer, by distance: (heads, LENGTH) each."""
    llama = LlamaForCausalLM(model.config).eval()
    llama.load_state_dict(model.state_dict())
    llama.set_attn_implementation("eager")
    with torch.no_grad():
        seen = llama(tokens[None], output_attentions=True).attentions  # (1, heads, LENGTH, LENGTH) each
    return [layer[0, :, -1].flip(-1) for layer in seen]


@pytest.mark.parametrize(
    "sizes",
    [
        {},
        {"num_key_value_heads": 2},
        {"tie_word_embeddings": True},
        {"rope_theta": 500_000.0},
        {"head_dim": 16},
    ],
)
@pytest.mark.parametrize("tokens", ["any", "bases"])
def test_each_head_looks_where_it_should_whatever_the_tokens(sizes, tokens):
    model = started(**sizes)
    drawn = torch.randint(
        3, 641 if tokens == "any" else 7, (LENGTH,), generator=torch.Generator().manual_seed(2)
    )
    first, second, last = looks(model, drawn)
    for layer, distances in zip(
        (first, second), head_distances(model.config, single_bases=False), strict=True
    ):
        for head, distance in enumerate(distances):
            assert layer[head].argmax() == distance and layer[head, distance] > 0.7
    assert head_distances(model.config, single_bases=False) == [[1, 2, 3, 4], [5, 10]]
    assert second[2:].max() < 0.1 and last.max() < 0.1  # free to find what they like


@pytest.mark.parametrize("initializer_range", [0.02, 0.1])
def test_heads_on_single_bases_look_codons_back(initializer_range):
    model = started(single_bases=True, num_hidden_layers=4, initializer_range=initializer_range)
    bases = torch.randint(3, 7, (LENGTH,), generator=torch.Generator().manual_seed(2))
    *pointed, last = looks(model, bases)
    steps = [[1, 2, 3, 4], [3, 6, 9, 12], [15, 30, 45, 60]]
    assert head_distances(model.config, single_bases=True) == steps
    for layer, distances in zip(pointed, steps, strict=True):
        for head, distance in enumerate(distances):
            assert layer[head].argmax() == distance and layer[head, distance] > 0.7
    assert last.max() < 0.1  # free to gather


@pytest.mark.parametrize("sizes", [{}, {"num_key_value_heads": 2}, {"hidden_size": 96}])
def test_heads_that_turn_once_in_a_codon_gather_a_frame_each(sizes):
    rope = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 3 / (2 * pi)}
    model = started(single_bases=True, num_hidden_layers=5, rope_parameters=rope, **sizes)
    bases = torch.randint(3, 7, (LENGTH,), generator=torch.Generator().manual_seed(2))
    *pointed, fourth, last = looks(model, bases)
    for layer, distances in zip(pointed, head_distances(model.config, single_bases=True), strict=True):
        for head, distance in enumerate(distances):
            assert layer[head].argmax() == distance
    assert fourth.max() < 0.1
    for frame in range(3):
        gathered = last[frame, frame::3]
        assert gathered.sum() > 0.8 and gathered.max() < 3 * gathered.mean()
    assert all(last[3, frame::3].sum() < 0.6 for frame in range(3))  # free to find what it likes


@pytest.mark.parametrize("single_bases", [True, False])
def test_one_layer_has_near_heads_alone(single_bases):
    config = LlamaConfig(num_hidden_layers=1, num_attention_heads=2)
    assert head_distances(config, single_bases=single_bases) == [[1, 2]]


def test_heads_that_are_too_small_are_refused():
    config = LlamaConfig(hidden_size=32, num_attention_heads=4, num_hidden_layers=1)
    with pytest.raises(UserError, match="heads of 16 or more, not 8"):
        start_local_heads(OmniNAForCausalLM(config), seed=0, single_bases=False)


def test_a_start_is_that_of_its_seed():
    config = LlamaConfig(vocab_size=97, hidden_size=64, num_hidden_layers=2, num_attention_heads=4)
    models = []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        models.append(OmniNAForCausalLM(config))
        start_local_heads(models[-1], seed, single_bases=False)
    same, again, other = (model.model.embed_tokens.weight for model in models)
    assert torch.equal(same, again) and not torch.equal(same, other)


def test_a_run_on_single_bases_begins_with_heads_for_codons(world, tmp_path, monkeypatch):
    architecture = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    architecture |= {"num_attention_heads": 2, "max_position_embeddings": 512}
    architecture["vocab_size"] = len(load_tokenizer(world / "tokenizer"))
    (tmp_path / "model.yaml").write_text(json.dumps(architecture))  # JSON is YAML
    start = {"checkpoint": None, "model_config": str(tmp_path / "model.yaml"), "local_heads": True}
    asked = []
    monkeypatch.setattr(stage, "start_local_heads", lambda *_, **given: asked.append(given))
    single = tmp_path / "single"
    save_tokenizer(at_resolution(load_tokenizer(world / "tokenizer"), "bases"), single)
    ways = [("bases", world / "tokenizer"), ("pieces", world / "tokenizer"), ("pieces", single)]
    for number, (resolution, tokenizer) in enumerate(ways):
        changes = start | {"tokenizer": str(tokenizer), "resolution": resolution, "max_steps": 1}
        finetune.main(settings(world, tmp_path / str(number), **changes))
    assert [given["single_bases"] for given in asked] == [True, False, True]


def test_weights_of_a_checkpoint_are_refused(world, tmp_path):
    with pytest.raises(UserError, match="leave it or checkpoint out"):
        finetune.main(settings(world, tmp_path / "run", local_heads=True))
