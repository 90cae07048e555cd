"""Peak memory of optimizer steps, and what it is made of; each figure from a process of its own.

Parameters, gradients and AdamW's two moments are float32, so known; the rest of the peak is activations and
temporaries. Python and torch themselves are left out where parts are told, and counted in ``peak_of_steps``.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from transformers import LlamaConfig

from omnina.benchmarks.child import in_child, peak_resident_bytes
from omnina.benchmarks.figures import compared
from omnina.benchmarks.training import run_pass
from omnina.benchmarks.ways import OURS, PADDED, Choices, Way, make_way
from omnina.benchmarks.work import Work, first_device, published_like_rows, where_measured
from omnina.model_config import read_architecture

STEPS = 2  # the second has the optimizer's moments beside the activations
MIB = 2**20
RECOMPUTED = {  # share of the layers, and what it is called
    0.0: "",
    0.5: ", half the layers' computed again",
    1.0: ", activations computed again",
}


def measure_memory(model_configs: Iterable[str], dtype: str, rows: int) -> list[list[dict]]:
    """A table of ``{work, metric, ours, baseline, ratio}`` for each architecture, MiB.

    Args:
        model_configs: YAMLs with architectures.
        dtype: ``bf16`` (autocast) or ``fp32``.
        rows: of a forward pass, with lengths as in the published sample.

    Raises UserError for a file that is no architecture.
    """
    model_configs = list(model_configs)
    for model_config in model_configs:
        read_architecture(model_config)  # a mistake in the last is told before the first is measured
    return [_table(model_config, dtype, rows) for model_config in model_configs]


def _table(model_config: str, dtype: str, rows: int) -> list[dict]:
    where = where_measured(first_device())
    work = f"{Path(model_config).stem}, {dtype}, {rows} rows a pass, {where}"
    table = []
    for recomputed, suffix in RECOMPUTED.items():
        given = (model_config, dtype, rows)
        parts = [
            in_child("omnina.benchmarks.memory", "parts_of_a_step", *given, way, recomputed)
            for way in (OURS, PADDED)
        ]
        names = ["activations and temporaries", "whole step"] if recomputed else list(parts[0])
        table += [
            compared(work, f"{name}{suffix}, MiB", *(part[name] / MIB for part in parts)) for name in names
        ]
    return table


def parts_of_a_step(model_config: str, dtype: str, rows: int, way_name: str, recomputed: float) -> dict:
    """Bytes by part, over steps with AdamW; for a child process."""
    config = read_architecture(model_config)
    choices = Choices(config, first_device(), dtype == "bf16")
    batch = published_like_rows(rows, config.vocab_size, config.max_position_embeddings)
    small_steps(choices, way_name)  # what the libraries load is no part of the step
    before = peak_bytes(choices.device)
    way = make_way(way_name, replace(choices, recomputed=recomputed))
    _steps(way, choices, [batch] * STEPS)
    weights = sum(parameter.nbytes for parameter in way.model.parameters())
    whole = peak_bytes(choices.device) - before
    return {
        "parameters": weights,
        "gradients": weights,
        "optimizer": 2 * weights,
        "activations and temporaries": max(whole - 4 * weights, 1),
        "whole step": whole,
    }


def peak_of_steps(settings: dict, way_name: str) -> int:
    """Highest memory of this process, bytes, over steps of this ``Work`` with AdamW; for a child process."""
    choices, passes = Work(**settings).passes(fewest=1)
    _steps(make_way(way_name, choices), choices, passes)
    return peak_bytes(choices.device)


def small_steps(choices: Choices, way_name: str) -> None:
    """Steps of a model of a few thousand parameters: they load what steps of any model need."""
    config = LlamaConfig(
        vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=1, num_attention_heads=1
    )
    small = replace(choices, config=config)
    _steps(make_way(way_name, small), small, [published_like_rows(2, 64, 64)] * STEPS)


def _steps(way: Way, choices: Choices, batches: list[list[dict]]) -> None:
    optimizer = torch.optim.AdamW(way.model.parameters(), lr=1e-4, fused=True)
    for rows in batches:
        run_pass(way, choices, rows)
        optimizer.step()
        optimizer.zero_grad()


def peak_bytes(device: torch.device) -> int:
    """The most that this process has held: of the GPU's allocator, else of the machine's memory."""
    return torch.cuda.max_memory_allocated() if device.type == "cuda" else peak_resident_bytes()
