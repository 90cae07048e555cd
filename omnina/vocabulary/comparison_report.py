"""A comparison of tokenizers as files: a page for people, figures for programs, plots.

``report.md``            a column for each tokenizer, and what the figures mean
``comparison.json``      figures, distributions, settings
``comparison.csv``       tokenizer, figure, value
``token_lengths.png``    how long the tokens of sequences and of answers are
``rows_and_changes.png`` tokens of a row; tokens that a single-base change moves
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from omnina.tokenizer import write_json
from omnina.vocabulary.comparison import Comparison
from omnina.vocabulary.comparison_plots import plot_row_lengths_and_changes, plot_token_lengths

PAGE_FILE, JSON_FILE, CSV_FILE = "report.md", "comparison.json", "comparison.csv"
LENGTHS_PLOT, ROWS_PLOT = "token_lengths.png", "rows_and_changes.png"
WORDS = {
    "vocabulary": ("tokens in the vocabulary", "{:,.0f}"),
    "bases_per_token": ("bases per token of a sequence", "{:.2f}"),
    "characters_per_token": ("characters per token of an answer", "{:.2f}"),
    "pieces_dna": ("vocabulary: pieces of DNA", "{:.1%}"),
    "pieces_english": ("vocabulary: pieces of English", "{:.1%}"),
    "pieces_mixed": ("vocabulary: mixed pieces", "{:.1%}"),
    "pieces_special": ("vocabulary: special tokens", "{:.1%}"),
    "pieces_bytes": ("vocabulary: bytes", "{:.1%}"),
    "pieces_in_both": ("pieces used in sequences and in answers", "{:,.0f}"),
    "unused_pieces": ("pieces that no row uses", "{:,.0f}"),
    "unknown_rate": ("unknown tokens", "{:.3%}"),
    "byte_rate": ("byte tokens", "{:.3%}"),
    "tokens_per_row_mean": ("tokens per row, mean", "{:,.0f}"),
    "tokens_per_row_median": ("tokens per row, median", "{:,.0f}"),
    "tokens_per_row_max": ("tokens per row, largest", "{:,.0f}"),
    "rows_over_2048": ("rows over 2,048 tokens", "{:.1%}"),
    "moved_mean": ("tokens moved by a base, mean", "{:.2f}"),
    "moved_median": ("tokens moved by a base, median", "{:.0f}"),
    "moved_p95": ("tokens moved by a base, 95th percentile", "{:.0f}"),
    "moved_max": ("tokens moved by a base, largest", "{:,.0f}"),
    "moved_one": ("changes that move one token only", "{:.1%}"),
}
LEGEND = """\
A sequence's tokens are those that hold bases of it in the prompt, an answer's those of the response. *Pieces
of DNA* are made of A, C, G, T, N (and a space) alone, *mixed* ones have four of these letters in a row beside
other characters; pieces of English are all other ordinary ones. Unused pieces are counted without bytes and
special tokens, and depend on how many rows there are. Unknown and byte tokens are shares of the tokens of
sequences and answers. A row is the whole document: prompt, answer, BOS and EOS. *Tokens moved* are those
between the common beginning and the common end of a sequence's tokens (3,000 bases of it at most) before and
after one random base of it is replaced: of the two numbers the larger one. The changes are the same for every
tokenizer."""


def write_comparison(
    comparisons: Sequence[Comparison], rows: dict[str, int], settings: dict, folder: Path
) -> str:
    """Write the files into ``folder`` (made if need be); returns the page.

    Args:
        comparisons: one for each tokenizer.
        rows: counts of rows used and skipped.
        settings: what the page and the JSON name: ``command``, ``input``, ``substitutions``, ``seed``.
        folder: where to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = short_names([comparison.name for comparison in comparisons])
    page = report_page(comparisons, names, rows, settings)
    (folder / PAGE_FILE).write_text(page, encoding="utf-8")
    write_json(folder / JSON_FILE, {**settings, "rows": rows, "tokenizers": list(map(_as_json, comparisons))})
    _write_csv(comparisons, folder / CSV_FILE)
    plot_token_lengths(comparisons, names, folder / LENGTHS_PLOT)
    plot_row_lengths_and_changes(comparisons, names, folder / ROWS_PLOT)
    return page


def report_page(
    comparisons: Sequence[Comparison], names: Sequence[str], rows: dict[str, int], settings: dict
) -> str:
    """The figures in Markdown, a column for each tokenizer."""
    skipped = f" ({rows['skipped']:,} bad ones were left out)" if rows["skipped"] else ""
    lines = [
        "# Tokenizers compared",
        "",
        f"On {rows['used']:,} rows{skipped} of {', '.join(settings['input'])}, with "
        f"{len(comparisons[0].moved):,} single-base changes (seed {settings['seed']}).",
        "",
        "| | " + " | ".join(names) + " |",
        "|---|" + "---:|" * len(names),
    ]
    for figure, (words, form) in WORDS.items():
        cells = (_cell(comparison.figures[figure], form) for comparison in comparisons)
        lines.append(f"| {words} | " + " | ".join(cells) + " |")
    plots = [f"![Lengths of tokens]({LENGTHS_PLOT})", f"![Tokens of rows, tokens moved]({ROWS_PLOT})"]
    return "\n".join([*lines, "", LEGEND, "", *plots, "", f"Made by `{settings['command']}`", ""])


def short_names(names: Sequence[str]) -> list[str]:
    """The folders' own names where these differ, else the whole paths."""
    last = [Path(name).name for name in names]
    return last if len(set(last)) == len(last) and all(last) else list(names)


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _as_json(comparison: Comparison) -> dict:
    return {
        "tokenizer": comparison.name,
        **comparison.figures,
        "base_lengths": dict(sorted(comparison.base_lengths.items())),
        "character_lengths": dict(sorted(comparison.character_lengths.items())),
        "moved": comparison.moved,
    }


def _write_csv(comparisons: Sequence[Comparison], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("tokenizer", "figure", "value"))
        for comparison in comparisons:
            writer.writerows((comparison.name, name, value) for name, value in comparison.figures.items())
