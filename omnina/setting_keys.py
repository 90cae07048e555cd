"""Which keys a YAML file or the command line may have: unknown ones, and those that would do nothing."""

import difflib

from omnina.errors import UserError

# Keys of TrainingArguments that do nothing here, and options of the published scripts: what to set instead.
REFUSED = {
    "per_device_train_batch_size": "tokens_per_device (tokens of one forward pass)",
    "per_device_eval_batch_size": "tokens_per_device (tokens of one forward pass)",
    "gradient_accumulation_steps": "tokens_per_step: accumulation follows from it and tokens_per_device",
    "train_sampling_strategy": "seed: rows are shuffled in blocks",
    "group_by_length": "nothing: steps hold a set number of tokens without padding",
    "dataloader_drop_last": "nothing: an epoch goes over into the next",
    "auto_find_batch_size": "tokens_per_device (tokens of one forward pass)",
    "label_smoothing_factor": "label_smoothing: of the answers, among the labels of their question",
    "torch_compile": "compile_layers",
    "gradient_checkpointing": "activation_checkpointing",
    "ignore_data_skip": "nothing: a resumed run starts at its step by arithmetic",
    "warmup_ratio": "warmup_steps: a number under 1 is a share, 0.03 is 3 %",
    "evaluation_strategy": "eval_strategy",
    "model_name_or_path": "checkpoint: a folder (of a published model: scripts/import_checkpoint.py)",
    "train_data_path": "train_files",
    "val_data_path": "validation_files",
    "model_max_length": "max_length",
    "fsdp": "ACCELERATE_CONFIG=configs/accelerate/fsdp.yaml before the command",
    "fsdp_config": "ACCELERATE_CONFIG=configs/accelerate/fsdp.yaml before the command",
    "fsdp_transformer_layer_cls_to_wrap": "ACCELERATE_CONFIG=configs/accelerate/fsdp.yaml before the command",
    "save_only_model": "nothing: a checkpoint is to go on from; the model alone is in output_dir at the end",
    "push_to_hub": "nothing: a run sends nothing anywhere; upload its folder by hand",
}


def check_key(key: str, known: set[str], where: str) -> None:
    """UserError for a key that is not known (with the nearest that is), or that has no effect here."""
    if key in REFUSED:
        raise UserError(f"{where}'{key}' has no effect here; set instead {REFUSED[key]}.")
    if key not in known:
        near = difflib.get_close_matches(key, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise UserError(f"{where}unknown key '{key}'.{hint}")
