from pathlib import Path

import pytest

from omnina.corpus.passage import Passage
from omnina.corpus.readers import SourceSpec, read_source
from omnina.corpus.readers.rdp_fasta import NO_GENUS, NO_HEADER, OTHER_GENUS, parsed_header

RECORDS = Path(__file__).parents[3] / "data" / "records" / "rRNA16S.gold.fasta.gz"
BACILLI = "Bacteria; Firmicutes; Bacilli; Bacillales; Bacillaceae; "
GEOBACILLUS = BACILLI + "Geobacillus"
TYPE_STRAIN = "Geobacillus thermocatenulatus (T); DSM 730; Z26926 Geobacillus thermocatenulatus"


def from_genome(organism: str, lineage: str = GEOBACILLUS) -> str:
    return f"{organism} \t70001|16s_rRNA|X1|{organism}|99\t{lineage}"


@pytest.fixture(scope="module")
def committed():
    return list(read_source(SourceSpec(RECORDS, "rdp_fasta")))


@pytest.mark.parametrize(
    ("description", "organism"),
    [
        (f"{TYPE_STRAIN}\t{GEOBACILLUS}", "Geobacillus thermocatenulatus"),
        (f"Moraxella (Moraxella) bovis (T); U1\t{GEOBACILLUS}", "Moraxella (Moraxella) bovis"),
        (f"Bacillus a (T); sp. (T); old; U1 Bacillus a\t{GEOBACILLUS}", "Bacillus a"),
        (from_genome("Geobacillus kaustophilus HTA426"), "Geobacillus kaustophilus HTA426"),
        (from_genome("Bacteroides fragilis 9343, complete genome."), "Bacteroides fragilis 9343"),
        (from_genome("Rhodococcus sp. RHA1 genome, from Genbank"), "Rhodococcus sp. RHA1"),
        (from_genome("Mycobacterium smegmatis MC2 draft genome"), "Mycobacterium smegmatis MC2"),
        (from_genome("Haemophilus influenzae Rd from GenBank"), "Haemophilus influenzae Rd"),
        (from_genome("Haemophilus influenzae NT127,"), "Haemophilus influenzae NT127"),
    ],
)
def test_organism_is_found_in_every_header_shape(description, organism):
    assert parsed_header(description).organism == organism


@pytest.mark.parametrize(
    "description",
    [
        "",
        GEOBACILLUS,
        f"Geobacillus sp.; no type mark\t{GEOBACILLUS}",
        f"{TYPE_STRAIN}\tBacteria; Firmicutes",
        f"{TYPE_STRAIN}\tBacteria; ; Bacilli; Bacillales; Bacillaceae; Geobacillus",
        TYPE_STRAIN,
        from_genome(""),
        from_genome("Geobacillus") + "\tone field more",
    ],
)
def test_any_other_header_is_rejected_by_name(tmp_path, description):
    path = tmp_path / "genes.fasta"
    path.write_text(f">S1 {description}\nACGT\n>S2 {TYPE_STRAIN}\t{GEOBACILLUS}\nACGT\n")
    rejected, kept = read_source(SourceSpec(path, "rdp_fasta"))
    assert (rejected.record, rejected.kind) == ("S1", NO_HEADER)
    assert description.strip()[:40] in rejected.reason
    assert kept.accession == "S2"


@pytest.mark.parametrize(
    ("organism", "genus", "kind"),
    [
        ("Bacillus subtilis", "Bacillus", None),
        ("Bacillus anthracis str. Ames", "Bacillus d", None),
        ("Candidatus Phytoplasma mali", "Phytoplasma", None),
        ("Bacillus subtilis", "Geobacillus", OTHER_GENUS),
        ("Bacilli bacterium 7", "Exiguobacterium", OTHER_GENUS),
        ("Nostoc sp. PCC 7120", "Megamonas", OTHER_GENUS),
        ("Clostridium bolteae", "Lachnospiraceae Incertae Sedis", NO_GENUS),
    ],
)
def test_a_lineage_is_trusted_only_if_it_ends_in_the_organism_s_genus(organism, genus, kind):
    fault = parsed_header(from_genome(organism, BACILLI + genus)).fault
    assert (fault and fault[0]) == kind


def test_fields(tmp_path):
    path = tmp_path / "genes.fasta"
    path.write_text(f">S1 Bacillus a (T); X1\t{BACILLI}Bacillus a\nacgu\nNRYa\n")
    (passage,) = read_source(SourceSpec(path, "rdp_fasta"))
    assert passage.sequence == "ACGTNRYA"
    assert passage.fields == {
        "accession": "S1",
        "organism": "Bacillus a",
        "lineage": BACILLI + "Bacillus a",
        "genus": "Bacillus",
    }


def test_the_committed_records_are_read_to_the_last(committed):
    """Counts taken from the file by hand, for each of the two header shapes."""
    assert (
        len(committed) == len({(getattr(one, "accession", None) or one.record) for one in committed}) == 5181
    )
    rejects = [one for one in committed if not isinstance(one, Passage)]

    def count(kind: str, first_letter: str) -> int:
        return sum(one.kind == kind and one.record[0] == first_letter for one in rejects)

    of_type_strains, of_genomes = "S", "7"
    assert (count(OTHER_GENUS, of_genomes), count(OTHER_GENUS, of_type_strains)) == (94, 167)
    assert (count(NO_GENUS, of_genomes), count(NO_GENUS, of_type_strains)) == (29, 94)


def test_no_cyanobacterium_is_kept(committed):
    """The file gives all of them other lineages."""
    names = (
        "Acaryochloris Anabaena Aphanizomenon Chlorogloeopsis Chroococcidiopsis Cyanothece "
        "Cylindrospermum Dermocarpella Gloeobacter Microcystis Nodularia Nostoc Oscillatoria "
        "Prochlorococcus Synechococcus Synechocystis Thermosynechococcus Trichodesmium"
    )
    genera = set(names.split())
    kept = {one.fields["organism"].split()[0] for one in committed if isinstance(one, Passage)}
    rejected = {one.reason.split("'")[1].split()[0] for one in committed if not isinstance(one, Passage)}
    assert genera <= rejected and not genera & kept
