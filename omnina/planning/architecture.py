"""A run's architecture, before there is a tokenizer or a model."""

from pathlib import Path

from transformers import LlamaConfig, PreTrainedTokenizerFast

from omnina.checkpoints.contents import check_checkpoint, checkpoint_config
from omnina.model_config import read_architecture, read_model_config
from omnina.run_settings import RunSettings
from omnina.stage import check_length


def architecture_of(run: RunSettings, tokenizer: PreTrainedTokenizerFast | None = None) -> LlamaConfig:
    """The checkpoint's, or that of ``model_config``, checked against the tokenizer if there is one.

    Raises UserError for a checkpoint that is not there, an architecture that no model has, or a
    ``max_length`` that it has no positions for.
    """
    if run.checkpoint:
        check_checkpoint(Path(run.checkpoint))
        config = checkpoint_config(Path(run.checkpoint))
    elif tokenizer is None:
        config = read_architecture(run.model_config)
    else:
        config = read_model_config(run.model_config, len(tokenizer), str(run.tokenizer_folder))
    check_length(run, config)
    return config
