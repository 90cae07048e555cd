"""Low-rank adapters (Hu et al., 2021, arXiv:2106.09685) by peft, merged into plain weights in the end."""

from dataclasses import dataclass

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from omnina.model import OmniNAForCausalLM

ADAPTED = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class LoRA:
    """Adapters on every layer's matrices.

    Args:
        rank: of the adapters.
        alpha: adapters count alpha / rank; twice the rank if None.
        seed: of the adapters' first weights.
    """

    rank: int
    alpha: float | None
    seed: int

    def applied(self, model: OmniNAForCausalLM) -> PeftModel:
        """The model with adapters, changed in place: its own weights are frozen."""
        torch.manual_seed(self.seed)
        alpha = 2 * self.rank if self.alpha is None else self.alpha
        config = LoraConfig(r=self.rank, lora_alpha=alpha, target_modules=ADAPTED)
        return get_peft_model(model, config)  # no task type: peft then passes our arguments on as they are

    def merged(self, model: PeftModel) -> OmniNAForCausalLM:
        """The plain model with what the adapters learned added to its weights."""
        return model.merge_and_unload()
