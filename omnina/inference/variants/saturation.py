"""Every substitution of a region: what a checkpoint thinks of each base, as a table and a heat map."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
import numpy as np

from omnina.errors import UserError
from omnina.inference.variants.answers import AnswerScorer
from omnina.inference.variants.haplotypes import Change, Contig, TextContig, windows
from omnina.inference.variants.reference import Reference
from omnina.inference.variants.scoring import VariantScorer
from omnina.progress import progress_bar

Scorer = VariantScorer | AnswerScorer

BASES = "ACGT"
CHANGES_AT_ONCE = 192
COLUMNS = ("chrom", "pos", "ref", "alt", "score")
REGION = re.compile(r"(?P<name>.+):(?P<first>[\d,]+)-(?P<last>[\d,]+)")
INCHES_A_BASE, NARROWEST, WIDEST = 0.12, 6, 60  # of a heat map
TICKS = 20


@dataclass(frozen=True)
class Region:
    """Bases from ``start`` to ``end`` of a contig, from 0, the end exclusive.

    Attributes:
        skipped: bases before the contig's first, where that is a part of the reference's.
    """

    name: str
    contig: Contig
    start: int
    end: int
    skipped: int = 0

    @classmethod
    def parse(cls, text: str, reference: Reference) -> "Region":
        """``NAME:FIRST-LAST``, from 1, both included.

        Raises UserError for anything else, an unknown contig, or a region that is empty or reaches past it.
        """
        found = REGION.fullmatch(text)
        if not found:
            raise UserError(f"--saturate {text}: write it as NAME:FIRST-LAST, such as chr1:1001-1200.")
        contig = reference.contig(found["name"])
        if contig is None:
            some = ", ".join(reference.names[:3])
            raise UserError(f"--saturate {text}: {reference.path} has no such contig; it begins with {some}.")
        first, last = (int(found[name].replace(",", "")) for name in ("first", "last"))
        if not 1 <= first <= last <= len(contig):
            raise UserError(
                f"--saturate {text}: the region must lie within 1-{len(contig)} and hold a base at least."
            )
        return cls(found["name"], contig, first - 1, last)

    def alone(self) -> "Region":
        """The same bases as if there were nothing around them."""
        bases = self.contig.fetch(self.start, self.end)
        return Region(self.name, TextContig(bases), 0, len(bases), self.skipped + self.start)

    @property
    def bases(self) -> int:
        """Their number."""
        return self.end - self.start

    @property
    def first(self) -> int:
        """The number of its first base in the reference, from 1."""
        return self.skipped + self.start + 1

    def substitutions(self) -> Iterator[Change]:
        """Each known base by each of the three others, in order; an N has none."""
        for place in range(self.start, self.end):
            ref = self.contig.fetch(place, place + 1)
            if ref in BASES:
                yield from (Change(place, ref, alt) for alt in BASES if alt != ref)


def saturate(region: Region, scorer: Scorer) -> Iterator[tuple[Change, float]]:
    """Each substitution with its score; UserError for windows that the model cannot read."""
    changes = region.substitutions()
    with progress_bar("scoring", "substitutions", 3 * region.bases) as bar:
        while group := list(islice(changes, CHANGES_AT_ONCE)):
            pairs = [windows(region.contig, change, scorer.settings.window) for change in group]
            scores = scorer.scores(pairs)
            if np.isnan(scores).any():
                raise UserError(
                    f"{scorer.settings.window} bases take more tokens than the model reads; give fewer."
                )
            yield from zip(group, scores.tolist(), strict=True)
            bar.update(len(group))


def write_saturation(region: Region, scorer: Scorer, table: Path) -> np.ndarray:
    """Write the scores as CSV; the same as (4, bases) float64, rows A, C, G, T, NaN for the base itself."""
    scores = np.full((len(BASES), region.bases), np.nan)
    aside = table.with_name(f".partial-{table.name}")
    with aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        for change, score in saturate(region, scorer):
            writer.writerow(
                [region.name, region.skipped + change.start + 1, change.ref, change.alt, f"{score:.6g}"]
            )
            scores[BASES.index(change.alt), change.start - region.start] = score
    aside.replace(table)
    return scores


def plot_saturation(region: Region, scores: np.ndarray, path: Path, label: str) -> None:
    """A heat map of the scores, and each base's mean below it; PNG, SVG or PDF by the name.

    Args:
        region: of the scores.
        scores: (4, bases), from ``write_saturation``.
        path: to write.
        label: what the scores are.
    """
    width = min(max(INCHES_A_BASE * region.bases, NARROWEST), WIDEST)
    figure, (map_axes, mean_axes) = plt.subplots(
        2, 1, figsize=(width, 3.2), sharex=True, layout="constrained", height_ratios=(2, 1)
    )
    most = np.nanmax(np.abs(scores), initial=1e-6)
    first, last = region.first, region.first + region.bases - 1
    extent = (first - 0.5, last + 0.5, len(BASES) - 0.5, -0.5)  # a base's number at its middle
    image = map_axes.imshow(scores, aspect="auto", cmap="RdBu", vmin=-most, vmax=most, extent=extent)
    map_axes.set(yticks=range(len(BASES)), yticklabels=BASES, ylabel="becomes")
    map_axes.set_facecolor("0.8")  # the reference's own base
    figure.colorbar(image, ax=map_axes, label=label, pad=0.01)
    numbers = np.arange(first, last + 1)
    known = np.maximum(np.isfinite(scores).sum(axis=0), 1)  # an N has no score at all
    mean_axes.bar(numbers, np.nansum(scores, axis=0) / known, width=0.9, color="0.4")
    mean_axes.axhline(0, color="black", linewidth=0.6)
    mean_axes.set(xlabel=f"base of {region.name}", ylabel="mean")
    mean_axes.xaxis.set_major_locator(plt.MaxNLocator(TICKS, integer=True))
    figure.savefig(path, dpi=120)
    plt.close(figure)
