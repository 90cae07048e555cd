"""One front door to all readers: what to read and which passages to make, checked, then read.

for item in read_source(SourceSpec("genome.gbff.gz", passages="both", window=3000)):
    ...  # a Passage, or a Reject that says what was left out and why
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from omnina.corpus.passage import FIELDS, Passage
from omnina.corpus.readers.annotated_fasta import read_nt_fasta, read_plain_fasta, read_table_fasta
from omnina.corpus.readers.coding_pairs import PairSizes, coding_pairs
from omnina.corpus.readers.features import GENE_FEATURES, Selection, passages_of
from omnina.corpus.readers.flat import read_flat
from omnina.corpus.readers.gff import read_gff
from omnina.corpus.readers.parts import WHOLE_FILE, FilePart, parts_of
from omnina.corpus.readers.rdp_fasta import read_rdp_fasta
from omnina.corpus.readers.record import AnnotatedRecord
from omnina.corpus.readers.streams import is_compressed, plain_suffix, source_name
from omnina.corpus.readers.windowed import Cutting
from omnina.corpus.region import parsed_region
from omnina.corpus.reject import Reject
from omnina.errors import UserError

Format = Literal["auto", "fasta", "genbank", "embl", "gff", "nt_fasta", "table_fasta", "rdp_fasta"]
Passages = Literal["whole", "features", "both", "coding_pairs"]

RECORD_SUFFIXES = {
    "fasta": (".fa", ".fna", ".fasta", ".ffn", ".frn", ".fas"),
    "genbank": (".gb", ".gbk", ".gbff", ".genbank", ".seq"),
    "embl": (".embl", ".dat"),
}
ANNOTATION_SUFFIXES = {"gff": (".gff", ".gff3", ".gtf"), "table_fasta": (".csv", ".tsv", ".parquet")}
WITH_FASTA_BELOW = (".gff", ".gff3")  # these may hold the sequences too
WITH_FEATURES = ("genbank", "embl", "gff")
# What a passage's own place in its record decides, and no source.
OF_THE_PLACE = (
    *("accession", "feature_type", "location", "start", "end", "strand", "parts"),
    *("partial", "coding", "codon_start"),
)
WITH_ALL_FEATURES = ("genbank", "embl")
WITH_PARTS = ("fasta", "nt_fasta", "genbank", "embl")  # of plain files; the others are read whole


@dataclass(frozen=True)
class SourceSpec:
    """One source of passages; lengths in bases.

    Attributes:
        path: the record file, ``-`` for stdin (with ``format`` named).
        format: ``auto`` goes by the names of ``path`` and ``annotation``; to be named are ``nt_fasta``,
            which takes the header as the annotation, and ``rdp_fasta``, 16S genes with RDP's lineages.
        source: the name that rows are counted and figures reported under.
        annotation: GFF3 or GTF file for ``gff``, none where ``path`` is a GFF3 file with its sequences below
            ``##FASTA``; table with columns accession and annotation for ``table_fasta``.
        passages: whole records, their features, or both; or ``coding_pairs``, stretches inside coding
            sequences and others, of ``min_bases`` to ``window`` bases, that no feature touches.
        feature_types: which features.
        flank: bases of the genome added on both sides of a feature.
        window, overlap: cut whole records into windows of this size; 0 keeps them in one piece.
        min_bases: whole records and features with fewer are left out, counted.
        split_at_n: cut whole records at runs of two or more N and leave the runs out, counted.
        include_pseudo: keep features that are marked as pseudo genes.
        fields: what holds for all its passages (organism, lineage, ...), where the record does not say it.
        folder: that the files' names in passages and rejects are relative to; without one they have none.
        region: of each passage that the filters keep these bases only, counted from 1: ``301-600``.
        seed: draws places and strands of ``coding_pairs``.
    """

    path: str | Path
    format: Format = "auto"
    source: str | None = None
    annotation: str | Path | None = None
    passages: Passages = "whole"
    feature_types: tuple[str, ...] = GENE_FEATURES
    flank: int = 0
    window: int = 0
    overlap: int = 0
    min_bases: int = 0
    split_at_n: bool = False
    include_pseudo: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    region: str | None = None
    seed: int = 0


def read_source(spec: SourceSpec, part: FilePart = WHOLE_FILE) -> Iterator[Passage | Reject]:
    """Check the spec, then give its passages and rejects in file order, or those of one of ``source_parts``.

    Raises UserError at once for a spec that contradicts itself, naming the key, and while reading for a
    file that cannot be trusted, naming the file.
    """
    record_format = checked_format(spec)
    return _as_of(spec, _read(spec, record_format, part))


def source_parts(spec: SourceSpec, range_bytes: int) -> list[FilePart]:
    """The parts that a source is read in: the whole if it is compressed or of a format without parts."""
    if checked_format(spec) not in WITH_PARTS or is_compressed(spec.path):
        return [WHOLE_FILE]
    return parts_of(Path(spec.path).stat().st_size, range_bytes)


def checked_format(spec: SourceSpec) -> Format:
    """The format, ``auto`` resolved; raises UserError naming the key that is wrong."""
    _check_choices(spec)
    record_format = format_of(spec) if spec.format == "auto" else spec.format
    _check_annotation(spec, record_format)
    _check_lengths(spec)
    _check_passages(spec, record_format)
    _check_fields(spec)
    _check_region(spec)
    return record_format


def format_of(spec: SourceSpec) -> Format:
    """The format that the files' names tell; raises UserError if they do not."""
    found = _by_suffix(spec.path, RECORD_SUFFIXES)
    if not found and spec.annotation is None and plain_suffix(spec.path) in WITH_FASTA_BELOW:
        return "gff"
    if found == "fasta" and spec.annotation is not None:
        found = _by_suffix(spec.annotation, ANNOTATION_SUFFIXES)
    if not found:
        raise _wrong(
            spec, "format", f"the name does not tell it; set one of {', '.join(get_args(Format)[1:])}"
        )
    return found


def _read(spec: SourceSpec, record_format: Format, part: FilePart) -> Iterator[Passage | Reject]:
    cutting = Cutting(spec.window, spec.overlap, spec.min_bases, spec.split_at_n)
    if record_format == "fasta":
        return read_plain_fasta(spec.path, cutting, part)
    if record_format == "nt_fasta":
        return read_nt_fasta(spec.path, cutting, part)
    if record_format == "rdp_fasta":
        return read_rdp_fasta(spec.path, cutting)
    if record_format == "table_fasta":
        return read_table_fasta(spec.path, spec.annotation, cutting)
    if spec.passages == "coding_pairs":
        records = read_flat(spec.path, record_format, None, part)
        sizes = PairSizes(spec.window, spec.min_bases, spec.seed)
        return _each(records, lambda record: coding_pairs(record, sizes))
    return _read_annotated(spec, record_format, cutting, part)


def _read_annotated(
    spec: SourceSpec, record_format: Format, cutting: Cutting, part: FilePart
) -> Iterator[Passage | Reject]:
    feature_types = spec.feature_types if spec.passages != "whole" else ()
    selection = Selection(
        spec.passages != "features",
        feature_types,
        spec.flank,
        spec.min_bases,
        spec.include_pseudo,
        cutting,
    )
    if record_format == "gff":
        records = read_gff(spec.path, spec.annotation, feature_types)
    else:
        records = read_flat(spec.path, record_format, feature_types, part)
    return _each(records, lambda record: passages_of(record, selection))


def _each(
    records: Iterable[AnnotatedRecord | Reject],
    given: Callable[[AnnotatedRecord], Iterator[Passage | Reject]],
) -> Iterator[Passage | Reject]:
    for record in records:
        if isinstance(record, Reject):
            yield record
        else:
            yield from given(record)


def _by_suffix(path: str | Path, known: dict[str, tuple[str, ...]]) -> Format | None:
    suffix = plain_suffix(path)
    return next((found for found, suffixes in known.items() if suffix in suffixes), None)


def _check_choices(spec: SourceSpec) -> None:
    for key, value, choices in (
        ("format", spec.format, get_args(Format)),
        ("passages", spec.passages, get_args(Passages)),
    ):
        if value not in choices:
            raise _wrong(spec, key, f"'{value}' is none of {', '.join(choices)}")


def _check_annotation(spec: SourceSpec, record_format: Format) -> None:
    below = record_format == "gff" and plain_suffix(spec.path) in WITH_FASTA_BELOW
    needed = record_format in ANNOTATION_SUFFIXES and not below
    if needed and spec.annotation is None:
        raise _wrong(spec, "annotation", f"format {record_format} needs the file with the annotation")
    if not needed and spec.annotation is not None:
        raise _wrong(spec, "annotation", f"format {record_format} takes none; leave it out")


def _check_lengths(spec: SourceSpec) -> None:
    for key in ("flank", "window", "overlap", "min_bases"):
        if getattr(spec, key) < 0:
            raise _wrong(spec, key, f"{getattr(spec, key)} is negative")
    if spec.overlap and spec.overlap >= spec.window:
        raise _wrong(spec, "overlap", f"{spec.overlap} must be less than window ({spec.window})")
    if spec.window and spec.min_bases > spec.window:
        raise _wrong(spec, "min_bases", f"{spec.min_bases} exceeds window ({spec.window})")


def _check_passages(spec: SourceSpec, record_format: Format) -> None:
    """A key that is accepted and does nothing would be a trap."""
    if spec.passages != "whole" and record_format not in WITH_FEATURES:
        raise _wrong(spec, "passages", f"format {record_format} has no features; set passages to whole")
    if spec.passages == "whole" and record_format == "gff" and spec.annotation is not None:
        raise _wrong(spec, "passages", f"whole records need no {spec.annotation}; set features or both")
    if spec.passages == "coding_pairs":
        _check_pairs(spec, record_format)
    elif spec.seed:
        raise _wrong(spec, "seed", "nothing is drawn; it concerns passages: coding_pairs")
    if spec.passages != "whole" and not spec.feature_types:
        raise _wrong(spec, "feature_types", "no type is named; name some or set passages to whole")
    for key in ("flank", "include_pseudo") if spec.passages in ("whole", "coding_pairs") else ():
        if getattr(spec, key):
            raise _wrong(spec, key, "it concerns features; set passages to features or both")
    for key in ("window", "split_at_n") if spec.passages == "features" else ():
        if getattr(spec, key):
            raise _wrong(spec, key, "it cuts whole records; set passages to whole or both")


def _check_fields(spec: SourceSpec) -> None:
    known = [name for name in FIELDS if name not in OF_THE_PLACE]
    for name in spec.fields:
        if name not in known:
            raise _wrong(spec, "fields", f"'{name}' is none of {', '.join(known)}")


def _as_of(spec: SourceSpec, items: Iterator[Passage | Reject]) -> Iterator[Passage | Reject]:
    """The items with the source's constant fields and their files' names with folders."""
    if not spec.fields and spec.folder is None:
        return items
    files = [Path(path) for path in (spec.annotation, spec.path) if path is not None]
    names = {source_name(path): _below(path, spec.folder) for path in files}
    return (_completed(item, names[item.source_file], spec.fields) for item in items)


def _below(path: Path, folder: Path | None) -> str:
    return (
        path.relative_to(folder).as_posix() if folder and path.is_relative_to(folder) else source_name(path)
    )


def _completed(item: Passage | Reject, name: str, fields: Mapping[str, str]) -> Passage | Reject:
    if isinstance(item, Reject):
        return replace(item, source_file=name)
    return replace(item, source_file=name, fields={**fields, **item.fields})


def _check_pairs(spec: SourceSpec, record_format: Format) -> None:
    if record_format not in WITH_ALL_FEATURES:
        known = " or ".join(WITH_ALL_FEATURES)
        raise _wrong(
            spec, "passages", f"coding_pairs needs every feature of a record; the format must be {known}"
        )
    if not 0 < spec.min_bases <= spec.window:
        raise _wrong(spec, "window", "coding_pairs needs the longest (window) and the shortest (min_bases)")
    for key in ("overlap", "split_at_n"):
        if getattr(spec, key):
            raise _wrong(spec, key, "it cuts whole records; leave it out with coding_pairs")


def _check_region(spec: SourceSpec) -> None:
    if spec.region is None:
        return
    if spec.window:
        raise _wrong(spec, "region", "windows begin anywhere, so that their bases are none in particular")
    try:
        parsed_region(spec.region)
    except UserError as error:
        raise _wrong(spec, "region", str(error).removesuffix(".")) from error


def _wrong(spec: SourceSpec, key: str, what: str) -> UserError:
    return UserError(f"{spec.path}: {key}: {what}.")
