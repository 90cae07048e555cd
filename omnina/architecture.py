"""A Llama's sizes, from a YAML file or a checkpoint's ``config.json``, checked before a model is made.

The library checks types and some contradictions; sizes of 0, or below, it finds out about in the middle of
making the model.
"""

import logging
import math
from collections.abc import Mapping

from huggingface_hub.errors import StrictDataclassError
from transformers import LlamaConfig

from omnina.errors import UserError

SIZES = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "head_dim"),
)
POSITIVE = ("rms_norm_eps", "rope_theta", "initializer_range")
MAY_BE_NULL = ("num_key_value_heads", "head_dim")
LINEAR = "linear"
ROPE_TYPES = ("default", LINEAR)  # those that omnina/rotary.py computes

# transformers warns of a factor below 1 whenever it reads or writes one; here it is meant (omnina/rotary.py).
# What is no positive number is refused below.
logging.getLogger("transformers.modeling_rope_utils").addFilter(
    lambda record: "`rope_parameters`'s factor field must be" not in record.getMessage()
)


def llama_config(values: Mapping, where: object) -> LlamaConfig:
    """The configuration of these values.

    Args:
        values: by the names of ``LlamaConfig``; others are kept as they are.
        where: their file, for messages.

    Raises UserError for sizes that are no numbers from 1, or that contradict each other.
    """
    for name in SIZES:
        if name in values:
            _check_size(name, values[name], where)
    for name in POSITIVE:
        _check_positive(name, values.get(name, 1), where)
    heads, groups = values.get("num_attention_heads"), values.get("num_key_value_heads")
    if heads and groups and heads % groups:
        raise UserError(
            f"{where}: num_attention_heads ({heads}) is no multiple of num_key_value_heads ({groups})."
        )
    try:
        config = LlamaConfig(**values)
    except (StrictDataclassError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"{where}: not the configuration of a Llama ({' '.join(str(error).split())})."
        ) from error
    _check_rotation(config.rope_parameters, values, where)
    return config


def _check_rotation(rope: Mapping, values: Mapping, where: object) -> None:
    """Of ``rope_parameters`` as transformers read them, from whatever keys; it warns of these at most."""
    kind = rope["rope_type"]
    if kind not in ROPE_TYPES:
        raise UserError(f"{where}: rope_type is {kind!r}; there are: {', '.join(ROPE_TYPES)}.")
    known = {"rope_type", "type", "rope_theta"} | ({"factor"} if kind == LINEAR else set())
    for name in rope.keys() - known:
        hint = f" unless rope_type is '{LINEAR}'" if name == "factor" else ""
        raise UserError(f"{where}: rotation has no '{name}'{hint}; remove it.")
    for name in rope.keys() & {"rope_theta", "factor"}:
        _check_positive(name, rope[name], where)
    if values.get("rope_theta", rope["rope_theta"]) != rope["rope_theta"]:
        raise UserError(
            f"{where}: rope_theta is {values['rope_theta']} and, in rope_parameters, {rope['rope_theta']}; "
            "keep one of them."
        )


def _check_positive(name: str, value: object, where: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise UserError(f"{where}: {name} is {value!r}; it must be a number above 0.")


def _check_size(name: str, value: object, where: object) -> None:
    if value is None and name in MAY_BE_NULL:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise UserError(f"{where}: {name} is {value!r}; it must be a whole number above 0.")
