"""Whether a checkpoint's weights are whole and are those of its configuration; reads headers alone.

The library fills weights that are missing with random numbers and goes on.
"""

import json
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import LlamaConfig

from omnina.errors import UserError
from omnina.files.listed import check_name

INDEX_FILE = "model.safetensors.index.json"
BIN_FILE = "pytorch_model.bin"
LAYER = "model.layers."

# What torch raises at a pickle that is not whole, or holds anything but tensors.
UNREADABLE = (
    *(pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError),
    *(AttributeError, AssertionError, OverflowError, struct.error),
)

Shape = tuple[int, ...]


def check_weights(folder: Path, config: LlamaConfig) -> None:
    """UserError for a file that is missing, cut short or in another folder, or weights of another model.

    Weights of the published ``.bin`` kind, a pickle, are read as tensors alone: nothing in it is run.
    """
    found: dict[str, Shape] = {}
    for path in _files(folder):
        found |= _shapes(path)
    if not found:
        found = _pickled_shapes(folder / BIN_FILE)
    layers = {name.removeprefix(LAYER).split(".")[0] for name in found if name.startswith(LAYER)}
    if len(layers) != config.num_hidden_layers:
        raise UserError(
            f"{folder}: the weights have {len(layers)} layers, config.json {config.num_hidden_layers}; "
            "they do not belong together: copy the checkpoint again."
        )
    for name, shape in expected_shapes(config):
        if found.get(name) != shape:
            raise UserError(
                f"{folder}: config.json asks for {name} of shape {list(shape)}, the weights have "
                f"{list(found[name]) if name in found else 'none'}; copy the checkpoint again."
            )


def expected_shapes(config: LlamaConfig) -> Iterator[tuple[str, Shape]]:
    """(name, shape) of every weight of a Llama."""
    hidden, inner = config.hidden_size, config.intermediate_size
    queries, keys = (
        heads * config.head_dim for heads in (config.num_attention_heads, config.num_key_value_heads)
    )
    of_layer: Mapping[str, Shape] = {
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
    }
    yield "model.embed_tokens.weight", (config.vocab_size, hidden)
    for layer in range(config.num_hidden_layers):
        yield from ((f"{LAYER}{layer}.{name}.weight", shape) for name, shape in of_layer.items())
    yield "model.norm.weight", (hidden,)
    if not config.tie_word_embeddings:
        yield "lm_head.weight", (config.vocab_size, hidden)


def _files(folder: Path) -> list[Path]:
    index = folder / INDEX_FILE
    if (folder / "model.safetensors").is_file() or not index.is_file():
        return sorted(folder.glob("model*.safetensors"))
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({check_name(folder, name) for name in named})
    except UserError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{index}: not an index of weights ({error!r}); copy it again.") from error


def _shapes(path: Path) -> dict[str, Shape]:
    try:
        with safe_open(path, framework="numpy") as weights:
            return {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{path}: not whole ({error}); copy it again, or run the command that made it again."
        ) from error


def load_pickled(path: Path, device: str) -> dict[str, Tensor]:
    """Tensors of a ``.bin`` file by name, read from the disk when they are used; nothing in it is run.

    Args:
        path: of the pickle.
        device: ``cpu``, or ``meta`` for shapes alone.

    Raises UserError if it is cut short or holds anything but tensors.
    """
    try:
        zipped = zipfile.is_zipfile(path)  # older ones are not, and cannot be mapped
        weights = torch.load(path, map_location=device, weights_only=True, mmap=zipped)
        return {str(name): _checked_tensor(name, weight) for name, weight in weights.items()}
    except UNREADABLE as error:
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise UserError(
            f"{path}: not weights that can be read without running code ({reason}); fetch it again, from one "
            "you trust."
        ) from error


def _checked_tensor(name: object, weight: object) -> Tensor:
    if not isinstance(weight, Tensor):
        raise TypeError(f"{name} is no tensor")
    return weight


def _pickled_shapes(path: Path) -> dict[str, Shape]:
    return {name: tuple(weight.shape) for name, weight in load_pickled(path, "meta").items()}
