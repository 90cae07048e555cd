"""Values of a run's settings: how they get from a YAML file to the parser, and which are refused."""

import json
import math

from omnina.errors import UserError

# The parser's UserError, and how TrainingArguments refuses values and contradictions: int(inf), fields of a
# mapping that are none, a package that an optimizer needs.
REFUSALS = (ValueError, TypeError, OverflowError, ImportError)


def check_finite(values: dict[str, object]) -> None:
    """UserError for a number that is none, or without end: what is made of it would be nothing."""
    for name, value in values.items():
        numbers = value if isinstance(value, list) else [value]
        if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
            raise UserError(f"'{name}' is {value}; it must be a finite number.")


def flag(key: str, value: object) -> list[str]:
    """A key of a YAML file as on the command line."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [f"--{key}", json.dumps(value)]
    values = value if isinstance(value, list) else [value]
    return [f"--{key}", *(str(part) for part in values)]
