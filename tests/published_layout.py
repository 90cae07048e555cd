"""Checkpoints of exactly the published layout, with random weights: what transformers 4.28 wrote.

The tokenizer has 32,000 pieces, of which those that matter stand at their published numbers; the others are
characters that no text has.
"""

import json
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, models, normalizers, processors
from transformers import LlamaConfig, LlamaForCausalLM

from omnina.special_tokens import BOS_ID, BOS_TOKEN, EOS_TOKEN, PAD_TOKEN, UNK_TOKEN
from omnina.tokenizer import SPACE

PIECES = 32_000
HEAD_DIM = 64
MERGED = {"GT": 12, f"{SPACE}A": 15, f"{SPACE}AC": 100, f"{SPACE}ACGT": 2724, "NA": 3566}
SINGLE = {SPACE: 30814, "A": 30815, "T": 30816, "C": 30817, "G": 30818, "N": 30864}
SPLITS = [("G", "T"), (SPACE, "A"), (f"{SPACE}A", "C"), (f"{SPACE}AC", "GT"), ("N", "A")]
OTHER_LETTERS = "abcdefghijklmnopqrstuvwxyzBDEFHIJKLMOPQRSUVWXYZ0123456789#:?.;()%"


def write_published(folder: Path, *, layers: int = 2, heads: int = 2) -> LlamaForCausalLM:
    """Write a checkpoint of the published layout; returns its model."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    torch.manual_seed(0)
    hidden = heads * HEAD_DIM
    shape = {"hidden_size": hidden, "intermediate_size": 4 * hidden, "num_hidden_layers": layers}
    shape |= {"num_attention_heads": heads, "vocab_size": PIECES + 1, "max_position_embeddings": 2048}
    write_config(folder, shape)
    model = LlamaForCausalLM(LlamaConfig(**shape, rms_norm_eps=1e-6, pad_token_id=0))
    torch.save(published_state(model), folder / "pytorch_model.bin")
    return model


def published_state(model: LlamaForCausalLM) -> dict[str, torch.Tensor]:
    """Its weights, and each layer's frequencies in bf16."""
    frequencies = 10_000 ** -(torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    buffers = {
        f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": frequencies.bfloat16()
        for layer in range(model.config.num_hidden_layers)
    }
    return model.state_dict() | buffers


def write_config(folder: Path, shape: dict) -> None:
    """config.json with the keys of transformers 4.28.1."""
    values = {
        "_name_or_path": "pretrain",
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "model_type": "llama",
        "pad_token_id": 0,
        "rms_norm_eps": 1e-06,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.28.1",
        "use_cache": True,
    }
    (folder / "config.json").write_text(json.dumps(values | shape, indent=2))


def write_tokenizer(folder: Path) -> None:
    """tokenizer.json and added_tokens.json alone."""
    numbers = {UNK_TOKEN: 0, BOS_TOKEN: 1, EOS_TOKEN: 2} | MERGED | SINGLE
    taken = set(numbers.values())
    free = (number for number in range(PIECES - 1, 0, -1) if number not in taken)
    numbers |= {letter: next(free) for letter in OTHER_LETTERS}
    numbers |= {chr(0xF0000 + number): number for number in free}
    vocabulary = dict(sorted(numbers.items(), key=lambda item: item[1]))
    backend = Tokenizer(
        models.BPE(vocabulary, SPLITS, unk_token=UNK_TOKEN, fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{BOS_TOKEN} $A", special_tokens=[(BOS_TOKEN, BOS_ID)]
    )
    backend.add_special_tokens(
        [AddedToken(name, normalized=False) for name in (UNK_TOKEN, BOS_TOKEN, EOS_TOKEN)]
    )
    backend.save(str(folder / "tokenizer.json"))
    (folder / "added_tokens.json").write_text(json.dumps({PAD_TOKEN: PIECES}))
