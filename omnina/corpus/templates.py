"""Templates: from what a record says of a passage to an annotation, or questions with answers, in English.

    templates:
      annotations:                       # the first that is for the passage
        - when: {feature_type: [CDS, tRNA]}
          required: [organism, product]
          response:                      # joined by a space; a piece with an absent field is left out
            - "{feature_type} of {organism}."
            - "Gene: {gene}."
            - "Product: {product}."
        - response: "{description}."
      questions:                         # each that is for the passage
        - name: phylum
          when: {lineage.0: Bacteria}
          share: 0.5                     # of those passages, drawn by their keys and the seed
          question: "Which phylum is this sequence from?"
          response: "{lineage.1}"

A template may have a ``key``, a text with fields: what a row is called where rows are drawn or put into a
seeded order. Without one it is ``{accession}:{start}-{end}``, and the question's name after it.

``wording`` says what stands in braces, ``conditions`` what ``when``, ``unless`` and ``required`` mean.
Nothing is capitalised, punctuated or shortened: the text is the template's and the record's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from omnina.corpus import conditions
from omnina.corpus.conditions import Conditions, read_conditions
from omnina.corpus.passage import Passage
from omnina.corpus.section import checked_mapping, number, text
from omnina.corpus.seeded_order import seeded_key
from omnina.corpus.wording import Wording, read_wording
from omnina.errors import UserError

NO_TEMPLATE = "no annotation template is for it"
NOTHING_SAID = "no piece of the annotation template can be filled"
NO_KEY = "a field of the annotation template's key is absent"
PLACE = "{accession}:{start}-{end}"

_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class Left:
    """Why a passage has no annotation."""

    reason: str


class Row(NamedTuple):
    """What becomes a row: ``question`` is None and ``name`` empty for an annotation.

    ``name`` is the question template's; ``key`` decides the row's place in a seeded order.
    """

    response: str
    key: str
    question: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Annotation:
    """What to say of the passages that meet the conditions."""

    conditions: Conditions
    response: Wording
    key: Wording

    def said(self, passage: Passage) -> Row | Left:
        """The row of a passage that meets the conditions."""
        lacking = self.conditions.lacking(passage)
        if lacking:
            return Left(f"no {lacking}")
        response, key = self.response.filled(passage), self.key.filled(passage)
        if response is None:
            return Left(NOTHING_SAID)
        return Left(NO_KEY) if key is None else Row(response, key)


@dataclass(frozen=True)
class Question:
    """What to ask of a share of the passages that meet the conditions, and the answer."""

    name: str
    conditions: Conditions
    question: Wording
    response: Wording
    share: float
    key: Wording

    def asked(self, passage: Passage, seed: int) -> Row | None:
        """The row, or None where it is not asked or a field of it is absent."""
        if not self.conditions.met(passage) or self.conditions.lacking(passage):
            return None
        key = self.key.filled(passage)
        if key is None or not self._drawn(key, seed):
            return None
        question, response = self.question.filled(passage), self.response.filled(passage)
        return None if question is None or response is None else Row(response, key, question, self.name)

    def _drawn(self, key: str, seed: int) -> bool:
        """By a hash, so that the same passage is asked on every machine and in any order of the records."""
        return self.share == 1 or int.from_bytes(seeded_key(seed, key)[:8]) < self.share * 2**64


@dataclass(frozen=True)
class Templates:
    """All templates of a configuration."""

    annotations: tuple[Annotation, ...]
    questions_asked: tuple[Question, ...]
    seed: int = 0

    @classmethod
    def from_yaml_section(cls, section: object, where: str, seed: int = 0) -> "Templates":
        """Read the mapping under ``templates``.

        Args:
            section: with the keys ``annotations``, ``questions`` or both.
            where: file and key, for messages.
            seed: of the draw where a question has a share.

        Raises UserError for anything that is not as the module's docstring shows.
        """
        section = checked_mapping(section, ("annotations", "questions"), where)
        if not section:
            raise UserError(f"{where}: no template in it; write annotations, questions or both.")
        annotations = _each(section, "annotations", _read_annotation, where)
        questions = _each(section, "questions", _read_question, where)
        _check_reachable(annotations, f"{where}.annotations")
        _check_names(questions, f"{where}.questions")
        return cls(annotations, questions, seed)

    def annotate(self, passage: Passage) -> Row | Left:
        """The row of the first template that is for the passage, or why there is none."""
        chosen = next((one for one in self.annotations if one.conditions.met(passage)), None)
        return Left(NO_TEMPLATE) if chosen is None else chosen.said(passage)

    def questions(self, passage: Passage) -> list[Row]:
        """The row of every question that is asked of the passage, in the section's order."""
        asked = (question.asked(passage, self.seed) for question in self.questions_asked)
        return [row for row in asked if row is not None]


def _each(section: Mapping, key: str, read: Callable[[object, str], _Kind], where: str) -> tuple[_Kind, ...]:
    if key not in section:
        return ()
    listed = section[key]
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{where}.{key}: expected a list of templates ('- ...'), not {listed!r}.")
    return tuple(read(entry, f"{where}.{key}[{place}]") for place, entry in enumerate(listed))


def _read_annotation(entry: object, where: str) -> Annotation:
    template = _template(entry, ("response",), ("key",), where)
    return Annotation(
        read_conditions(template, where),
        read_wording(template["response"], f"{where}.response"),
        _read_key(template, PLACE, where),
    )


def _read_question(entry: object, where: str) -> Question:
    template = _template(entry, ("name", "question", "response"), ("share", "key"), where)
    name = text(template["name"], f"{where}.name")
    as_text = name.replace("{", "{{").replace("}", "}}")
    return Question(
        name=name,
        conditions=read_conditions(template, where),
        question=read_wording(template["question"], f"{where}.question"),
        response=read_wording(template["response"], f"{where}.response"),
        share=number(template.get("share", 1), 0, 1, f"{where}.share"),
        key=_read_key(template, f"{PLACE} {as_text}", where),
    )


def _read_key(template: Mapping, otherwise: str, where: str) -> Wording:
    return read_wording(text(template.get("key", otherwise), f"{where}.key"), f"{where}.key")


def _template(entry: object, needed: tuple[str, ...], free: tuple[str, ...], where: str) -> Mapping:
    template = checked_mapping(entry, (*needed, *free, *conditions.KEYS), where)
    for key in needed:
        if key not in template:
            raise UserError(f"{where}: no '{key}' in it; a template needs {', '.join(needed)}.")
    return template


def _check_reachable(annotations: tuple[Annotation, ...], where: str) -> None:
    for place, annotation in enumerate(annotations[:-1]):
        if annotation.conditions.always:
            raise UserError(
                f"{where}[{place}]: it is for every passage, so those below it are never used; "
                "give it a 'when' or put it last."
            )


def _check_names(questions: tuple[Question, ...], where: str) -> None:
    names = [question.name for question in questions]
    for name in names:
        if names.count(name) > 1:
            raise UserError(
                f"{where}: two are named '{name}'; the name decides who is asked, so give each its own."
            )
