"""Which parameters a run holds, and which of them it trains."""

from dataclasses import dataclass

from transformers import LlamaConfig

from omnina.run_settings import RunSettings
from omnina.scaling import FLOAT32, parameter_count


@dataclass(frozen=True)
class Parameters:
    """Numbers of parameters.

    Args:
        model: P, with embeddings and norms.
        adapters: of LoRA, beside the model's own; 0 without.
        one_moment: of those that train, the ones that keep one moment instead of two (Muon's).
        averaged: an average of those that train is kept.
    """

    model: int
    adapters: int = 0
    one_moment: int = 0
    averaged: bool = False

    @classmethod
    def of(cls, config: LlamaConfig, run: RunSettings) -> "Parameters":
        """Those of a run."""
        rank = run.lora_rank or 0
        shapes = layer_matrices(config)
        layers = config.num_hidden_layers
        adapters = layers * rank * sum(rows + columns for rows, columns in shapes)
        matrices = adapters if rank else layers * sum(rows * columns for rows, columns in shapes)
        averaged = run.ema_decay is not None
        return cls(parameter_count(config), adapters, matrices if run.muon else 0, averaged)

    @property
    def trained(self) -> int:
        """The adapters alone, or all."""
        return self.adapters or self.model

    @property
    def weight_bytes(self) -> int:
        """Of all weights, float32."""
        return FLOAT32 * (self.model + self.adapters)

    @property
    def gradient_bytes(self) -> int:
        """Of the trained ones' gradients, float32."""
        return FLOAT32 * self.trained

    @property
    def optimizer_bytes(self) -> int:
        """Of AdamW's two moments, and of Muon's one."""
        return FLOAT32 * (2 * self.trained - self.one_moment)

    @property
    def average_bytes(self) -> int:
        """Of the weights' average, float32."""
        return FLOAT32 * self.trained * self.averaged


def layer_matrices(config: LlamaConfig) -> list[tuple[int, int]]:
    """(inputs, outputs) of each matrix of one layer."""
    hidden, inner = config.hidden_size, config.intermediate_size
    heads, key_value = (
        count * config.head_dim for count in (config.num_attention_heads, config.num_key_value_heads)
    )
    attention = [(hidden, heads), (hidden, key_value), (hidden, key_value), (heads, hidden)]
    return [*attention, (hidden, inner), (hidden, inner), (inner, hidden)]
