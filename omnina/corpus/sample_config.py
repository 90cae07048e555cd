"""How many rows are taken: a seeded sample up to a number of bytes for each side and source, or question.

sample:
  by: source                      # or question: the names of the question templates
  bytes:                          # of rows as CSV; what is not named is taken whole
    train: {16S: 1_195_000, genome: 795_000}
  first: {feature_type: [tRNA, rRNA]}   # these before others: rare ones that a sample would miss

Rows are taken in the seeded order of their keys up to the first that would exceed the number (to look for a
smaller one would favour short sequences). What ``forbid`` leaves out afterwards is not made up for.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from omnina.corpus.conditions import FieldTest, read_tests
from omnina.corpus.section import checked_mapping, choice, whole_number

BY = ("source", "question")


@dataclass(frozen=True)
class Sample:
    """See the module's docstring.

    Attributes:
        by: ``source`` or ``question``.
        bytes: number by side and name.
        first: what a passage must be to be taken before others; nothing is if empty.
    """

    by: str
    bytes: Mapping[str, Mapping[str, int]]
    first: tuple[FieldTest, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Those that have a limit on some side."""
        return tuple(dict.fromkeys(name for limits in self.bytes.values() for name in limits))

    def limits(self, side: str, name: str) -> bool:
        """Whether rows of this name are drawn on this side, and not all taken."""
        return name in self.bytes.get(side, ())


def read_sample(
    section: object, sides: Collection[str], names: Mapping[str, Collection[str]], where: str
) -> Sample:
    """Read the mapping under ``sample``.

    Args:
        section: the mapping.
        sides: of the split.
        names: of sources and of questions, by the values of ``by``.
        where: file and key, for messages.

    Raises UserError for keys, sides and names that are not there, and for what is no number of bytes.
    """
    section = checked_mapping(section, ("by", "bytes", "first"), where)
    by = choice(section.get("by", "source"), BY, f"{where}.by")
    limits = checked_mapping(section.get("bytes"), sides, f"{where}.bytes")
    limits = {side: _numbers(named, names[by], f"{where}.bytes.{side}") for side, named in limits.items()}
    first = read_tests(section["first"], f"{where}.first") if "first" in section else ()
    return Sample(by, limits, first)


def _numbers(section: object, names: Collection[str], where: str) -> dict[str, int]:
    section = checked_mapping(section, names, where)
    return {name: whole_number(size, 0, f"{where}.{name}") for name, size in section.items()}
