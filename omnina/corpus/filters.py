"""Which passages are kept, for what reason the others are not, and the counts of both.

    filters:
      min_bases: 200          # shorter passages are left out
      max_bases: 100_000      # longer ones too; none if the key is absent
      max_n_run: 1            # two N in a row are too many
      max_ambiguous: 0.01     # share of letters other than A, C, G, T; none if absent
      max_low_complexity: 0.5 # share of windows of 64 bases with a DUST score over 2; none if absent

No gene of the example tables exceeds 0.25 in the last; a homopolymer or a short tandem repeat has 1.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from omnina.chunking import Nucleotides, SequenceRules, filter_reason
from omnina.corpus.complexity import low_complexity_share
from omnina.corpus.passage import Passage
from omnina.corpus.section import checked_mapping, number, whole_number


@dataclass(frozen=True)
class PassageFilters:
    """Limits of what is kept; bases, or shares of a passage's bases or windows. None: no limit."""

    min_bases: int = SequenceRules.min_bases
    max_n_run: int = SequenceRules.max_n_run
    max_bases: int | None = None
    max_ambiguous: float | None = None
    max_low_complexity: float | None = None

    @classmethod
    def from_yaml_section(cls, section: object, where: str) -> "PassageFilters":
        """Read the mapping under ``filters``; UserError, naming key and place, for one that cannot be."""
        known = [entry.name for entry in fields(cls)]
        section = checked_mapping(section, known, where)
        limits = {key: _limit(key, value, f"{where}.{key}") for key, value in section.items()}
        made = cls(**limits)
        if made.max_bases is not None:
            whole_number(made.max_bases, made.min_bases, f"{where}.max_bases (min_bases: {made.min_bases})")
        return made

    def reason(self, passage: Passage) -> str | None:
        """Why a passage is left out (the first reason that applies), or None if it is kept."""
        rules = SequenceRules(self.min_bases, self.max_n_run)
        sequence = passage.sequence
        found = filter_reason(Nucleotides((("", sequence),)), rules)
        if found:
            return found
        if self.max_bases is not None and len(sequence) > self.max_bases:
            return f"longer than {self.max_bases} bases"
        if self.max_ambiguous is not None and ambiguous_share(sequence) > self.max_ambiguous:
            return f"more than {self.max_ambiguous:.3g} of its letters are not A, C, G or T"
        limit = self.max_low_complexity
        if limit is not None and low_complexity_share(sequence) > limit:
            return f"more than {limit:.3g} of it is low in complexity"
        return None


def ambiguous_share(sequence: str) -> float:
    """Share of letters other than A, C, G and T in an upper-case sequence that is not empty."""
    return (len(sequence) - sum(map(sequence.count, "ACGT"))) / len(sequence)


@dataclass
class Counts:
    """What became of the passages: read = kept + sum(filtered) + sum(rejected).

    Filtered are those that the configuration leaves out, rejected those that are not as they should be.
    """

    kept: int = 0
    filtered: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def read(self) -> int:
        """All passages that were counted."""
        return self.kept + self.filtered.total() + self.rejected.total()

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.kept + other.kept, self.filtered + other.filtered, self.rejected + other.rejected)

    def as_json(self) -> dict:
        """JSON values by name, reasons in alphabetical order."""
        reasons = {name: dict(sorted(getattr(self, name).items())) for name in ("filtered", "rejected")}
        return {"read": self.read, "kept": self.kept, **reasons}

    @classmethod
    def from_json(cls, values: Mapping) -> "Counts":
        """The counts that ``as_json`` gave; ValueError if they do not add up."""
        counts = cls(values["kept"], Counter(values["filtered"]), Counter(values["rejected"]))
        if counts.read != values["read"]:
            raise ValueError(f"{values['read']} passages read, but {counts.read} accounted for")
        return counts

    def summary(self) -> str:
        """One line for the log."""
        parts = [f"{self.read} passages = {self.kept} kept"]
        for name in ("filtered", "rejected"):
            parts += [f"{times} {name} ({why})" for why, times in sorted(getattr(self, name).items())]
        return " + ".join(parts)


def counts_as_json(counts: Mapping[str, Counts]) -> dict:
    """JSON values of the counts by label: their sum, and each where one has a label."""
    whole = {"counts": sum(counts.values(), Counts()).as_json()}
    if set(counts) <= {""}:
        return whole
    return whole | {"counts_by_source": {label: one.as_json() for label, one in sorted(counts.items())}}


def counts_from_json(record: Mapping) -> dict[str, Counts]:
    """The counts by label that ``counts_as_json`` gave; ValueError if they do not add up."""
    by_label = record.get("counts_by_source", {"": record["counts"]})
    return {label: Counts.from_json(values) for label, values in by_label.items()}


def _limit(key: str, value: object, where: str) -> float | None:
    if value is None and key not in ("min_bases", "max_n_run"):
        return None
    if key in ("max_ambiguous", "max_low_complexity"):
        return number(value, 0, 1, where)
    return whole_number(value, 0 if key == "max_n_run" else 1, where)
