"""What tokenizers make of the same rows: figures by which a vocabulary is chosen.

    bases_per_token        of tokens that hold bases of a sequence, in the prompt
    characters_per_token   of an answer's tokens
    pieces_*               the vocabulary by what its pieces are (see ``piece_kind``)
    unused_pieces          pieces of DNA, English or both that no row's document holds, prompt included
    pieces_in_both         pieces that stand in a sequence here and in an answer there
    unknown_rate           of the tokens of sequences and answers; a row of unknown characters is one token
    byte_rate              of the same: characters without a piece, written in bytes
    tokens_per_row_*       of whole documents: BOS, prompt, answer, EOS
    rows_over_2048         share of documents that are longer than the default ``max_length``
    moved_*                tokens that differ after a change of one random base (``substitutions.py``)
    moved_one              share of the changes that move a single token

Rows are read once, for all tokenizers; memory holds counts only.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.progress import progress_bar
from omnina.prompt import Document
from omnina.special_tokens import UNK_ID
from omnina.tables.rows import DataSettings, Outcome, RowEncoder, TableRow, batched_records, read_records
from omnina.tables.table import expand_paths, read_rows
from omnina.tokenizer import SPACE, load_tokenizer
from omnina.vocabulary.sample_report import BYTE_PIECE
from omnina.vocabulary.substitutions import SubstitutionSample, tokens_moved

LONG_ROW = 2048  # tokens, the default max_length
NO_LIMIT = 2**40  # tokens: no row is shortened here
SUBSTITUTIONS = 1000
DNA_PIECE, ENGLISH_PIECE, MIXED_PIECE, SPECIAL_PIECE, BYTES_PIECE = (
    "dna",
    "english",
    "mixed",
    "special",
    "bytes",
)
KINDS = (DNA_PIECE, ENGLISH_PIECE, MIXED_PIECE, SPECIAL_PIECE, BYTES_PIECE)
_DNA = re.compile(f"{SPACE}*[ACGTN]+")
_RUN_OF_BASES = re.compile("[ACGTN]{4}")


@dataclass
class Comparison:
    """Figures of one tokenizer, and the distributions behind them.

    ``base_lengths`` and ``character_lengths`` count tokens of sequences and of answers by length, without
    spaces; ``row_lengths`` counts rows by tokens; ``moved`` has a number for each substitution.
    """

    name: str
    figures: dict[str, float | int | None]
    base_lengths: Counter[int]
    character_lengths: Counter[int]
    row_lengths: Counter[int]
    moved: list[int] = field(repr=False)


def compare_tokenizers(
    folders: Iterable[str | Path],
    inputs: str | Path | Iterable[str | Path],
    *,
    substitutions: int = SUBSTITUTIONS,
    seed: int = 0,
    bad_rows: str = "stop",
) -> tuple[list[Comparison], dict[str, int]]:
    """Compare tokenizers on the rows of tables with ``sequence``, ``response`` and perhaps ``question``.

    Args:
        folders: of tokenizers, ours or of the published layout.
        inputs: tables and globs; best such that no tokenizer was trained on them.
        substitutions: single-base changes in random rows, at most; a few in a row if there are few rows.
        seed: which ones.
        bad_rows: ``stop`` at the first bad row, or ``skip`` and count them.

    Returns a comparison for each folder, in their order, and counts of rows used and skipped.
    Raises UserError for what is not there or cannot be read, and for a bad row with its file and line.
    """
    if substitutions < 1:
        raise UserError(f"--substitutions is {substitutions}; it must be positive")
    folders = list(dict.fromkeys(map(str, folders)))
    tallies = [_Tally(folder, load_tokenizer(folder)) for folder in folders]
    sample, rows = SubstitutionSample(substitutions, seed), {"used": 0, "skipped": 0}
    with progress_bar("comparing", "rows") as bar:
        for asks, records in _batches(expand_paths(inputs)):
            good = _good_records(tallies, asks, records, bad_rows)
            for record in good:
                sample.offer(parse_cell(record.cells["sequence"]))
            rows["used"] += len(good)
            rows["skipped"] += len(records) - len(good)
            bar.update(len(records))
    if not rows["used"]:
        raise UserError(f"{inputs}: no row to compare on; all {rows['skipped']} were skipped.")
    changes = sample.substitutions()
    return [tally.comparison(changes) for tally in tallies], rows


def piece_kind(piece: str) -> str:
    """What a piece is made of; special tokens are not asked.

    ``dna``: A, C, G, T, N and spaces around nothing else (so the single letters too); ``bytes``: ``<0x41>``;
    ``mixed``: four such letters in a row beside other characters; ``english``: everything else.
    """
    if BYTE_PIECE.fullmatch(piece):
        return BYTES_PIECE
    if _DNA.fullmatch(piece):
        return DNA_PIECE
    return MIXED_PIECE if _RUN_OF_BASES.search(piece) else ENGLISH_PIECE


class _Tally:
    """Counts of one tokenizer's tokens over the rows."""

    def __init__(self, name: str, tokenizer: PreTrainedTokenizerFast) -> None:
        self.name, self.tokenizer = name, tokenizer
        serialised = tokenizer.backend_tokenizer.to_str()
        ends = tokenizer.bos_token_id, tokenizer.eos_token_id
        self._encoders = {
            asks: RowEncoder(serialised, *ends, DataSettings(NO_LIMIT, questions=asks, rules=None))
            for asks in (False, True)
        }
        self.bases = self.characters = 0
        self.in_sequences: Counter[int] = Counter()
        self.in_answers: Counter[int] = Counter()
        self.anywhere: Counter[int] = Counter()
        self.row_lengths: Counter[int] = Counter()

    def add(self, records: list[TableRow], asks: bool) -> list[Outcome]:
        """Count the good rows among these; the outcomes say which are not."""
        encoder = self._encoders[asks]
        outcomes = encoder.outcomes(records)
        for record, outcome in zip(records, outcomes, strict=True):
            for document in outcome.documents:
                answer = record.cells["response"] + encoder.settings.prompt.after_response
                self._count(document, len(answer))
        return outcomes

    def _count(self, document: Document, characters: int) -> None:
        ids = document.input_ids.tolist()
        self.bases += document.bases
        self.characters += characters
        for start, end in document.sequence_spans:
            self.in_sequences.update(ids[start:end])
        self.in_answers.update(ids[document.answer_start : -1])
        self.anywhere.update(ids)
        self.row_lengths[len(ids)] += 1

    def comparison(self, changes: list) -> Comparison:
        """The figures, single-base changes among them."""
        moved = [tokens_moved(self.tokenizer.backend_tokenizer, change) for change in changes]
        pieces = self.tokenizer.convert_ids_to_tokens(list(range(len(self.tokenizer))))
        figures = {
            "vocabulary": len(self.tokenizer),
            "bases_per_token": _ratio(self.bases, self.in_sequences.total()),
            "characters_per_token": _ratio(self.characters, self.in_answers.total()),
            **self._piece_figures(pieces),
            **self._text_figures(pieces),
            **row_figures(self.row_lengths),
            **moved_figures(moved),
        }
        lengths = (_lengths(counts, pieces) for counts in (self.in_sequences, self.in_answers))
        return Comparison(self.name, figures, *lengths, self.row_lengths, moved)

    def _piece_figures(self, pieces: list[str]) -> dict:
        special = set(self.tokenizer.all_special_ids)
        kinds = [
            SPECIAL_PIECE if number in special else piece_kind(piece) for number, piece in enumerate(pieces)
        ]
        ordinary = [n for n, kind in enumerate(kinds) if kind not in (SPECIAL_PIECE, BYTES_PIECE)]
        return {
            **{f"pieces_{kind}": kinds.count(kind) / len(kinds) for kind in KINDS},
            "pieces_in_both": len(self.in_sequences.keys() & self.in_answers.keys()),
            "unused_pieces": sum(number not in self.anywhere for number in ordinary),
        }

    def _text_figures(self, pieces: list[str]) -> dict:
        counts = self.in_sequences + self.in_answers
        in_bytes = sum(n for number, n in counts.items() if BYTE_PIECE.fullmatch(pieces[number]))
        return {
            "unknown_rate": _ratio(counts[UNK_ID], counts.total()),
            "byte_rate": _ratio(in_bytes, counts.total()),
        }


def row_figures(lengths: Counter[int]) -> dict:
    """Mean, median, largest number of tokens of a row, and the share of long ones."""
    rows = np.repeat(list(lengths), list(lengths.values()))
    return {
        "tokens_per_row_mean": float(rows.mean()),
        "tokens_per_row_median": float(np.median(rows)),
        "tokens_per_row_max": int(rows.max()),
        "rows_over_2048": float((rows > LONG_ROW).mean()),
    }


def moved_figures(moved: Sequence[int]) -> dict:
    """Mean, median, 95th percentile, maximum of the tokens moved, and the share of changes that move one."""
    tokens = np.asarray(moved)
    return {
        "moved_mean": float(tokens.mean()),
        "moved_median": float(np.median(tokens)),
        "moved_p95": float(np.percentile(tokens, 95)),
        "moved_max": int(tokens.max()),
        "moved_one": float((tokens == 1).mean()),
    }


def _batches(paths: list[Path]) -> Iterator[tuple[bool, list[TableRow]]]:
    """(whether the table has questions, records)."""
    for path in paths:
        _, first = next(read_rows(path, required=["sequence", "response"]))
        asks = "question" in first
        columns = ["sequence", "response", *(["question"] if asks else [])]
        yield from ((asks, batch) for batch in batched_records(read_records(path, columns)))


def _good_records(
    tallies: list[_Tally], asks: bool, records: list[TableRow], bad_rows: str
) -> list[TableRow]:
    """Count the records in every tally, and give those that are fine: the same for every tokenizer."""
    outcomes, *_ = [tally.add(records, asks) for tally in tallies]
    pairs = list(zip(records, outcomes, strict=True))
    rejected = [(record, outcome.rejected) for record, outcome in pairs if outcome.rejected]
    if rejected and bad_rows == "stop":
        record, reason = rejected[0]
        raise UserError(f"{record.path}:{record.line}: {reason}. Mend the row, or add --bad_rows skip.")
    return [record for record, outcome in pairs if not outcome.rejected]


def _lengths(counts: Counter[int], pieces: list[str]) -> Counter[int]:
    """Tokens by their characters without spaces; those of unknown characters are left out."""
    lengths: Counter[int] = Counter()
    for number, times in counts.items():
        if number == UNK_ID:
            continue
        piece = pieces[number]
        lengths[1 if BYTE_PIECE.fullmatch(piece) else len(piece.replace(SPACE, ""))] += times
    return lengths


def _ratio(amount: int, tokens: int) -> float | None:
    return amount / tokens if tokens else None
