"""Every export computes what the checkpoint computes, and one that does not is refused."""

import json
import shutil
import sys
from pathlib import Path

import gguf
import pytest
import torch
from published_layout import write_published
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from omnina.errors import UserError
from omnina.inference.exports import gguf_file
from omnina.inference.exports.checkpoint import ExportedCheckpoint, missing_for_vllm
from omnina.inference.exports.exporting import export
from omnina.inference.exports.gguf_file import export_gguf
from omnina.inference.published.importing import import_checkpoint
from omnina.model import OmniNAForCausalLM


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


def exported(folder: Path, formats: list[str], output: Path | None = None, gguf_type: str = "f32") -> str:
    return "\n".join(export(folder, formats, output, gguf_type))


def change(path: Path, **values) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_saved_folder_is_a_plain_llama_as_it_is(folder):
    told = exported(folder, [])
    assert "transformers: same ids; logits agree" in told
    assert "vLLM: finds all" in told and "llama.cpp: finds all" in told
    assert {path.name for path in folder.parent.iterdir()} == {"model"}


def test_vocabulary_without_byte_pieces_is_told(tmp_path):
    write_published(tmp_path / "published", layers=1, heads=1)
    import_checkpoint(tmp_path / "published", tmp_path / "ours", "x")
    told = exported(tmp_path / "ours", ["gguf"], tmp_path / "out")
    assert "no byte pieces: llama.cpp aborts" in told
    fields = gguf.GGUFReader(tmp_path / "out" / "model-f32.gguf").fields
    assert fields["tokenizer.ggml.add_space_prefix"].contents() is True


def test_a_changed_prompt_is_refused(folder):
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("### Input:", "### input:"))
    with pytest.raises(UserError, match="other token ids from it than training used"):
        exported(folder, [])


@pytest.mark.parametrize(
    ("damage", "lacks"),
    [
        (lambda folder: change(folder / "config.json", architectures=["OmniNA"]), "architectures"),
        (lambda folder: (folder / "tokenizer_config.json").unlink(), "tokenizer_class"),
        (lambda folder: (folder / "generation_config.json").unlink(), "eos_token_id"),
        (lambda folder: (folder / "chat_template.jinja").unlink(), "chat template"),
        (lambda folder: (folder / "model.safetensors").unlink(), "safetensors"),
    ],
)
def test_what_vllm_lacks_is_named(folder, damage, lacks):
    damage(folder)
    (missing,) = missing_for_vllm(folder)
    assert lacks in missing


def test_the_copy_holds_what_others_need_and_nothing_of_the_run_s_own(folder, tmp_path):
    (folder / "checkpoint-5").mkdir()
    for name in ("training_tables.json", "run_settings.json", "config.yaml"):
        (folder / name).write_text("{}")
    exported(folder, ["transformers"], tmp_path / "out")
    copy = tmp_path / "out" / "transformers"
    names = {path.name for path in copy.iterdir()}
    assert {"model.safetensors", "tokenizer.model", "chat_template.jinja", "questions.json"} <= names
    assert not names & {"training_tables.json", "run_settings.json", "config.yaml", "checkpoint-5"}
    assert type(AutoModelForCausalLM.from_pretrained(copy)) is LlamaForCausalLM
    assert AutoTokenizer.from_pretrained(copy).chat_template


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16", "q8_0"])
def test_gguf_of_each_type_gives_the_logits_of_its_rounded_weights(folder, tmp_path, kind):
    assert "logits read back agree" in exported(folder, ["gguf"], tmp_path / "out", kind)
    reader = gguf.GGUFReader(tmp_path / "out" / f"model-{kind}.gguf")
    matrix = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.attn_q.weight")
    norm = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.attn_norm.weight")
    assert (matrix.tensor_type.name, norm.tensor_type.name) == (kind.upper(), "F32")


def test_gguf_holds_the_vocabulary_with_its_kinds(folder, tmp_path):
    exported(folder, ["gguf"], tmp_path / "out")
    fields = gguf.GGUFReader(tmp_path / "out" / "model-f32.gguf").fields
    tokenizer = AutoTokenizer.from_pretrained(folder)
    values = {name: field.contents() for name, field in fields.items() if name.startswith("tokenizer.")}
    assert values["tokenizer.ggml.tokens"] == tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    kinds = values["tokenizer.ggml.token_type"]
    assert kinds[:3] == [2, 3, 3] and kinds[-1] == 3 and kinds.count(6) == 256
    assert values["tokenizer.ggml.padding_token_id"] == tokenizer.pad_token_id
    assert values["tokenizer.ggml.add_bos_token"] is True
    assert values["tokenizer.ggml.add_space_prefix"] is False
    scores = values["tokenizer.ggml.scores"]
    normal = [score for score, kind in zip(scores, kinds, strict=True) if kind == 1]
    assert normal == sorted(normal, reverse=True)


LINEAR = {"rope_parameters": {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 0.5}}


@pytest.mark.parametrize("changes", [{"tie_word_embeddings": True}, {"num_key_value_heads": 1}, LINEAR])
def test_gguf_of_other_llamas(folder, tmp_path, changes):
    config = LlamaConfig(**json.loads((folder / "config.json").read_text()) | changes)
    torch.manual_seed(0)
    (folder / "model.safetensors").unlink()
    OmniNAForCausalLM(config).save_pretrained(folder)
    exported(folder, ["gguf"], tmp_path / "out")
    names = {tensor.name for tensor in gguf.GGUFReader(tmp_path / "out" / "model-f32.gguf").tensors}
    assert ("output.weight" in names) is not config.tie_word_embeddings


def test_a_wrong_gguf_is_refused_and_not_left(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_file, "_interleaved", lambda weight, heads: weight)
    with pytest.raises(UserError, match="GGUF reader computes other logits"):
        exported(folder, ["gguf"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_model_of_another_vocabulary_is_refused(folder, tmp_path, monkeypatch):
    pieces = gguf_file._vocabulary

    def swapped(checkpoint: ExportedCheckpoint) -> tuple:
        names, scores, kinds = pieces(checkpoint)
        return [*names[:-3], names[-2], names[-3], names[-1]], scores, kinds

    monkeypatch.setattr(gguf_file, "_vocabulary", swapped)
    with pytest.raises(UserError, match=r"tokenizer\.model in .* belongs to another tokenizer"):
        exported(folder, ["gguf"], tmp_path / "out")


def test_gguf_needs_the_sentencepiece_model(folder, tmp_path):
    (folder / "tokenizer.model").unlink()
    assert "llama.cpp: lacks tokenizer.model" in exported(folder, [])
    with pytest.raises(UserError, match=r"there is no tokenizer\.model"):
        exported(folder, ["gguf"], tmp_path / "out")


def test_gguf_blocks_must_fit_the_rows(folder, tmp_path):
    config = LlamaConfig(**json.loads((folder / "config.json").read_text()) | {"intermediate_size": 80})
    (folder / "model.safetensors").unlink()
    OmniNAForCausalLM(config).save_pretrained(folder)
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="blocks of 32 of Q8_0; choose another --gguf_type"):
        export_gguf(ExportedCheckpoint(folder), tmp_path / "out", "q8_0")


@pytest.mark.slow
def test_onnx_graph_gives_the_logits_of_padded_rows_too(folder, tmp_path):
    import onnxruntime

    assert "ONNX Runtime's logits agree" in exported(folder, ["onnx"], tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out" / "onnx" / "model.onnx"))
    ids, mask = torch.randint(3, 400, (3, 29)), torch.ones(3, 29, dtype=torch.int64)
    mask[1, :7] = 0
    (logits,) = session.run(["logits"], {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    with torch.no_grad():
        expected = AutoModelForCausalLM.from_pretrained(folder)(ids, attention_mask=mask).logits
    real = mask.bool()
    torch.testing.assert_close(torch.from_numpy(logits)[real], expected[real], atol=1e-4, rtol=1e-4)


def test_packages_that_are_missing_are_named_before_anything_is_read(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "omnina.inference.exports.gguf_file")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UserError, match=r"gguf export needs .* pip install -r requirements-export\.txt"):
        exported(tmp_path / "nowhere", ["gguf"], tmp_path / "out")


@pytest.mark.parametrize(
    ("formats", "output", "message"),
    [(["gguf"], None, "--formats needs"), ([], "new", "--output needs"), (["gguf"], ".", "this exists")],
)
def test_mistakes_on_the_command_line(tmp_path, formats, output, message):
    with pytest.raises(UserError, match=message):
        exported(tmp_path / "nowhere", formats, output and tmp_path / output)


def test_a_checkpoint_that_is_not_whole_is_refused(folder):
    (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(UserError, match="not whole"):
        exported(folder, [])
