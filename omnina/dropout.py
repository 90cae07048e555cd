"""Dropout whose random numbers cost little on a CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 2**16  # of a random int16


class Dropout(nn.Module):
    """Zeroes a random share of its input in training and scales up the rest (Srivastava et al., 2014).

    torch draws a float for each element; on a CPU, one by one, that takes as long as a small product of
    matrices. There four elements share the 64 bits of a draw, and the share is rounded to 1 in 65,536.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        if not self.training or self.share == 0:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.share)
        dropped = round(self.share * LEVELS)  # of the levels
        kept = _random_levels(x.numel()).view(x.shape) >= dropped - LEVELS // 2
        return x * kept.to(x.dtype).mul_(LEVELS / (LEVELS - dropped))


def _random_levels(count: int) -> Tensor:
    """So many int16, all values equally likely; from torch's generator of the CPU."""
    draws = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    return draws.view(torch.int16)[:count]
