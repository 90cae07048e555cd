"""YAML files as checked mappings; imports nothing heavy, so that workers of a corpus run start fast."""

import difflib
from pathlib import Path

import yaml

from omnina.errors import UserError


def read_yaml(path: Path) -> dict:
    """A flat YAML mapping; UserError if the file is missing, not a mapping, or names a key twice."""
    if not path.is_file():
        near = difflib.get_close_matches(str(path), map(str, Path("configs").rglob("*.yaml")), n=1)
        raise UserError(f"{path}: there is no such file.{f' Did you mean {near[0]}?' if near else ''}")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _UniqueKeys)
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected lines of the form 'key: value'.")
    return values


class _UniqueKeys(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{key}' stands twice", node.start_mark)
        return super().construct_mapping(node, deep)
