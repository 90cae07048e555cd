"""Biopython's features -> ours: locations as parts in reading order, qualifiers as fields."""

from collections.abc import Container

from Bio.SeqFeature import ExactPosition, Location, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord

from omnina.corpus.readers.record import Feature, Part, Strand, stated
from omnina.corpus.reject import BAD_LOCATION

OTHER_RECORD = "part in another record"
NO_ORDER = "parts without order"
_STRANDS: dict[int | None, Strand] = {1: "+", -1: "-", 0: ".", None: "."}


def features_of(record: SeqRecord, types: Container[str] | None) -> tuple[Feature, ...]:
    """The features of a record that are of these types, all if None, in file order."""
    return tuple(_feature(one) for one in record.features if types is None or one.type in types)


def first_source(record: SeqRecord) -> str:
    """The organism that the first ``source`` feature names, or an empty string."""
    sources = (feature for feature in record.features if feature.type == "source")
    return next(
        (feature.qualifiers["organism"][0] for feature in sources if "organism" in feature.qualifiers), ""
    )


def _feature(feature: SeqFeature) -> Feature:
    qualifiers = feature.qualifiers
    fault = _fault(feature.location)
    return Feature(
        kind=feature.type,
        name=f"{feature.type} {feature.location}",
        parts=() if fault else tuple(_part(part) for part in feature.location.parts),
        fields=stated(
            location=str(feature.location),
            gene_symbol=qualifiers.get("gene", [""])[0],
            gene=(qualifiers.get("gene") or qualifiers.get("locus_tag") or [""])[0],
            product=qualifiers.get("product"),
            note=qualifiers.get("note"),
            ec_number=qualifiers.get("EC_number"),
        ),
        partial=not fault and not all(map(_is_exact, feature.location.parts)),
        pseudo="pseudo" in qualifiers or "pseudogene" in qualifiers,
        fault=fault,
    )


def _fault(location: Location) -> tuple[str, str] | None:
    if any(part.ref for part in location.parts):
        return OTHER_RECORD, f"a part of {location} lies in another record"
    if getattr(location, "operator", "join") != "join":
        return NO_ORDER, f"the file does not say how the parts of {location} follow each other"
    ends = [end for part in location.parts for end in (part.start, part.end)]
    if not all(isinstance(end, int) for end in ends):
        return BAD_LOCATION, f"an end of {location} is unknown"
    return None


def _part(location: SimpleLocation) -> Part:
    return Part(int(location.start), int(location.end), _STRANDS[location.strand])


def _is_exact(location: SimpleLocation) -> bool:
    return isinstance(location.start, ExactPosition) and isinstance(location.end, ExactPosition)
