"""A checkpoint as one GGUF file, for llama.cpp and what is built on it.

Written as llama.cpp's own converter writes a Llama with a SentencePiece vocabulary: rows of the query and key
matrices in the order of its rotary embedding, norms in float32. Then the file is read back with transformers'
reader, whose logits must be those of the checkpoint with weights rounded in the same way.
"""

from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import torch
from sentencepiece import SentencePieceProcessor
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig

from omnina.architecture import LINEAR
from omnina.errors import UserError
from omnina.inference.exports.agreement import check_agreement, llama_logits
from omnina.inference.exports.checkpoint import SENTENCEPIECE_FILE, ExportedCheckpoint
from omnina.model import OmniNAForCausalLM
from omnina.progress import no_library_words
from omnina.special_tokens import BOS_ID, EOS_ID, UNK_ID
from omnina.tokenizer import has_dummy_prefix

ARCHITECTURE = "llama"
TYPES = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
    "q8_0": (gguf.GGMLQuantizationType.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
}


def export_gguf(checkpoint: ExportedCheckpoint, output: Path, kind: str) -> str:
    """Write ``output/model-KIND.gguf`` and compare it; a sentence on file and comparison.

    Raises UserError if the checkpoint has no ``tokenizer.model``, its rows cannot be cut into blocks of the
    kind, or what is read back differs.
    """
    path = output / f"model-{kind}.gguf"
    model, quantization = checkpoint.model, TYPES[kind][0]
    _check_rows(model.config, quantization, checkpoint.folder)
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    _add_shape(writer, model.config, checkpoint.folder.name, TYPES[kind][1])
    _add_vocabulary(writer, checkpoint)
    for name, array in _tensors(model):
        stored = _stored_type(array, quantization)
        writer.add_tensor(name, gguf.quants.quantize(array, stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    _check_vocabulary(path, checkpoint)
    worst = _check_logits(path, checkpoint, quantization)
    return f"{path}: {path.stat().st_size:,} bytes; vocabulary and logits read back agree ({worst:.1e})"


def _check_rows(config: LlamaConfig, quantization: gguf.GGMLQuantizationType, folder: Path) -> None:
    block = gguf.GGML_QUANT_SIZES[quantization][0]
    if config.hidden_size % block or config.intermediate_size % block:
        raise UserError(
            f"{folder}: rows of {config.hidden_size} and {config.intermediate_size} numbers cannot be cut "
            f"into the blocks of {block} of {quantization.name}; choose another --gguf_type."
        )


def _add_shape(
    writer: gguf.GGUFWriter, config: LlamaConfig, name: str, file_type: gguf.LlamaFileType
) -> None:
    writer.add_name(name)
    writer.add_file_type(file_type)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == LINEAR:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])


def _add_vocabulary(writer: gguf.GGUFWriter, checkpoint: ExportedCheckpoint) -> None:
    tokenizer = checkpoint.tokenizer
    pieces, scores, kinds = _vocabulary(checkpoint)
    writer.add_tokenizer_model(ARCHITECTURE)  # SentencePiece, in llama.cpp's words
    writer.add_tokenizer_pre("default")
    writer.add_token_list(pieces)
    writer.add_token_scores(scores)
    writer.add_token_types(kinds)
    writer.add_bos_token_id(BOS_ID)
    writer.add_eos_token_id(EOS_ID)
    writer.add_unk_token_id(UNK_ID)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(has_dummy_prefix(tokenizer.backend_tokenizer))
    writer.add_remove_extra_whitespaces(False)
    writer.add_chat_template(tokenizer.chat_template)


def _vocabulary(checkpoint: ExportedCheckpoint) -> tuple[list[str], list[float], list[int]]:
    """Pieces, scores and kinds of SentencePiece, ``[PAD]`` last."""
    path = checkpoint.folder / SENTENCEPIECE_FILE
    if not path.is_file():
        raise UserError(
            f"{checkpoint.folder}: there is no {SENTENCEPIECE_FILE}, which llama.cpp's tokenizer is made "
            "from. Import the model with scripts/import_checkpoint.py, which makes it where it can be made."
        )
    processor = SentencePieceProcessor(model_file=str(path))
    numbers = range(processor.get_piece_size())
    pieces = [processor.id_to_piece(number) for number in numbers]
    scores = [processor.get_score(number) for number in numbers]
    kinds = [_kind(processor, number) for number in numbers]
    pad = checkpoint.tokenizer.pad_token
    if pad in pieces:
        return pieces, scores, kinds
    return [*pieces, pad], [*scores, 0.0], [*kinds, gguf.TokenType.CONTROL]


def _kind(processor: SentencePieceProcessor, number: int) -> int:
    if processor.is_unknown(number):
        return gguf.TokenType.UNKNOWN
    if processor.is_control(number):
        return gguf.TokenType.CONTROL
    return gguf.TokenType.BYTE if processor.is_byte(number) else gguf.TokenType.NORMAL


def _tensors(model: OmniNAForCausalLM) -> Iterator[tuple[str, np.ndarray]]:
    """(name, float32 array) by llama.cpp's names, in its order of rows."""
    config = model.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        rotated = next((count for part, count in heads.items() if part in name), None)
        tensor = _interleaved(tensor, rotated) if rotated else tensor
        yield names.get_name(name, try_suffixes=(".weight",)), tensor.float().numpy()


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """(heads x D, H): within a head, row i beside row i + D / 2, the pair that one angle rotates."""
    of_heads = weight.view(heads, 2, -1, weight.shape[1])  # (heads, 2, D / 2, H)
    return of_heads.transpose(1, 2).reshape(weight.shape)


def _stored_type(array: np.ndarray, quantization: gguf.GGMLQuantizationType) -> gguf.GGMLQuantizationType:
    return quantization if array.ndim > 1 else gguf.GGMLQuantizationType.F32


def _check_vocabulary(path: Path, checkpoint: ExportedCheckpoint) -> None:
    fields = gguf.GGUFReader(path).fields
    pieces = fields["tokenizer.ggml.tokens"].contents()
    expected = checkpoint.tokenizer.convert_ids_to_tokens(list(range(len(checkpoint.tokenizer))))
    template = fields["tokenizer.chat_template"].contents()
    if pieces != expected or template != checkpoint.tokenizer.chat_template:
        raise UserError(
            f"{path}: its vocabulary is not that of tokenizer.json, so {SENTENCEPIECE_FILE} in "
            f"{checkpoint.folder} belongs to another tokenizer: copy the checkpoint again."
        )


def _check_logits(
    path: Path, checkpoint: ExportedCheckpoint, quantization: gguf.GGMLQuantizationType
) -> float:
    """Against the checkpoint's model with every matrix rounded as the file holds it."""
    with no_library_words():
        llama = AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            dtype=torch.float32,
            trust_remote_code=False,
            rope_parameters=_rope_of(path),
        ).eval()
    rounded = OmniNAForCausalLM(checkpoint.model.config).eval()
    rounded.load_state_dict(
        {name: _rounded(weight, quantization) for name, weight in checkpoint.model.state_dict().items()}
    )
    reader = "transformers' GGUF reader"
    return check_agreement(rounded, checkpoint.probes, llama_logits(llama), reader, path)


def _rope_of(path: Path) -> dict[str, str | float]:
    """What the file says of rotation; transformers reads no more of it than the base."""
    values = {
        name.rsplit(".", 1)[-1]: field.contents()
        for name, field in gguf.GGUFReader(path).fields.items()
        if ".rope." in name
    }
    rope = {"rope_type": values.get("type", "default"), "rope_theta": values["freq_base"]}
    return rope | ({"factor": values["factor"]} if "factor" in values else {})


def _rounded(weight: Tensor, quantization: gguf.GGMLQuantizationType) -> Tensor:
    array = weight.float().numpy()
    stored = _stored_type(array, quantization)
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(array, stored), stored).copy())
