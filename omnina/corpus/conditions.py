"""Which passages a template is for.

when:                        # all of these
  feature_type: [CDS, tRNA]  # is one of these, to the letter
  gene: true                 # the record has it (false: lacks it)
unless:                      # none of these
  product: hypothetical protein
required: [organism]         # a passage without it is left out, and counted
"""

from collections.abc import Mapping
from dataclasses import dataclass

from omnina.corpus.passage import Passage
from omnina.corpus.section import texts
from omnina.corpus.wording import checked_field, field_value
from omnina.errors import UserError

KEYS = ("when", "unless", "required")


@dataclass(frozen=True)
class FieldTest:
    """A field is one of ``values``; or, if that is True or False, is there or not."""

    field: str
    values: frozenset[str] | bool

    def holds(self, passage: Passage) -> bool:
        """Whether it is so of this passage."""
        value = field_value(passage, self.field)
        if isinstance(self.values, bool):
            return (value is not None) == self.values
        return value in self.values


@dataclass(frozen=True)
class Conditions:
    """A template's ``when``, ``unless`` and ``required``."""

    when: tuple[FieldTest, ...] = ()
    unless: tuple[FieldTest, ...] = ()
    required: tuple[str, ...] = ()

    @property
    def always(self) -> bool:
        """Whether every passage meets them."""
        return not self.when and not self.unless

    def met(self, passage: Passage) -> bool:
        """Whether the template is for this passage; of ``required`` nothing is asked here."""
        return all(test.holds(passage) for test in self.when) and not any(
            test.holds(passage) for test in self.unless
        )

    def lacking(self, passage: Passage) -> str | None:
        """The first required field that is absent, or None."""
        return next((name for name in self.required if field_value(passage, name) is None), None)


def read_conditions(template: Mapping, where: str) -> Conditions:
    """The conditions of a template; raises UserError for unknown fields and values that are no texts."""
    required = texts(template["required"], f"{where}.required") if "required" in template else ()
    return Conditions(
        _tests(template, "when", where),
        _tests(template, "unless", where),
        tuple(checked_field(name, f"{where}.required") for name in required),
    )


def _tests(template: Mapping, key: str, where: str) -> tuple[FieldTest, ...]:
    return read_tests(template[key], f"{where}.{key}") if key in template else ()


def read_tests(named: object, where: str) -> tuple[FieldTest, ...]:
    """The tests of a mapping of fields to values; raises UserError as ``read_conditions`` does."""
    if not isinstance(named, Mapping) or not named:
        raise UserError(f"{where}: expected lines of the form 'field: value', not {named!r}.")
    return tuple(
        FieldTest(checked_field(str(name), where), _values(value, f"{where}.{name}"))
        for name, value in named.items()
    )


def _values(value: object, where: str) -> frozenset[str] | bool:
    return value if isinstance(value, bool) else frozenset(texts(value, where))
