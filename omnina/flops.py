"""What training computes, in floating-point operations, and the most that the device does in a second."""

import time

import numpy as np
import torch
from transformers import LlamaConfig

REPEATS = 5
BACK_TO_BACK = {"cuda": 50, "cpu": 1}  # products timed together: of one a GPU's start and end are a share


def training_flops(config: LlamaConfig, tokens: int | np.ndarray) -> float | np.ndarray:
    """FLOPs of forward and backward on one document of so many tokens, or on each of several.

    6 x parameters that multiply x tokens, and causal attention: 6 x layers x width x tokens^2 (Chowdhery
    et al., 2022, arXiv:2204.02311, appendix B, halved because half of the scores are masked).
    """
    width = config.num_attention_heads * config.head_dim
    key_value = config.num_key_value_heads * config.head_dim
    attention = config.hidden_size * (2 * width + 2 * key_value)
    feed_forward = 3 * config.hidden_size * config.intermediate_size
    multiplying = (
        config.num_hidden_layers * (attention + feed_forward) + config.hidden_size * config.vocab_size
    )
    return 6.0 * multiplying * tokens + 6.0 * config.num_hidden_layers * width * tokens**2


def matrix_ceiling(device: torch.device, dtype: torch.dtype, size: int) -> float:
    """FLOP/s of products of square matrices of that many rows, in this dtype; the best of several turns."""
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    count = BACK_TO_BACK[device.type]
    seconds = [seconds_of_products(left, right, count) for _ in range(REPEATS + 1)]
    return 2.0 * size**3 * count / min(seconds[1:])  # the first warms up


def seconds_of_products(left: torch.Tensor, right: torch.Tensor, count: int) -> float:
    """Of ``left @ right`` so many times, the device's queue drained before the first and after the last."""
    drain(left.device)
    began = time.perf_counter()
    for _ in range(count):
        left @ right
    drain(left.device)
    return time.perf_counter() - began


def drain(device: torch.device) -> None:
    """Wait for what a GPU still has to do; nothing on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
