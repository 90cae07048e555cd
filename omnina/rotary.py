"""Rotary positions (Su et al., 2021, arXiv:2104.09864): T tokens, D size of a head."""

import torch
from torch import Tensor
from transformers import LlamaConfig


def rotary_tables(positions: Tensor, config: LlamaConfig) -> tuple[Tensor, Tensor]:
    """cos and sin of the rotary angles, both (T, 1, D) float32.

    Args:
        positions: (T,) integers.
        config: for the head size D and the base.
    """
    exponents = torch.arange(0, config.head_dim, 2, device=positions.device).float() / config.head_dim
    frequencies = 1.0 / config.rope_parameters["rope_theta"] ** exponents  # (D/2,)
    angles = torch.outer(positions.float(), frequencies)  # (T, D/2)
    angles = torch.cat((angles, angles), dim=-1)[:, None]  # (T, 1, D)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn each pair (i, i + D/2) of a head by its position's angle; computed in float32.

    x (T, heads, D), cos and sin (T, 1, D) -> (T, heads, D) in x's dtype.
    """
    first, second = x.chunk(2, dim=-1)  # (T, heads, D/2) each
    turned = torch.cat((-second, first), dim=-1)  # (T, heads, D)
    return (x * cos + turned * sin).to(x.dtype)
