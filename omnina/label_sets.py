"""The answers that a run's settings allow to its questions."""

import json

from omnina.errors import UserError


def read_label_sets(text: str) -> dict[str, list[str]]:
    """Answers by question, of a JSON mapping; UserError if it is not one to lists of different texts."""
    try:
        sets = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"label_sets is not JSON: {error}") from error
    if not isinstance(sets, dict) or not all(map(_are_different, sets.values())):
        raise UserError("label_sets must map each question to a list of different answers.")
    for question, labels in sets.items():
        for label in labels:
            if not isinstance(label, str):  # YAML reads Yes and No as true and false
                raise UserError(
                    f"label_sets of '{question}': {label!r} is no text; quote it in the YAML, "
                    "as in ['Yes', 'No']."
                )
    return sets


def _are_different(labels: object) -> bool:
    return isinstance(labels, list) and bool(labels) and len(set(map(str, labels))) == len(labels)
