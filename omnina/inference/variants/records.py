"""The alternatives of VCF records, as changes of the reference or with the reason why they are none."""

import gzip
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.inference.variants.haplotypes import Change, Contig, canonical
from omnina.inference.variants.reference import GZIP_MAGIC, Reference, required_pysam

BASES = re.compile(r"[ACGTRYSWKMBDHVN]+")
OVERLAPPING, MISSING = "*", "."
BCF_MAGIC = b"BCF"
NAMED = 3  # contigs in a message


@dataclass(frozen=True)
class Alternative:
    """One alternative of a record.

    Attributes:
        record: pysam's.
        text: as it stands there.
        contig: that it is on; None where the reference has none of that name.
        change: of the reference.
        reason: why it is not scored, if ``change`` is None.
    """

    record: object
    text: str
    contig: Contig | None
    change: Change | None
    reason: str = ""


def opened_variants(path: Path):
    """pysam's VariantFile of a VCF or BCF file, plain or packed by bgzip; no index is needed.

    Raises UserError for a file that is missing or none of these.
    """
    pysam = required_pysam()
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; give --vcf one.")
    pysam.set_verbosity(0)  # headers without contigs are common, and enough
    try:
        return pysam.VariantFile(str(path))
    except NotImplementedError as error:
        raise UserError(
            f"{path}: this is packed by gzip; VCF is packed by bgzip: gunzip -c {path} | bgzip > new.vcf.gz"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: it cannot be read as VCF ({error}); its first line must be ##fileformat=VCFv4.2, say."
        ) from error


def record_lines(path: Path) -> Iterator[str] | None:
    """The lines of its records as they are written there; None for BCF, which has none."""
    with path.open("rb") as stream:
        packed = stream.read(2) == GZIP_MAGIC
    if packed:
        with gzip.open(path) as stream:
            if stream.read(3) == BCF_MAGIC:
                return None
    return _record_lines(gzip.open if packed else open, path)


def _record_lines(opened: Callable, path: Path) -> Iterator[str]:
    with opened(path, "rt", encoding="utf-8", errors="surrogateescape") as stream:
        for line in stream:
            if line.strip() and not line.startswith("#"):
                yield line


def records(variants, path: Path) -> Iterator[object]:
    """Its records; UserError at one that cannot be read."""
    number = 0
    while True:
        try:
            record = next(variants)
        except StopIteration:
            return
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: record {number + 1} cannot be read as VCF ({error}).") from error
        number += 1
        yield record


def alternatives(record, reference: Reference) -> Iterator[Alternative]:
    """Each alternative of a record in its order; a single one of text ``.`` for a record that has none."""
    contig = reference.contig(record.chrom)
    fault = _fault_of_record(record, contig, reference)
    for text in record.alts or (MISSING,):
        reason = fault or fault_of_alternative(text)
        if reason:
            yield Alternative(record, text, contig, None, reason)
        else:
            change = canonical(contig, record.start, record.ref.upper(), text.upper())
            yield Alternative(record, text, contig, change)


def _fault_of_record(record, contig: Contig | None, reference: Reference) -> str:
    if contig is None:
        some = ", ".join(reference.names[:NAMED]) + (" ..." if len(reference.names) > NAMED else "")
        return f"the reference has no contig {record.chrom} (it has {some})"
    ref = (record.ref or "").upper()
    if not BASES.fullmatch(ref):
        return f"REF {record.ref} is no bases"
    if record.start < 0:
        return f"POS {record.pos} stands for the place before the first base"
    if record.start + len(ref) > len(contig):
        return f"it reaches past the end of {record.chrom} ({len(contig)} bases)"
    there = contig.fetch(record.start, record.start + len(ref))
    return "" if there == ref else f"REF is {_short(ref)}, but the reference has {_short(there)} there"


def fault_of_alternative(text: str) -> str:
    """Why this ALT is no bases; empty if it is."""
    if text == MISSING:
        return "no alternative"
    if text == OVERLAPPING:
        return "* stands for a deletion of another record"
    if text.startswith("<"):
        return f"{text} is symbolic: it says no bases"
    if "[" in text or "]" in text:
        return "a breakend joins two places: it is no change of one"
    return "" if BASES.fullmatch(text.upper()) else f"ALT {text} is no bases"


def _short(bases: str) -> str:
    return bases if len(bases) <= 20 else f"{bases[:17]}..."
