"""Memory, communication and efficiency of training on many GPUs, by formula; nothing here is measured.

Letters: P parameters, N GPUs, T tokens of one forward pass, H hidden size, L layers, V vocabulary. Sizes are
in bytes, rates in bytes or FLOP per second. ``docs/scaling.md`` holds the tables that these functions make,
and the tests compare the part that a CPU can measure with a measurement.
"""

from dataclasses import dataclass
from typing import Literal

from transformers import LlamaConfig

from omnina.checkpointed_layers import checkpointed_count
from omnina.flops import training_flops
from omnina.loss import CHUNK_BYTES

Engine = Literal["ddp", "fsdp"]
FLOAT32, BFLOAT16 = 4, 2  # bytes
ADAM_MOMENTS = 2


@dataclass(frozen=True)
class Hardware:
    """One GPU and its connections.

    Args:
        flops: dense bf16 products of a GPU, FLOP/s, by its data sheet.
        reached: share of them that a single GPU reaches (model FLOPs utilisation).
        inside: bytes/s that a GPU sends to others of its machine.
        between: bytes/s that a GPU sends to other machines.
        gpus_per_node: GPUs of a machine.
    """

    flops: float = 989e12
    reached: float = 0.4
    inside: float = 300e9
    between: float = 40e9
    gpus_per_node: int = 8

    def link(self, gpus: int) -> float:
        """Bytes/s of the slowest link in a ring over so many GPUs."""
        return self.inside if gpus <= self.gpus_per_node else self.between


H100 = Hardware()


def parameter_count(config: LlamaConfig) -> int:
    """P, with embeddings and norms."""
    heads, hidden = config.num_attention_heads * config.head_dim, config.hidden_size
    key_value = config.num_key_value_heads * config.head_dim
    layer = hidden * (2 * heads + 2 * key_value) + 3 * hidden * config.intermediate_size + 2 * hidden
    embeddings = (1 if config.tie_word_embeddings else 2) * config.vocab_size * hidden
    return config.num_hidden_layers * layer + embeddings + hidden


def largest_unit(config: LlamaConfig) -> int:
    """Parameters that FSDP2 gathers at once at most: a layer, or an embedding."""
    embedding = config.vocab_size * config.hidden_size
    outside = (1 if config.tie_word_embeddings else 2) * embedding + config.hidden_size
    layer = (parameter_count(config) - outside) // config.num_hidden_layers
    return max(layer, embedding)


def state_bytes(parameters: int) -> int:
    """float32 weights, gradients and both of AdamW's moments: 16 bytes a parameter."""
    return parameters * FLOAT32 * (2 + ADAM_MOMENTS)


def copy_bytes(
    config: LlamaConfig,
    engine: Engine,
    gpus: int,
    accumulation: int,
    *,
    half: bool = True,
    trained: int | None = None,
) -> int:
    """Bytes of a GPU beside its share of the state, whatever the number of tokens.

    ``half``: under bf16 autocast; ``trained``: parameters that have gradients, if not all.

    DDP: everything whole, and a buffer of the gradients' buckets as large as they are; autocast keeps a
    bf16 copy of the weights. FSDP2: a share of the state, and gathered in bf16 the current and the next unit;
    with accumulation the gradients stay whole, in float32, until the last pass.
    """
    parameters, product = parameter_count(config), product_bytes(half)
    gradients = FLOAT32 * (parameters if trained is None else trained)
    if engine == "ddp":
        return (gradients if gpus > 1 else 0) + (parameters * BFLOAT16 if half else 0)
    unsharded = gradients if accumulation > 1 else largest_unit(config) * product
    return 2 * largest_unit(config) * product + unsharded


def gpu_state_bytes(config: LlamaConfig, engine: Engine, gpus: int, accumulation: int) -> int:
    """Bytes of a GPU that do not depend on the number of tokens, under bf16: state and copies."""
    shares = gpus if engine == "fsdp" else 1
    return state_bytes(parameter_count(config)) // shares + copy_bytes(config, engine, gpus, accumulation)


def product_bytes(half: bool) -> int:
    """Of a number in a product of matrices: bf16 under autocast, else float32."""
    return BFLOAT16 if half else FLOAT32


def kept_bytes(config: LlamaConfig, tokens: int, recomputed: float, *, half: bool = True) -> int:
    """Bytes that a forward pass over T tokens keeps for the backward pass; ``half``: under bf16 autocast.

    Of the share ``recomputed`` of its layers, those of activation checkpointing, each keeps its float32 input
    alone. To the layers come the final norm's input and output.
    """
    hidden, layers = config.hidden_size * FLOAT32, config.num_hidden_layers
    again = checkpointed_count(layers, recomputed)
    return tokens * (again * hidden + (layers - again) * layer_bytes(config, half) + 2 * hidden)


def activation_bytes(config: LlamaConfig, tokens: int, recomputed: float, *, half: bool = True) -> int:
    """Most bytes that depend on the pass: what it keeps, a layer computed again, and the loss.

    Where not all layers are computed again the last one is not: what it has kept is free by the time another
    is. The loss holds a chunk of logits, under bf16 in float32 too, and the output embedding's gradient in
    float32.
    """
    layers = config.num_hidden_layers
    again = tokens * layer_bytes(config, half) if checkpointed_count(layers, recomputed) == layers else 0
    chunk = min(CHUNK_BYTES, tokens * config.vocab_size * product_bytes(half))
    loss = chunk * (1 + FLOAT32 // BFLOAT16 if half else 1) + config.vocab_size * config.hidden_size * FLOAT32
    return kept_bytes(config, tokens, recomputed, half=half) + again + loss


def layer_bytes(config: LlamaConfig, half: bool) -> int:
    """Bytes a token that one layer keeps.

    Its input and the sum after attention in float32, the norms of both in float32 and bf16; queries, keys,
    values and what attention gives in bf16; gate, up, silu(gate) and their product in bf16. In float32 there
    is no copy of the norms, and all of it is float32.
    """
    hidden, inner, product = config.hidden_size, config.intermediate_size, product_bytes(half)
    heads = (2 * config.num_attention_heads + 2 * config.num_key_value_heads) * config.head_dim
    norm_copy = BFLOAT16 if half else 0
    return 2 * hidden * (FLOAT32 + FLOAT32 + norm_copy) + heads * product + 4 * inner * product


def step_traffic(config: LlamaConfig, engine: Engine, gpus: int, accumulation: int) -> float:
    """Bytes that each GPU sends in one optimizer step, in rings.

    DDP: float32 gradients, reduced and distributed: 2 x 4P (N-1)/N. FSDP2: in each pass the bf16 weights
    gathered forward and backward, 2 x 2P (N-1)/N; in the last one float32 gradients reduced, 4P (N-1)/N.
    """
    share = parameter_count(config) * (gpus - 1) / gpus
    if engine == "ddp":
        return 2 * FLOAT32 * share
    return (2 * BFLOAT16 * accumulation + FLOAT32) * share


def compute_seconds(
    config: LlamaConfig, tokens: int, document: int, recomputed: float, hardware: Hardware = H100
) -> float:
    """Seconds of forward and backward over T tokens in documents of so many."""
    flops = training_flops(config, document) * tokens / document
    return flops * repeated_work(config, recomputed) / (hardware.flops * hardware.reached)


def repeated_work(config: LlamaConfig, recomputed: float) -> float:
    """What is computed over the model's FLOPs: the forward pass of all layers again is a third more."""
    layers = config.num_hidden_layers
    return 1 + checkpointed_count(layers, recomputed) / layers / 3


def efficiency(
    config: LlamaConfig,
    engine: Engine,
    gpus: int,
    *,
    tokens_per_step: int,
    tokens_per_device: int,
    document: int = 256,
    recomputed: float = 0.0,
    hidden_share: float = 0.8,
    hardware: Hardware = H100,
) -> float:
    """Speed of N GPUs over N times that of one: compute / (compute + traffic that it does not hide).

    Traffic runs beside computation: DDP's beside the last backward pass, FSDP2's beside all of them. A share
    ``hidden_share`` of that time hides traffic; what exceeds it is waited for.
    """
    accumulation = max(1, -(-tokens_per_step // (tokens_per_device * gpus)))
    compute = compute_seconds(config, tokens_per_step // gpus, document, recomputed, hardware)
    beside = compute * (2 / 3) / accumulation if engine == "ddp" else compute
    traffic = step_traffic(config, engine, gpus, accumulation) / hardware.link(gpus)
    return compute / (compute + max(0.0, traffic - hidden_share * beside))
