"""A published checkpoint becomes a folder of ours: the same numbers, the same ids; damage is named."""

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
import torch
from answering import settings
from published_layout import published_state, write_published
from safetensors.torch import load_file, save_file
from sentencepiece import SentencePieceProcessor
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from omnina import finetune
from omnina.errors import UserError
from omnina.inference.answer import Answerer
from omnina.inference.published.importing import import_checkpoint
from omnina.inference.published.texts import PUBLISHED_IDS, comparison_texts
from omnina.prompt import FINETUNE_PROMPT

SCRIPT = Path(__file__).parents[2] / "scripts" / "import_checkpoint.py"


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> tuple[Path, LlamaForCausalLM]:
    folder = tmp_path_factory.mktemp("published")
    return folder, write_published(folder)


@pytest.fixture(scope="module")
def imported(published, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("ours") / "omnina"
    import_checkpoint(published[0], output, "XLS/OmniNA-66m")
    return output


@pytest.fixture
def copied(published, tmp_path) -> Path:
    return Path(shutil.copytree(published[0], tmp_path / "source"))


def test_ids_are_the_published_ones(imported):
    tokenizer = AutoTokenizer.from_pretrained(imported)
    for text, ids in PUBLISHED_IDS.items():
        assert tokenizer.encode(text) == ids
    assert tokenizer.pad_token_id == 32_000 and tokenizer.padding_side == "left"


def test_chat_template_is_the_fine_tuning_prompt(imported):
    tokenizer = AutoTokenizer.from_pretrained(imported)
    message = {"role": "user", "content": "ACGTNA", "question": "Is it?"}
    ids = tokenizer.apply_chat_template([message])["input_ids"]
    assert ids == tokenizer.encode(FINETUNE_PROMPT.render("ACGTNA", "Is it?"))


def test_weights_are_the_same_numbers_without_buffers(published, imported):
    saved, expected = load_file(imported / "model.safetensors"), published[1].state_dict()
    assert saved.keys() == expected.keys()
    assert all(torch.equal(saved[name], tensor) for name, tensor in expected.items())


def test_transformers_computes_what_it_computed_before(published, imported):
    ids = torch.tensor([PUBLISHED_IDS["ACGTNACGTNACGTN"]])
    ours = AutoModelForCausalLM.from_pretrained(imported)
    assert type(ours) is LlamaForCausalLM
    with torch.no_grad():
        assert torch.equal(ours(ids).logits, published[1](ids).logits)


def test_configuration_is_mended(imported):
    config = json.loads((imported / "config.json").read_text())
    assert config["pad_token_id"] == 32_000
    assert (config["rms_norm_eps"], config["max_position_embeddings"], config["head_dim"]) == (1e-6, 2048, 64)
    assert config["rope_parameters"] == {"rope_theta": 10_000.0, "rope_type": "default"}
    assert config["architectures"] == ["LlamaForCausalLM"] and config["dtype"] == "float32"


def test_sentencepiece_model_gives_the_same_ids(imported):
    processor = SentencePieceProcessor(model_file=str(imported / "tokenizer.model"))
    tokenizer = AutoTokenizer.from_pretrained(imported)
    for text in comparison_texts():
        assert [1, *processor.encode(text)] == tokenizer.encode(text, split_special_tokens=True)


def test_command_tells_what_was_changed(published, tmp_path, monkeypatch, capsys):
    output = tmp_path / "deeper" / "ours"
    monkeypatch.setattr(sys, "argv", ["import_checkpoint.py", str(published[0]), str(output)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    told = capsys.readouterr().out
    for part in (
        *(
            "pad_token_id 0 -> 32000",
            "2 buffers rotary_emb.inv_freq",
            "pytorch_model.bin -> model.safetensors",
        ),
        *("4 known texts give the published tokenizer's ids", "tokenizer.model made again"),
    ):
        assert part in told
    assert json.loads((output / "import.json").read_text())["source"] == str(published[0])


def test_imported_folder_is_fine_tuned_and_answers(world, imported, tmp_path):
    changes = {
        "checkpoint": str(imported),
        "max_length": 601,
        "max_steps": 1,
        "load_best_model_at_end": False,
    }
    finetune.main(settings(world, tmp_path / "tuned", **changes, eval_strategy="no"))
    assert Answerer(tmp_path / "tuned").questions
    assert not torch.equal(
        load_file(tmp_path / "tuned" / "model.safetensors")["model.norm.weight"],
        load_file(imported / "model.safetensors")["model.norm.weight"],
    )


def test_shards_and_safetensors_are_read_too(published, copied, tmp_path):
    state = published_state(published[1])
    (copied / "pytorch_model.bin").unlink()
    names = sorted(state)
    weight_map = {}
    for number, part in enumerate((names[:5], names[5:])):
        file = f"pytorch_model-{number}.bin"
        torch.save({name: state[name] for name in part}, copied / file)
        weight_map |= dict.fromkeys(part, file)
    (copied / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": weight_map}))
    import_checkpoint(copied, tmp_path / "from_shards", "shards")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, copied / "model.safetensors")
    import_checkpoint(copied, tmp_path / "from_safetensors", "safetensors")
    first, second = (
        load_file(tmp_path / f"from_{kind}" / "model.safetensors") for kind in ("shards", "safetensors")
    )
    assert all(torch.equal(first[name], second[name]) for name in published[1].state_dict())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "pytorch_model.bin").unlink(), "neither model.safetensors nor"),
        (lambda folder: name_shard(folder, "b" * 300), "names the file .b+., which is not inside it"),
        (lambda folder: name_shard(folder, "../b"), "not inside it"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
        (lambda folder: (folder / "added_tokens.json").unlink(), r"\[PAD\] is in neither"),
        (lambda folder: change_config(folder, vocab_size=32_000), "32001 tokens, but .* 32000"),
        (lambda folder: change_config(folder, model_type="gpt2"), "model_type is 'gpt2'"),
        (lambda folder: change_config(folder, num_hidden_layers=3), "layers.2.* has the shape none"),
        (lambda folder: change_config(folder, num_hidden_layers=1), "layers.1.*asks for none"),
        (
            lambda folder: change_config(folder, rope_theta=500_000.0),
            "other frequencies than rope_theta 500000",
        ),
        (lambda folder: change_config(folder, hidden_act="gelu"), "'gelu' is not implemented"),
        (lambda folder: cut_short(folder / "pytorch_model.bin"), "pytorch_model.bin: not weights"),
        (lambda folder: point(folder / "pytorch_model.bin"), "a pointer of Git LFS, not the weights"),
    ],
)
def test_damage_is_named_and_nothing_is_left(copied, tmp_path, damage, message):
    damage(copied)
    with pytest.raises(UserError, match=message):
        import_checkpoint(copied, tmp_path / "ours", "x")
    assert not (tmp_path / "ours").exists()


def test_weights_that_are_not_finite_are_refused(published, copied, tmp_path):
    state = published_state(published[1])
    state["model.norm.weight"] = torch.full_like(state["model.norm.weight"], torch.nan)
    torch.save(state, copied / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"model\.norm\.weight holds numbers that are not finite"):
        import_checkpoint(copied, tmp_path / "ours", "x")


def test_another_vocabulary_is_told(copied, tmp_path):
    file = copied / "tokenizer.json"
    definition = json.loads(file.read_text())
    vocabulary = definition["model"]["vocab"]
    vocabulary["C"], vocabulary["G"] = vocabulary["G"], vocabulary["C"]
    file.write_text(json.dumps(definition))
    assert "this is not the published tokenizer" in " ".join(
        import_checkpoint(copied, tmp_path / "o", "x").notes
    )


def test_tokenizer_that_sentencepiece_cannot_say_is_told(copied, tmp_path):
    file = copied / "tokenizer.json"
    definition = json.loads(file.read_text())
    definition["model"]["merges"].reverse()
    file.write_text(json.dumps(definition))
    notes = " ".join(import_checkpoint(copied, tmp_path / "ours", "x").notes)
    assert "no tokenizer.model: its merges are not in the order of its pieces" in notes
    assert not (tmp_path / "ours" / "tokenizer.model").exists()


@pytest.mark.parametrize("damage", ["another vocabulary", "no model"])
def test_sentencepiece_model_of_the_source_is_kept_only_if_it_fits(checkpoint, imported, tmp_path, damage):
    source = Path(shutil.copytree(checkpoint, tmp_path / "source"))
    own = (source / "tokenizer.model").read_bytes()
    import_checkpoint(source, tmp_path / "kept", "x")
    assert (tmp_path / "kept" / "tokenizer.model").read_bytes() == own
    other = (imported / "tokenizer.model").read_bytes() if damage == "another vocabulary" else b"no model"
    (source / "tokenizer.model").write_bytes(other)
    import_checkpoint(source, tmp_path / "mended", "x")
    processor = SentencePieceProcessor(model_file=str(tmp_path / "mended" / "tokenizer.model"))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    text = "ACGTNA text é"
    assert [1, *processor.encode(text)] == tokenizer.encode(text)


def test_output_that_exists_is_refused_before_anything_is_read(tmp_path):
    (tmp_path / "ours").mkdir()
    with pytest.raises(UserError, match="this exists already"):
        import_checkpoint(tmp_path / "nowhere", tmp_path / "ours", "x")


@pytest.mark.slow
def test_the_330m_shape(tmp_path):
    model = write_published(tmp_path / "published", layers=16, heads=16)
    imported = import_checkpoint(tmp_path / "published", tmp_path / "ours", "XLS/OmniNA-220m")
    assert imported.parameters == 334_007_296
    assert any("the 330M of the article" in note for note in imported.notes)
    saved = load_file(tmp_path / "ours" / "model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in model.state_dict().items())


def change_config(folder: Path, **changes) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def name_shard(folder: Path, name: str) -> None:
    (folder / "pytorch_model.bin").unlink()
    index = {"weight_map": {"model.norm.weight": name}}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def point(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def cut_short(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
