"""Exponential moving average of the weights that training goes through.

After step t the average keeps a share d of itself and takes 1 - d of the weights; d is min(decay,
(1 + t) / (10 + t)), so that the first weights are soon forgotten (Polyak & Juditsky, 1992; the warm-up is
TensorFlow's, of ``tf.train.ExponentialMovingAverage``). It follows from the step alone: a resumed run goes on
with the same bits. Costs float32 memory of the weights that train, and reading them once a step.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Those that training changes, by name; a tied one once."""
    return {name: value for name, value in model.named_parameters() if value.requires_grad}


class WeightAverage:
    """The average of a model's trained parameters, from the weights that it has now.

    Args:
        model: its parameters are float32.
        decay: the share d, once it is warmed up.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._weights = list(trained_parameters(model).values())
        assert all(weight.dtype == torch.float32 for weight in self._weights), "a model trains in float32"
        self._averages = [weight.detach().clone() for weight in self._weights]

    def update(self, step: int) -> None:
        """Take the model's weights in, when so many steps are done."""
        share = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(share)(self._averages, self._weights, None)

    @torch.no_grad()
    def exchange(self) -> None:
        """Put the average into the model, and the model's weights here; again, and all is as before."""
        for weight, average in zip(self._weights, self._averages, strict=True):
            held = weight.clone()
            weight.copy_(average)
            average.copy_(held)

    @contextmanager
    def in_model(self) -> Iterator[None]:
        """The block in which the model has the average for its weights."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()
