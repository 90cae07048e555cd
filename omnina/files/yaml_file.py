"""YAML files as checked mappings; imports nothing heavy, so that workers of a corpus run start fast.

Plain values alone: no tag makes an object, and no alias repeats a value (a few lines of them can stand for
more than a machine can hold).
"""

import difflib
from pathlib import Path

import yaml

from omnina.errors import UserError


def read_yaml(path: Path) -> dict:
    """A YAML mapping; UserError if the file is missing, no mapping by texts, or names a key twice."""
    if not path.is_file():
        near = difflib.get_close_matches(str(path), map(str, Path("configs").rglob("*.yaml")), n=1)
        raise UserError(f"{path}: there is no such file.{f' Did you mean {near[0]}?' if near else ''}")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _PlainValues)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start + 1} is not UTF-8; save the file as UTF-8.") from error
    except RecursionError:
        raise UserError(f"{path}: not valid YAML: brackets or lists inside each other without end.") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected lines of the form 'key: value'.")
    for key in values:
        if not isinstance(key, str):  # YAML reads yes, no, on and off as true and false
            raise UserError(f"{path}: the key {key!r} is no text; put it in quotes.")
    return values


class _PlainValues(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(
                None, None, f"'*{event.anchor}' stands for another value; write it out", event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:  # as for 2026-02-31, which looks like a day
            raise yaml.constructor.ConstructorError(
                None, None, f"{str(node.value)[:40]!r} is no value ({error}); quote a text", node.start_mark
            ) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
