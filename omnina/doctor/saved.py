"""A run's checkpoint, read by plain transformers."""

from pathlib import Path

from omnina.doctor.check import FAILED, OK, Check
from omnina.errors import UserError
from omnina.inference.exports.checkpoint import ExportedCheckpoint


def checks(folder: str) -> list[Check]:
    """Whether ``AutoModelForCausalLM`` and ``AutoTokenizer`` compute from the folder what training did."""
    try:
        found = ExportedCheckpoint(Path(folder)).check_transformers()
    except UserError as error:
        return [Check("checkpoint", FAILED, str(error), "install the pinned packages: bash scripts/setup.sh")]
    return [Check("checkpoint", OK, found)]
