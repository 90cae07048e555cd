"""Figures in the layout of GENEB's submissions (harness/run_GENEB.py and tools/validate_submission.py there).

    {"schema_version": "1.0", "model_id": ..., "harness_version": ..., "meta": {...},
     "results": {"full": {TASK: {"MCC": ..., "Acc": ..., "F1": ...}}, "10shot": {...}, "1shot": {...}}}

Each figure is a mean over seeds. ``harness_version`` says that the figures are ours: a submission to GENEB is
made with its own harness.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from omnina.inference.packed import PackedReader
from omnina.suites.probe import REGIMES

METRICS = {"MCC": "mcc", "Acc": "accuracy", "F1": "f1_macro"}
HARNESS = "OmniNA, scripts/embed_suite.py"


def geneb_layout(reader: PackedReader, results: Mapping[str, Mapping[str, Sequence[Mapping]]]) -> dict:
    """The file's contents, from metrics by task, regime and seed."""
    name = reader.folder.resolve().name
    meta = {
        "display": name,
        "params": reader.model.num_parameters(),
        "url": "",
        "zero_shot": False,
        "training_data": "",
        "provenance": "self-reported",
        "submitted_by": "",
    }
    of_regimes = {regime: {task: _means(of[regime]) for task, of in results.items()} for regime in REGIMES}
    head = {"schema_version": "1.0", "model_id": name, "harness_version": HARNESS}
    return head | {"meta": meta, "results": of_regimes}


def _means(of_seeds: Sequence[Mapping]) -> dict[str, float]:
    return {
        theirs: float(np.mean([of_seed[ours] for of_seed in of_seeds])) for theirs, ours in METRICS.items()
    }
