"""A checkpoint as an ONNX graph, by transformers' own exporter, run once by ONNX Runtime and compared.

The graph is one forward pass without a cache, of any sizes: (batch, T) ids and mask -> (batch, T, V) logits.
"""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.exporters import OnnxConfig, OnnxExporter

from omnina.inference.exports.agreement import check_agreement
from omnina.inference.exports.checkpoint import ExportedCheckpoint
from omnina.progress import no_library_bars, no_library_words

TRACED = (2, 17)  # rows, tokens; any but 1, which would be taken for fixed


def export_onnx(checkpoint: ExportedCheckpoint, output: Path) -> str:
    """Write ``output/onnx/`` and compare it; a sentence on file and comparison.

    Raises UserError if ONNX Runtime computes other logits.
    """
    folder = output / "onnx"
    with no_library_bars():
        llama = AutoModelForCausalLM.from_pretrained(
            checkpoint.folder, dtype=torch.float32, trust_remote_code=False
        ).eval()
    llama.config.use_cache = False
    ids = torch.ones(TRACED, dtype=torch.int64)
    sample = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    tokens = torch.export.Dim("tokens", max=llama.config.max_position_embeddings)
    config = OnnxConfig(dynamic_shapes={name: {0: torch.export.Dim("batch"), 1: tokens} for name in sample})
    with no_library_words(), redirect_stdout(sys.stderr):  # it tells its own progress, on stdout too
        OnnxExporter().export(llama, sample, config=config).save_pretrained(folder)
    path = folder / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def logits(ids: Tensor) -> Tensor:
        feed = {"input_ids": ids.numpy(), "attention_mask": np.ones(ids.shape, dtype=np.int64)}
        return torch.from_numpy(session.run(["logits"], feed)[0][0])

    worst = check_agreement(checkpoint.model, checkpoint.probes, logits, "ONNX Runtime", path)
    return f"{path}: ONNX Runtime's logits agree to {worst:.1e} on {len(checkpoint.probes)} prompts"
