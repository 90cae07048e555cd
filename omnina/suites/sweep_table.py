"""A sweep's figures: means over seeds with 95 % margins, and what the reference's last losses cost others.

A recipe's run is compared with the reference's of the same seed. Only validations count, so ``eval_steps`` is
the grain; each is of that run's own schedule of learning rates, which ends where that run ends. Recipes that
cut other bases off their validation rows (``max_length``, the tokenizer) are named below the table.
"""

from collections.abc import Iterable, Mapping, Sequence

from omnina.suites.sweep_figures import RunFigures, reached_shares
from omnina.suites.table import mean_and_margin, with_margin

BITS, WRITTEN, ANNOTATIONS = "bits_per_base", "written_bits", "eval_annotation_loss"
GOALS = {"sequences": f"eval_{BITS}", "annotations": ANNOTATIONS}
WORDS = {BITS: "bits per base", WRITTEN: "written, bits per base"}
Figures = Mapping[str, Sequence[RunFigures]]  # by recipe, one of each seed; the first is the reference


def sweep_table(figures: Figures) -> str:
    """Markdown: a row for each recipe; below, what the first one's last losses cost the others."""
    return _ends(figures) + ("\n" + _crossings(figures) + _other_bases(figures) if len(figures) > 1 else "")


def sweep_figures(figures: Figures, seeds: Sequence[int]) -> dict:
    """The same and each run's figures, as JSON values; losses in nats per token, FLOPs, seconds."""
    reference = next(iter(figures))
    return {
        "reference": reference,
        "seeds": list(seeds),
        "recipes": {
            name: _means(runs)
            | {"runs": [_plain(run) for run in runs]}
            | ({} if name == reference else _beside(figures[reference], runs))
            for name, runs in figures.items()
        },
    }


def _ends(figures: Figures) -> str:
    names = list(dict.fromkeys(name for runs in figures.values() for name in runs[0].validation))
    columns = {name: heading for name in names if (heading := _heading(name))}
    header = ["validation at the end", *columns.values(), "tokens", "model FLOPs", "seconds"]
    lines = [_row(header), "|---|" + "---:|" * (len(header) - 1)]
    for recipe, runs in figures.items():
        cells = [with_margin([run.validation.get(name) for run in runs]) for name in columns]
        cells += [f"{_mean(run.tokens for run in runs):,.0f}", f"{_mean(run.flops for run in runs):.3g}"]
        lines.append(_row([recipe, *cells, with_margin([run.seconds for run in runs], digits=0)]))
    return "\n".join(lines) + "\n"


def _crossings(figures: Figures) -> str:
    reference, *others = figures
    columns = [f"{what}, {goal}" for goal in GOALS for what in ("tokens", "FLOPs")]
    header = [f"share of {reference}'s", *columns]
    lines = [_row(header), "|---|" + "---:|" * (len(header) - 1)]
    for recipe in others:
        pairs = [_cells(figures[reference], figures[recipe], name) for name in GOALS.values()]
        lines.append(_row([recipe, *(cell for pair in pairs for cell in pair)]))
    lines += [
        "",
        f"The shares at which a recipe's validation first was as low as {reference}'s at its end, seed by",
        "seed; `-`: never; `2 of 3`: with so many seeds. Each run is on its own schedule of learning rates.",
    ]
    return "\n".join(lines) + "\n"


def _other_bases(figures: Figures) -> str:
    """A line for each recipe whose figures are over other bases than the reference's."""
    reference, *others = figures
    lines = [
        f"\n**Over other bases, so not comparable as they stand**: {name} validates on {_words(pair[1])}, "
        f"{reference} on {_words(pair[0])}.\n"
        for name in others
        if (pair := _differing(figures[reference], figures[name]))
    ]
    return "".join(lines)


def _differing(reference: Sequence[RunFigures], runs: Sequence[RunFigures]) -> tuple[Mapping, Mapping] | None:
    """What the first seed's runs that differ in it validated on: (the reference's, the other's)."""
    pairs = ((of_seed.validated, run.validated) for of_seed, run in zip(reference, runs, strict=True))
    return next((pair for pair in pairs if pair[0] != pair[1]), None)


def _words(validated: Mapping[str, float]) -> str:
    documents, bases, trimmed = (validated[name] for name in ("documents", "bases", "trimmed_bases"))
    return f"{documents:,.0f} documents with {bases:,.0f} bases ({trimmed:,.0f} more cut off)"


def _cells(reference: Sequence[RunFigures], runs: Sequence[RunFigures], name: str) -> list[str]:
    """Of tokens, of FLOPs."""
    shares = _shares(reference, runs, name)
    reached = [share for share in shares if share is not None]
    if len(reached) < len(shares):
        return [f"{len(reached)} of {len(shares)}" if reached else "-"] * 2
    return [with_margin(list(column)) for column in zip(*reached, strict=True)]


def _shares(
    reference: Sequence[RunFigures], runs: Sequence[RunFigures], name: str
) -> list[tuple[float, float] | None]:
    return [reached_shares(of_seed, run, name) for of_seed, run in zip(reference, runs, strict=True)]


def _beside(reference: Sequence[RunFigures], runs: Sequence[RunFigures]) -> dict:
    return {"reached": _reached(reference, runs), "same_bases": _differing(reference, runs) is None}


def _reached(reference: Sequence[RunFigures], runs: Sequence[RunFigures]) -> dict:
    """By goal, shares of [tokens, FLOPs] of each seed, and their means where all seeds reached it."""
    found = {}
    for goal, name in GOALS.items():
        shares = _shares(reference, runs, name)
        columns = [] if None in shares else list(zip(*shares, strict=True))
        means = {what: _mean_of(column) for what, column in zip(("tokens", "flops"), columns, strict=False)}
        found[goal] = means | {"of_seeds": shares}
    return found


def _means(runs: Sequence[RunFigures]) -> dict:
    of_runs = [_plain(run) for run in runs]
    validation = {name: _mean_of([run["validation"][name] for run in of_runs]) for name in runs[0].validation}
    others = {name: _mean_of([run[name] for run in of_runs]) for name in ("tokens", "flops", "seconds")}
    return {"validation": validation} | others


def _plain(run: RunFigures) -> dict:
    own = {"tokens": run.tokens, "flops": run.flops, "seconds": run.seconds}
    return {"validation": dict(run.validation), "validated": dict(run.validated)} | own


def _mean_of(values: Sequence[float]) -> dict[str, float | None]:
    mean, margin = mean_and_margin(values)
    return {"mean": mean, "margin": margin}


def _mean(values: Iterable[float]) -> float:
    return mean_and_margin(list(values))[0]


def _heading(name: str) -> str | None:
    """A validation figure's words in the table; None for one that is in the JSON alone."""
    if name == ANNOTATIONS:
        return "annotations, nats per token"
    for ending, words in WORDS.items():
        if name.endswith(ending):
            source = name.removeprefix("eval_").removesuffix(ending).rstrip("_")
            return f"{source}, {words}" if source else words
    return None


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
