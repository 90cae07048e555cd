"""A published checkpoint's weights by today's names: those of a Llama, and nothing else.

transformers 4 saved with every layer the frequencies of its rotary embedding, as a buffer. Today's Llama
computes them from ``rope_theta``, so they are left out, but not before they were found to be the same.
"""

import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig

from omnina.checkpoints.weights import BIN_FILE, INDEX_FILE, expected_shapes, load_pickled
from omnina.errors import UserError
from omnina.files.json_file import read_object
from omnina.files.listed import check_name

BIN_INDEX_FILE = f"{BIN_FILE}.index.json"
FREQUENCIES = re.compile(r"model\.layers\.\d+\.self_attn\.rotary_emb\.inv_freq")
POINTER = b"version https://git-lfs"


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights, safetensors before pickles; UserError if there are none."""
    for name, index in (("model.safetensors", INDEX_FILE), (BIN_FILE, BIN_INDEX_FILE)):
        if (folder / name).is_file():
            return [folder / name]
        if (folder / index).is_file():
            return _listed(folder / index)
    raise UserError(f"{folder}: there is neither model.safetensors nor {BIN_FILE} in it; fetch it again.")


def read_weights(files: list[Path]) -> dict[str, Tensor]:
    """Tensors by name, as they stand in the files; mapped from the disk where possible."""
    weights: dict[str, Tensor] = {}
    for path in files:
        weights |= _load(path)
    return weights


def of_llama(weights: dict[str, Tensor], config: LlamaConfig, where: Path) -> tuple[dict[str, Tensor], int]:
    """The weights that a Llama of this configuration has, and how many buffers were left out.

    Raises UserError, naming the tensor, for one that is missing, of another shape, not finite or not known,
    and for frequencies other than those of ``rope_theta``.
    """
    buffers = [name for name in weights if FREQUENCIES.fullmatch(name)]
    for name in buffers:
        _check_frequencies(name, weights[name], config, where)
    expected = dict(expected_shapes(config))
    found = {name: tuple(tensor.shape) for name, tensor in weights.items() if name not in buffers}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise UserError(
                f"{where}: {name} has the shape {found.get(name, 'none')}, but config.json asks for "
                f"{expected.get(name, 'none')}; they do not belong together: fetch the checkpoint again."
            )
    for name in expected:
        if not weights[name].isfinite().all():
            raise UserError(f"{where}: {name} holds numbers that are not finite; fetch the checkpoint again.")
    return {name: weights[name] for name in expected}, len(buffers)


def _check_frequencies(name: str, saved: Tensor, config: LlamaConfig, where: Path) -> None:
    """(head_dim / 2,) radians per token, often rounded to bf16."""
    places = torch.arange(0, config.head_dim, 2, dtype=torch.float32)
    computed = config.rope_parameters["rope_theta"] ** (-places / config.head_dim)
    rounding = 2**-7  # of bf16
    if saved.shape != computed.shape or not torch.allclose(saved.float(), computed, rtol=rounding, atol=0):
        raise UserError(
            f"{where}: {name} holds other frequencies than rope_theta "
            f"{config.rope_parameters['rope_theta']:g} gives; this model cannot be imported without a change "
            "of what it computes."
        )


def _listed(index: Path) -> list[Path]:
    try:
        names = set(read_object(index)["weight_map"].values())
    except (KeyError, AttributeError, TypeError) as error:
        raise UserError(f"{index}: not an index of weights ({error!r}); fetch it again.") from error
    files = sorted(check_name(index.parent, name) for name in names)
    there = set(index.parent.rglob("*"))  # asking for a name that is too long would be an error of its own
    for path in files:
        if path not in there or not path.is_file():
            raise UserError(f"{index} names the file {path.name[:100]}, which is missing; fetch it again.")
    return files


def _load(path: Path) -> dict[str, Tensor]:
    with path.open("rb") as stream:
        if stream.read(len(POINTER)) == POINTER:
            raise UserError(f"{path}: a pointer of Git LFS, not the weights; 'git lfs pull' fetches them.")
    if path.suffix != ".safetensors":
        return load_pickled(path, "cpu")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: not whole ({error}); fetch it again.") from error
