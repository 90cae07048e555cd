"""Rotary positions (Su et al., 2021, arXiv:2104.09864): T tokens, D size of a head.

``rope_type: linear`` divides all frequencies by a factor (Chen et al., 2023, arXiv:2306.15595). Above 1 it
stretches positions, so that a model reads further than it was trained; below 1 it lets heads turn faster. No
head of the default turns faster than 1 radian a token, once in 6.3, so that none sees what repeats every
three; with a factor of 3 / (2 pi) the fastest pair of each turns once in three tokens, a codon of single
bases.
"""

import torch
from torch import Tensor
from transformers import LlamaConfig

from omnina.architecture import LINEAR


def rotary_tables(positions: Tensor, config: LlamaConfig) -> tuple[Tensor, Tensor]:
    """cos and sin of the rotary angles, both (T, 1, D) float32.

    Args:
        positions: (T,) integers.
        config: for the head size D, the base and the factor.
    """
    angles = torch.outer(positions.float(), rotary_frequencies(config, positions.device))  # (T, D/2)
    angles = torch.cat((angles, angles), dim=-1)[:, None]  # (T, 1, D)
    return angles.cos(), angles.sin()


def rotary_frequencies(config: LlamaConfig, device: torch.device | None = None) -> Tensor:
    """(D/2,) float32, radians a token, the fastest first."""
    rope = config.rope_parameters
    factor = rope["factor"] if rope["rope_type"] == LINEAR else 1.0
    exponents = torch.arange(0, config.head_dim, 2, device=device).float() / config.head_dim
    return 1.0 / rope["rope_theta"] ** exponents / factor


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + D/2) of a head by its position's angle; computed in float32.

    x (T, heads, D), cos and sin (T, 1, D) -> (T, heads, D) in x's dtype.
    """
    first, second = x.chunk(2, dim=-1)  # (T, heads, D/2) each
    turned = torch.cat((-second, first), dim=-1)  # (T, heads, D)
    return (x * cos + turned * sin).to(x.dtype)
