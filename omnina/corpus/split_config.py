"""Which passages stay together, and where they go.

split:
  by: taxon                     # or accession (without its version), file or cluster
  rank: [genus, accession]      # of taxon: the field that names it; of several the first that a passage has
  shares: {train: 0.85, val: 0.15}
  seed: 0
  fill: true                    # shares hold for passages, not on average for groups
  train_only:                   # with fill: groups with a passage like one of these are only trained on
    - {feature_type: rRNA}

A file is a group of its own where it holds an assembly, whose contigs may be named as those of any other. A
cluster holds all passages that are near as a whole, all of an accession, and what is linked by either.

Without ``fill`` a group's side is a function of its name, so that tasks agree and a group that is added moves
no other. With it the sides but ``train`` are filled, in their order, with whole groups in seeded order until
each holds its share of the passages of every ``source``; what a few large groups would spoil otherwise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnina.corpus.conditions import FieldTest, read_tests
from omnina.corpus.dedup.splits import SplitRule
from omnina.corpus.passage import Passage
from omnina.corpus.section import checked_mapping, choice, flag, number, texts, whole_number
from omnina.corpus.wording import checked_field, field_value
from omnina.errors import UserError

GROUPS = ("accession", "file", "taxon", "cluster")
SHARES = {"train": 0.98, "val": 0.01, "test": 0.01}
TRAIN = "train"
_VERSION = re.compile(r"\.\d+$")

Tests = tuple[FieldTest, ...]


@dataclass(frozen=True)
class SplitSettings:
    """What must stay together, and which share goes where; see the module's docstring."""

    by: str = "accession"
    ranks: tuple[str, ...] = ("organism",)
    rule: SplitRule = field(default_factory=lambda: SplitRule(0, dict(SHARES)))
    fill: bool = False
    train_only: tuple[Tests, ...] = ()

    def group(self, passage: Passage) -> str:
        """What a passage stays with; empty if no field names it, and for clusters."""
        if self.by == "accession":
            return unversioned(passage.accession)
        if self.by == "file":
            return passage.source_file
        if self.by == "cluster":
            return ""
        return next(filter(None, (field_value(passage, rank) for rank in self.ranks)), "")

    def reason(self, passage: Passage) -> str | None:
        """Why a passage cannot be placed; None if it can."""
        if self.by != "taxon" or self.group(passage):
            return None
        return f"no {' or '.join(self.ranks)} to split by"

    def only_trained_on(self, passage: Passage) -> bool:
        """Whether the passage's group must not be held out."""
        return any(all(test.holds(passage) for test in tests) for tests in self.train_only)


def unversioned(accession: str) -> str:
    """The record's name, the same in all its versions: ``U00096`` of ``U00096.3``."""
    return _VERSION.sub("", accession)


def read_split(section: object, where: str) -> SplitSettings:
    """Read the mapping under ``split``; UserError, naming key and place, for one that cannot be."""
    section = checked_mapping(section, ("by", "rank", "shares", "seed", "fill", "train_only"), where)
    by = choice(section.get("by", "accession"), GROUPS, f"{where}.by")
    if "rank" in section and by != "taxon":
        raise UserError(f"{where}.rank: it names the taxon; set by: taxon or leave it out.")
    ranks = texts(section.get("rank", "organism"), f"{where}.rank")
    fill = flag(section.get("fill", False), f"{where}.fill")
    rule = _rule(section, where)
    if fill and (by == "cluster" or TRAIN not in rule.shares):
        raise UserError(f"{where}.fill: it needs a side '{TRAIN}', and by: accession, file or taxon.")
    return SplitSettings(
        by,
        tuple(checked_field(rank, f"{where}.rank") for rank in ranks),
        rule,
        fill,
        _train_only(section, where),
    )


def _rule(section: Mapping, where: str) -> SplitRule:
    shares = section.get("shares", SHARES)
    if not isinstance(shares, Mapping) or not shares:
        raise UserError(f"{where}.shares: expected lines of the form 'train: 0.98', not {shares!r}.")
    shares = {str(side): number(share, 0, 1, f"{where}.shares.{side}") for side, share in shares.items()}
    for side in shares:
        if not side.replace("_", "").isalnum():
            raise UserError(f"{where}.shares: '{side}' must be letters, digits and underscores only.")
    try:
        return SplitRule(whole_number(section.get("seed", 0), 0, f"{where}.seed"), shares)
    except ValueError as error:
        raise UserError(f"{where}.shares: {error}.") from error


def _train_only(section: Mapping, where: str) -> tuple[Tests, ...]:
    if "train_only" not in section:
        return ()
    where, listed = f"{where}.train_only", section["train_only"]
    if not section.get("fill"):
        raise UserError(f"{where}: it concerns fill: true; set that or leave it out.")
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{where}: expected a list ('- feature_type: rRNA'), not {listed!r}.")
    return tuple(read_tests(named, f"{where}[{place}]") for place, named in enumerate(listed))
