"""What the benchmarks' tests measure: the example's validation table and the tiny model."""

from pathlib import Path

from omnina.benchmarks.work import Work

ROOT = Path(__file__).parents[1]


def example_work(dtype: str, *, batch_rows: int, batches: int) -> Work:
    """So many batches of the example."""
    table, model = ROOT / "data" / "pretrain_val_example.csv", ROOT / "configs" / "model" / "tiny.yaml"
    return Work(str(table), str(model), str(ROOT / "data" / "tokenizer"), dtype, batch_rows, batches)
