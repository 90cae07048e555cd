"""All checks in their order, told as they are found, and the verdict."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from omnina.doctor.check import FAILED, WARNING, Check
from omnina.doctor.groups import run_group

Tell = Callable[[str], None]
TRAINING_LIMIT = 1200  # seconds; it ends its own run before


def examine(output: Path, cache: Path, tell: Tell) -> list[Check]:
    """Everything but the training; each check is told when its group is done."""
    groups = {"packages": [], "devices": [], "launching": [], "machine": [str(output), str(cache)]}
    found = []
    for name, arguments in groups.items():
        found += _told(run_group(name, arguments), tell)
    return found


def examine_training(output: Path, tell: Tell) -> list[Check]:
    """The training; its folder stays if it failed."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="doctor-", dir=output))
    except OSError as error:
        found = [
            Check("training", FAILED, f"{output}: {error.strerror}", "name another folder with --output")
        ]
        tell(found[0].line())
        return found
    tell("A small model is trained on planted data: half a minute on one core ...")
    found = _told(run_group("training", [str(folder)], TRAINING_LIMIT), tell)
    if passed(found):
        shutil.rmtree(folder)
    else:
        tell(f"{'':9}-> everything of this run is kept in {folder}")
    return found


def _told(found: list[Check], tell: Tell) -> list[Check]:
    for check in found:
        tell(check.line())
    return found


def passed(found: list[Check]) -> bool:
    """Whether nothing failed."""
    return all(check.status != FAILED for check in found)


def verdict(found: list[Check], *, trained: bool) -> str:
    """The last line."""
    failed, warned = (sum(check.status == status for check in found) for status in (FAILED, WARNING))
    counts = f"{len(found)} checks, {failed} failed, {warned} with a warning"
    return f"{'PASS' if passed(found) else 'FAIL'}: {counts}" + (
        "" if trained else "; training was not tried"
    )
