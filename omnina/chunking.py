"""Nucleotide cells, the filters on them, and the windows that long ones are cut into.

Pure Python, no torch. Lengths and positions are in bases, from 0, ends exclusive.
"""

import re
from dataclasses import dataclass
from math import ceil

from omnina.draws import Draw

PIECES, BASES, RANDOM = RESOLUTIONS = ("pieces", "bases", "random")  # how finely tokens cut DNA
IUPAC = "ACGTURYSWKMBDHVN"
_PAIRED = ("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
_COMPLEMENT = str.maketrans(*(letters + letters.lower() for letters in _PAIRED))
_IUPAC_BYTES = IUPAC.encode()
_NOT_IUPAC = re.compile(f"[^{IUPAC}]")
_LABELLED = re.compile(r"[^\W\d]\w*:\S*(?:\s+[^\W\d]\w*:\S*)*")
_LINE_BREAKS = re.compile(r"\s*[\r\n]\s*")


@dataclass(frozen=True)
class Nucleotides:
    """A cell's sequences: one without label, or several ``label:bases`` as in paired guides and targets.

    ``parts`` holds (label, bases); a lone sequence has the label ``""``. Bases are upper case, but where
    ``parse_cell`` was asked to keep theirs.
    """

    parts: tuple[tuple[str, str], ...]
    converted_uracils: int = 0

    @property
    def bases(self) -> int:
        """Number of bases in all parts together."""
        return sum(len(bases) for _, bases in self.parts)

    @property
    def text(self) -> str:
        """The cell as the prompt shows it, bases in upper case."""
        parts = ((label, bases.upper()) for label, bases in self.parts)
        return " ".join(f"{label}:{bases}" if label else bases for label, bases in parts)

    @property
    def base_spans(self) -> list[tuple[int, int]]:
        """Where each part's bases stand in ``text``, in characters: (start, end)."""
        spans, start = [], 0
        for label, bases in self.parts:
            start += len(label) + 1 if label else 0
            spans.append((start, start + len(bases)))
            start += len(bases) + 1  # the space between two parts
        return spans

    @property
    def other_strand(self) -> "Nucleotides":
        """The same molecule read from the other strand, part by part."""
        return Nucleotides(tuple((label, reverse_complement(bases)) for label, bases in self.parts))

    def shortened(self, part: int, bases: int, start: int = 0) -> "Nucleotides":
        """The same with one part cut to ``bases`` bases from ``start`` on."""
        label, sequence = self.parts[part]
        cut = (label, sequence[start : start + bases])
        return Nucleotides((*self.parts[:part], cut, *self.parts[part + 1 :]))

    def drawn_start(self, part: int, bases: int, draw: Draw) -> int:
        """Where a window of one part begins, which the cell and the draw decide alone."""
        generator = draw.generator("kept window", self.text.encode())
        return generator.randrange(len(self.parts[part][1]) - bases + 1)

    def random_window(self, shortest: float, draw: Draw) -> "Nucleotides":
        """A lone sequence cut to a window, which the cell and the draw decide alone.

        Args:
            shortest: share of the bases that the window has at least.
            draw: which one.
        """
        generator = draw.generator("random window", self.text.encode())
        kept = generator.randint(ceil(shortest * self.bases), self.bases)
        return self.shortened(0, kept, generator.randint(0, self.bases - kept))


@dataclass(frozen=True)
class SequenceRules:
    """What pretraining keeps of a sequence, and how it is cut (bases).

    The published recipe: at least 200 bases, no two N in a row, windows of 3,000.
    """

    min_bases: int = 200
    max_n_run: int = 1
    window: int = 3000
    overlap: int = 0

    def __post_init__(self) -> None:
        if self.window < 1 or not 0 <= self.overlap < self.window:
            raise ValueError(
                f"window ({self.window}) must be positive and exceed the overlap ({self.overlap})"
            )


def parse_cell(cell: str, keep_case: bool = False) -> Nucleotides:
    """Read a ``sequence`` cell: IUPAC letters in any case, U read as T; one sequence or labelled ones.

    ``keep_case`` leaves lower case, with which genomes mark repeats, as it is; otherwise all is upper case.

    Raises ValueError with the reason if it is empty or holds anything that is not a nucleotide code.
    """
    cell = cell.strip()
    if not cell:
        raise ValueError("the sequence is empty")
    if ":" not in cell or not _LABELLED.fullmatch(cell):
        whole = _LINE_BREAKS.sub("", cell) if "\n" in cell or "\r" in cell else cell
        bases, uracils = _checked_bases(whole, "", keep_case)
        return Nucleotides((("", bases),), uracils)
    parts, converted = [], 0
    for labelled in cell.split():
        label, _, letters = labelled.partition(":")
        bases, uracils = _checked_bases(letters, label, keep_case)
        parts.append((label, bases))
        converted += uracils
    return Nucleotides(tuple(parts), converted)


def reverse_complement(bases: str) -> str:
    """IUPAC bases, without U, as read from the other strand; each keeps its case."""
    return bases.translate(_COMPLEMENT)[::-1]


def filter_reason(nucleotides: Nucleotides, rules: SequenceRules) -> str | None:
    """Why the rules leave a whole sequence out, or None if they keep it."""
    if nucleotides.bases < rules.min_bases:
        return f"shorter than {rules.min_bases} bases"
    too_long = "N" * (rules.max_n_run + 1)
    # One letter is found much faster than two, and most sequences have none.
    uppers = (bases.upper() for _, bases in nucleotides.parts)
    if any("N" in bases and too_long in bases for bases in uppers):
        return f"run of {len(too_long)} or more N"
    return None


def windows(nucleotides: Nucleotides, rules: SequenceRules) -> list[Nucleotides]:
    """Cut a lone sequence into windows that together hold every base; labelled sequences stay whole."""
    (label, bases), *others = nucleotides.parts
    if label or others:
        return [nucleotides]
    spans = window_spans(len(bases), rules.window, rules.overlap)
    return [Nucleotides((("", bases[start:end]),)) for start, end in spans]


def shifted_windows(
    nucleotides: Nucleotides, rules: SequenceRules, cuts: int, seed: int = 0
) -> list[Nucleotides]:
    """Full windows of a long lone sequence in all cuts but the first, which is that of ``windows``.

    Each begins at a base drawn by the seed, the sequence and the number of the cut alone; what lies before
    it, and too little for a window at the end, is in the first cut's windows. None comes up twice.
    """
    (label, bases), *others = nucleotides.parts
    room = len(bases) - rules.window
    if label or others or room < 1:
        return []
    step = rules.window - rules.overlap
    content = bases.upper().encode()
    generators = (Draw(seed, number).generator("cut", content) for number in range(1, cuts))
    firsts = [generator.randint(1, min(step, room)) for generator in generators]
    drawn = [start for first in firsts for start in range(first, room + 1, step)]
    known = {start for start, _ in window_spans(len(bases), rules.window, rules.overlap)}
    starts = [start for start in dict.fromkeys(drawn) if start not in known]
    return [Nucleotides((("", bases[start : start + rules.window]),)) for start in starts]


def of_drawn_strands(
    pieces: list[Nucleotides], cell: Nucleotides, probability: float, seed: int = 0
) -> list[Nucleotides]:
    """A cell's pieces, each read from its other strand with a probability.

    The seed, the cell and the piece's place among them decide alone.
    """
    generator = Draw(seed, 0).generator("strands", cell.text.encode())
    return [piece.other_strand if generator.random() < probability else piece for piece in pieces]


def window_spans(length: int, window: int, overlap: int) -> list[tuple[int, int]]:
    """(start, end) of windows over ``length`` bases: neighbours share ``overlap`` bases or more.

    The last window ends at the last base, and has full size if the sequence allows it.
    """
    if length <= window:
        return [(0, length)]
    starts = range(0, length - window, window - overlap)
    return [(start, start + window) for start in starts] + [(length - window, length)]


def _checked_bases(letters: str, label: str, keep_case: bool) -> tuple[str, int]:
    """Upper case, or the case they have, with T for U, and how many U there were."""
    name = f"the sequence labelled '{label}'" if label else "the sequence"
    if not letters:
        raise ValueError(f"{name} is empty")
    bases = letters.upper()
    # the regular expression takes thirty times as long to find that there is nothing to find
    if not bases.isascii() or bases.encode().translate(None, _IUPAC_BYTES):
        wrong = _NOT_IUPAC.search(bases)
        found = letters[wrong.start()] if len(letters) == len(bases) else wrong.group()
        raise ValueError(
            f"{name} has {found!r} at base {wrong.start() + 1}, which is not a nucleotide code ({IUPAC})"
        )
    kept = letters.replace("u", "t") if keep_case else bases
    return kept.replace("U", "T"), bases.count("U")
