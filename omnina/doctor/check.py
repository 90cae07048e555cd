"""What one check found: a line on the screen, an object in JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

OK, WARNING, FAILED = "ok", "warning", "FAILED"
WIDTH = 22  # of a check's name


@dataclass(frozen=True)
class Check:
    """One finding.

    Attributes:
        what: was looked at.
        status: ``ok``, ``warning`` (training works, less well than it could) or ``FAILED`` (it does not).
        found: there.
        remedy: what to do; empty where nothing is to be done.
    """

    what: str
    status: str
    found: str
    remedy: str = ""

    def __post_init__(self) -> None:
        assert self.status in (OK, WARNING, FAILED), self.status
        assert (self.status == OK) == (not self.remedy), (
            f"{self.what}: a remedy where, and only where, one is due"
        )

    def line(self) -> str:
        """As it is printed."""
        text = f"{self.status:<9}{self.what:<{WIDTH}}{self.found}"
        return f"{text}\n{'':9}-> {self.remedy}" if self.remedy else text


def to_json(checks: Sequence[Check]) -> str:
    """One line that ``from_json`` reads."""
    return json.dumps([asdict(check) for check in checks])


def from_json(text: str) -> list[Check]:
    """The checks of ``to_json``; ValueError or TypeError for any other text."""
    return [Check(**values) for values in json.loads(text)]
