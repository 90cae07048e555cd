"""From a table's record to documents: checks, filters, windows, prompts.

Knows no torch: a worker process starts with the tokenizer alone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import cycle, islice
from pathlib import Path

from tokenizers import Tokenizer

from omnina.chunking import (
    Nucleotides,
    SequenceRules,
    filter_reason,
    of_drawn_strands,
    parse_cell,
    shifted_windows,
    windows,
)
from omnina.draws import Draw
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT, Document, Prompt, PromptEncoder, Row
from omnina.resolution_draws import ResolutionDraws
from omnina.segmentation import TokenSplitter
from omnina.tables.part import WHOLE, TablePart
from omnina.tables.table import read_rows
from omnina.text_encoding import fastest_encoder
from omnina.writing import encode_writing

ROWS_PER_TASK = 256


@dataclass(frozen=True)
class DataSettings:
    """What decides the rows' token ids.

    Args:
        max_length: longest document, in tokens; longer ones lose bases at the end of the sequence,
        drawn_windows: or on both sides of a window at a place that is drawn for each document.
        questions: rows have a question (fine-tuning); otherwise they do not (pretraining).
        rules: filters and windows, or None to take every sequence whole.
        bad_rows: ``stop`` at the first bad row, or ``skip`` them all and list them.
        source_column: names each row's source in reports; the table's file name if None.
        both_strands: rows with these questions become two documents, one of each strand.
        all_strands: and so do all rows.
        reverse_complement: such rows stay one document, of the other strand with that probability.
        written: every row is read the other way round too, from its annotation to its sequence.
        cuts: ways in which a sequence longer than a window is cut into windows.
        random_windows: documents of each row: the sequence whole, the others windows at random places,
        shortest_window: of this share of its bases or more. Cells with several parts stay whole.
        segmentations: documents of each window: the tokenizer's own, the others with tokens split at random.
        split_share: of the sequence's tokens in those others.
        random_resolution: every document, the first too, is at a resolution drawn for it instead.
        base_probability: or has each token of its sequence read as single bases with that probability.
        soft_masked: which tokens hold bases in lower case is kept beside the ids.
        seed: of everything that is drawn.
    """

    max_length: int
    questions: bool
    rules: SequenceRules | None
    bad_rows: str = "stop"
    source_column: str | None = None
    both_strands: tuple[str, ...] = ()
    all_strands: bool = False
    written: bool = False
    cuts: int = 1
    random_windows: int = 1
    shortest_window: float = 0.6
    segmentations: int = 1
    split_share: float = 0.1
    random_resolution: bool = False
    base_probability: float | None = None
    drawn_windows: bool = False
    soft_masked: bool = False
    reverse_complement: float | None = None
    seed: int = 0

    @property
    def draws(self) -> bool:
        """Whether the seed decides any row's token ids."""
        several = self.cuts > 1 or self.random_windows > 1 or self.segmentations > 1
        shares = (self.base_probability, self.reverse_complement)
        return several or self.random_resolution or self.drawn_windows or any(shares)

    @property
    def columns(self) -> list[str]:
        """Columns that a table must have."""
        source = [self.source_column] if self.source_column else []
        return list(dict.fromkeys(["sequence", *self.texts, *source]))

    @property
    def texts(self) -> list[str]:
        """Columns beside the sequence that the prompt holds; none may be empty."""
        return ["question", "response"] if self.questions else ["response"]

    @property
    def prompt(self) -> Prompt:
        """The wording around a row's cells."""
        return FINETUNE_PROMPT if self.questions else PRETRAIN_PROMPT


@dataclass(frozen=True)
class TableRow:
    """A record and where it stands."""

    path: str
    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Outcome:
    """A record's documents, or why it has none."""

    documents: tuple[Document, ...] = ()
    filtered: str = ""
    rejected: str = ""
    uracils: int = 0


class RowEncoder:
    """Records to documents: filters, windows, prompts. Made anew in every worker process."""

    def __init__(self, tokenizer_json: str, bos_id: int, eos_id: int, settings: DataSettings) -> None:
        tokenizer = Tokenizer.from_str(tokenizer_json)
        self.settings = settings
        self.encoder = PromptEncoder(
            tokenizer,
            settings.prompt,
            bos_id=bos_id,
            eos_id=eos_id,
            max_length=settings.max_length,
            text_encoder=fastest_encoder,
        )
        self.splitter = TokenSplitter(tokenizer, settings.split_share, settings.max_length, settings.seed)
        self.draws = ResolutionDraws(tokenizer, settings.max_length, settings.base_probability, settings.seed)

    def outcomes(self, records: list[TableRow]) -> list[Outcome]:
        """One outcome per record, in order; all windows are tokenised in one call."""
        prepared = [self._prepare(record.cells) for record in records]
        flat = [row for rows, _ in prepared for row in rows]
        window = Draw(self.settings.seed, 0) if self.settings.drawn_windows else None
        orders = [self.encoder.encode(flat, window)]
        if self.settings.written:
            orders.append(encode_writing(self.encoder, flat))
        encoded = [iter(documents) for documents in orders]
        return [
            self._finish(outcome, rows, [each for order in encoded for each in islice(order, len(rows))])
            for rows, outcome in prepared
        ]

    def windows(self, cells: dict[str, str]) -> list[Row]:
        """A record's windows as they are tokenised; none if it is filtered or rejected."""
        rows, _ = self._prepare(cells)
        return rows

    def _prepare(self, cells: dict[str, str]) -> tuple[list[Row], Outcome]:
        """A record's windows, or none and the reason."""
        try:
            nucleotides = parse_cell(cells["sequence"], keep_case=self.settings.soft_masked)
        except ValueError as error:
            return [], Outcome(rejected=str(error))
        for name in self.settings.texts:
            if not cells[name].strip():
                return [], Outcome(rejected=f"the {name} is empty")
        rules = self.settings.rules
        if rules and (reason := filter_reason(nucleotides, rules)):
            return [], Outcome(filtered=reason)
        rows = [
            Row(piece, cells["response"], cells.get("question", ""))
            for piece in self._pieces(nucleotides, cells.get("question", ""))
        ]
        return rows, Outcome(uracils=nucleotides.converted_uracils)

    def _pieces(self, nucleotides: Nucleotides, question: str) -> list[Nucleotides]:
        """What becomes a document each: windows in all their cuts, of the strands that are read."""
        rules, settings = self.settings.rules, self.settings
        pieces = [nucleotides]
        if rules:
            pieces = windows(nucleotides, rules) + shifted_windows(
                nucleotides, rules, settings.cuts, settings.seed
            )
        if len(nucleotides.parts) == 1:  # guides and their targets stay whole
            drawn = (Draw(settings.seed, number) for number in range(1, settings.random_windows))
            pieces += [nucleotides.random_window(settings.shortest_window, draw) for draw in drawn]
        if not settings.all_strands and question not in settings.both_strands:
            return pieces
        if settings.reverse_complement is not None:
            return of_drawn_strands(pieces, nucleotides, settings.reverse_complement, settings.seed)
        return pieces + [piece.other_strand for piece in pieces]

    def _finish(self, outcome: Outcome, rows: list[Row], encoded: list[Document | ValueError]) -> Outcome:
        """A record's documents; none and the reason if one of them does not fit."""
        documents = encoded if _rejection(encoded) else self._segmented(rows, encoded)
        if rejected := _rejection(documents):
            return Outcome(rejected=rejected)
        return replace(outcome, documents=tuple(documents))

    def _segmented(self, rows: list[Row], encoded: list[Document]) -> list[Document | ValueError]:
        """Each document in all its segmentations; ``encoded`` holds all rows, once or in both orders."""
        numbers = range(self.settings.segmentations)
        if self.settings.random_resolution or self.settings.base_probability is not None:
            return [
                self._drawn(row, document, number)
                for number in numbers
                for row, document in zip(cycle(rows), encoded, strict=False)
            ]
        others = [self.splitter.split(document, number) for number in numbers[1:] for document in encoded]
        return [*encoded, *others]

    def _drawn(self, row: Row, document: Document, number: int) -> Document | ValueError:
        """A document at a resolution that is drawn; of one that was cut each number keeps another window."""
        cut = document.trimmed_bases and not document.is_written  # that begins where the sequence does
        if number and self.settings.drawn_windows and cut:
            [window] = self.encoder.encode([row], Draw(self.settings.seed, number))
            return window if isinstance(window, ValueError) else self.draws.draw(window, number)
        return self.draws.draw(document, number)


def _rejection(encoded: list[Document | ValueError]) -> str:
    """Why a record has no documents; empty if it has."""
    return next((str(entry) for entry in encoded if isinstance(entry, ValueError)), "")


def read_records(path: Path, columns: list[str], part: TablePart = WHOLE) -> Iterator[TableRow]:
    """A table's records with these columns, in order."""
    for line, cells in read_rows(path, columns, part=part):
        yield TableRow(str(path), line, {name: cells[name] for name in columns})


def source_of(record: TableRow, settings: DataSettings) -> str:
    """The name that a record's figures are reported under."""
    return record.cells[settings.source_column] if settings.source_column else file_name(record.path)


@lru_cache
def file_name(path: str) -> str:
    """Without folders; asked for at every row."""
    return Path(path).name


def batched_records(records: Iterable[TableRow]) -> Iterator[list[TableRow]]:
    """Lists of records as one call tokenises them, in order."""
    iterator = iter(records)
    while batch := list(islice(iterator, ROWS_PER_TASK)):
        yield batch
