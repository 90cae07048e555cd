"""A Trainer whose checkpoints do not depend on how it was run.

One process, DDP and FSDP2 write the same files: ``model.safetensors`` (or the adapters), and ``optimizer.pt``
with whole tensors by parameter name. So a run goes on with another number of processes, and from one of these
ways to another. transformers would write the optimizer by parameter number without FSDP, and with it the
weights twice, once as a pickle, in files that only FSDP reads.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from omnina.errors import UserError
from omnina.layer_decay import DECAY
from omnina.matrix_optimizer import KIND
from omnina.sharding import DEALT_OUT, GATHERED, deal_out_state, gathered_state, is_sharded

ADAPTER_FILE = "adapter_model.safetensors"
WHOLE = StateDictOptions(full_state_dict=True)


class PortableCheckpoints(Trainer):
    """transformers' Trainer with weights and optimizer saved whole, by name."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the whole model as a plain folder; all processes must call it."""
        if not self.is_fsdp_enabled:
            super().save_model(output_dir, _internal_call)
            return
        state = gathered_state(self.model) if is_sharded(self.model) else None
        self._save(output_dir or self.args.output_dir, state)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        folder = Path(output_dir)
        state = get_optimizer_state_dict(self.model, self.optimizer.optimizer, options=GATHERED)
        if self.args.should_save:
            torch.save(state, folder / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), folder / SCHEDULER_NAME)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        folder, sharded = Path(checkpoint), is_sharded(self.model)
        if not (folder / OPTIMIZER_NAME).is_file():
            raise UserError(
                f"{folder}: there is no {OPTIMIZER_NAME}; without it training cannot go on from here."
            )
        reads = not sharded or self.args.process_index == 0
        state = _read(folder / OPTIMIZER_NAME) if reads else {}
        if reads:
            _check_kinds(state, self.optimizer.optimizer, folder)
            _check_layer_decay(state, self.optimizer.optimizer, folder)
        options = DEALT_OUT if sharded else WHOLE
        set_optimizer_state_dict(self.model, self.optimizer.optimizer, state, options=options)
        self.lr_scheduler.load_state_dict(_read(folder / SCHEDULER_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if not self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        model, folder = self.model if model is None else model, Path(resume_from_checkpoint)
        state = _whole_weights(folder, model) if self.args.process_index == 0 else {}
        deal_out_state(model, state, partly=(folder / ADAPTER_FILE).is_file())

    def _load_best_model(self) -> None:
        if self.is_fsdp_enabled:
            self._load_from_checkpoint(self.state.best_model_checkpoint)
        else:
            super()._load_best_model()

    def prepare_sharded(self) -> None:
        """Wrap the model by FSDP2 without training, so that a checkpoint can be loaded and measured."""
        self.create_optimizer()  # accelerate wraps the two together
        self.model, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)
        self.model_wrapped = self.model


def _check_kinds(state: dict, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """UserError for the state of another optimizer: a run cannot change it on its way."""
    saved = {group.get(KIND, "") for group in state["param_groups"]}
    here = {group.get(KIND, "") for group in optimizer.param_groups}
    if saved != here:
        with_muon = "muon" in saved
        raise UserError(
            f"{folder}: its optimizer was {'Muon beside AdamW' if with_muon else 'AdamW'}; "
            f"go on with muon: {str(with_muon).lower()}."
        )


def _check_layer_decay(state: dict, optimizer: torch.optim.Optimizer, folder: Path) -> None:
    """UserError for parameters grouped otherwise: their learning rates would silently stay as they were."""
    saved, here = (groups[0].get(DECAY, 1.0) for groups in (state["param_groups"], optimizer.param_groups))
    if saved != here:
        raise UserError(f"{folder}: it was trained with layer_decay: {saved}; go on with the same.")


def _whole_weights(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """Weights of a checkpoint by the model's own names."""
    if (folder / ADAPTER_FILE).is_file():  # peft leaves the adapter's name out of its file
        saved = load_file(folder / ADAPTER_FILE)
        names = {name.replace(f".{model.active_adapter}.", "."): name for name, _ in model.named_parameters()}
        return {names[name]: tensor for name, tensor in saved.items()}
    state: dict[str, Tensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        state |= load_file(path)
    if model.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    return state


def _read(path: Path) -> dict:
    return torch.load(path, map_location="cpu", weights_only=True)
