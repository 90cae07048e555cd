from pathlib import Path

import pytest

from omnina.corpus.rrna16s import NO_GENUS, OTHER_GENUS, parsed_header, read_rrna16s
from omnina.errors import UserError

PATH = Path("genes.fasta.gz")
BACILLI = "Bacteria; Firmicutes; Bacilli; Bacillales; Bacillaceae; "
GEOBACILLUS = BACILLI + "Geobacillus"
TYPE_STRAIN = "S000005078 Geobacillus thermocatenulatus (T); DSM 730; Z26926 Geobacillus thermocatenulatus"


def from_genome(organism: str, lineage: str = GEOBACILLUS) -> str:
    return f"70001\t{organism} \t70001|16s_rRNA|X1|{organism}|99\t{lineage}"


@pytest.mark.parametrize(
    ("title", "organism"),
    [
        (f"{TYPE_STRAIN}\t{GEOBACILLUS}", "Geobacillus thermocatenulatus"),
        (
            f"S1 Moraxella (Moraxella) bovis (T); U1 Moraxella bovis\t{GEOBACILLUS}",
            "Moraxella (Moraxella) bovis",
        ),
        (
            f"S1 Bacillus a (T); sp. (T); old; U1 Bacillus a\t{GEOBACILLUS}",
            "Bacillus a",
        ),
        (from_genome("Geobacillus kaustophilus HTA426"), "Geobacillus kaustophilus HTA426"),
        (from_genome("Bacteroides fragilis 9343, complete genome."), "Bacteroides fragilis 9343"),
        (from_genome("Rhodococcus sp. RHA1 genome, from Genbank"), "Rhodococcus sp. RHA1"),
        (from_genome("Mycobacterium smegmatis MC2 draft genome"), "Mycobacterium smegmatis MC2"),
        (from_genome("Haemophilus influenzae Rd from GenBank"), "Haemophilus influenzae Rd"),
        (from_genome("Haemophilus influenzae NT127,"), "Haemophilus influenzae NT127"),
    ],
)
def test_organism_is_found_in_every_header_shape(title, organism):
    assert parsed_header(title, PATH).organism == organism


@pytest.mark.parametrize(
    "title",
    [
        "",
        "S000005078",
        f"S000005078\t{GEOBACILLUS}",
        f"S1 Geobacillus sp.; no type mark\t{GEOBACILLUS}",
        f"{TYPE_STRAIN}\tBacteria; Firmicutes",
        f"{TYPE_STRAIN}\tBacteria; ; Bacilli; Bacillales; Bacillaceae; Geobacillus",
        TYPE_STRAIN,
        from_genome(""),
        from_genome("Geobacillus") + "\tone field more",
    ],
)
def test_any_other_header_is_refused_with_file_record_and_remedy(title):
    with pytest.raises(UserError) as error:
        parsed_header(title, PATH)
    message = str(error.value)
    assert str(PATH) in message
    assert f"'{title[:60]}'" in message
    assert "mend" in message


@pytest.mark.parametrize(
    ("organism", "genus", "reason"),
    [
        ("Bacillus subtilis", "Bacillus", ""),
        ("Bacillus anthracis str. Ames", "Bacillus d", ""),
        ("Candidatus Phytoplasma mali", "Phytoplasma", ""),
        ("Bacillus subtilis", "Geobacillus", OTHER_GENUS),
        ("Bacilli bacterium 7", "Exiguobacterium", OTHER_GENUS),
        ("Nostoc sp. PCC 7120", "Megamonas", OTHER_GENUS),
        ("Clostridium bolteae", "Lachnospiraceae Incertae Sedis", NO_GENUS),
    ],
)
def test_gene_is_kept_only_if_its_lineage_ends_in_its_genus(organism, genus, reason):
    assert parsed_header(from_genome(organism, BACILLI + genus), PATH).drop_reason == reason


def test_gene_becomes_upper_case_bases_and_english(gzipped):
    title = f"S1 Clostridium sp. (T); X1 Clostridium sp.\t{BACILLI}Clostridium"
    (entry,) = read_rrna16s(gzipped(f">{title}\nacgt\nNRYa\n"))
    assert entry.sequence == "ACGTNRYA"
    assert entry.response == (
        "16S ribosomal RNA gene of Clostridium sp. Lineage: "
        "Bacteria; Firmicutes; Bacilli; Bacillales; Bacillaceae; Clostridium."
    )
    assert entry.group == "Clostridium"


def test_uracil_is_read_as_thymine_and_other_letters_are_refused(gzipped):
    header = f">{TYPE_STRAIN}\t{GEOBACILLUS}\n"
    (entry,) = read_rrna16s(gzipped(header + "ACGU\n"))
    assert entry.sequence == "ACGT"
    for letters in ("", "AC-GT"):
        with pytest.raises(UserError, match=r"records\.gz: record 'S000005078'.*mend"):
            list(read_rrna16s(gzipped(f"{header}{letters}\n")))


def test_absent_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.gz.*--records"):
        list(read_rrna16s(tmp_path / "absent.gz"))


@pytest.mark.parametrize("text", ["", "not a FASTA file\n"])
def test_file_without_records_is_refused(gzipped, text):
    with pytest.raises(UserError, match="no FASTA record"):
        list(read_rrna16s(gzipped(text)))


def test_broken_gzip_and_strange_bytes_are_refused(tmp_path, gzipped):
    whole = gzipped(f">{TYPE_STRAIN}\t{GEOBACILLUS}\n{'ACGT' * 500}\n").read_bytes()
    for name, content in {"cut.gz": whole[:-9], "plain.gz": b">S1\nACGT\n"}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name}.*gzip"):
            list(read_rrna16s(tmp_path / name))
    with pytest.raises(UserError, match="ASCII"):
        list(read_rrna16s(gzipped(">S1 Génus\nACGT\n")))


def test_committed_records_are_read_to_the_last(entries):
    genes = [entry for entry in entries if entry.source == "16S"]
    assert len(genes) == 5181
    assert len({entry.name for entry in genes}) == len(genes)


def test_lineages_that_do_not_name_the_organisms_genus_are_counted(entries):
    """Counts taken from the file by hand, for each of the two header shapes."""

    def count(reason: str, first_letter: str) -> int:
        return sum(e.drop_reason == reason and e.name[0] == first_letter for e in entries)

    of_type_strains, of_genomes = "S", "7"
    assert (count(OTHER_GENUS, of_genomes), count(OTHER_GENUS, of_type_strains)) == (94, 167)
    assert (count(NO_GENUS, of_genomes), count(NO_GENUS, of_type_strains)) == (29, 94)


def test_no_cyanobacterium_is_kept(entries):
    names = (
        "Acaryochloris Anabaena Aphanizomenon Chlorogloeopsis Chroococcidiopsis Cyanothece "
        "Cylindrospermum Dermocarpella Gloeobacter Microcystis Nodularia Nostoc Oscillatoria "
        "Prochlorococcus Synechococcus Synechocystis Thermosynechococcus Trichodesmium"
    )
    cyanobacteria = set(names.split())
    found = [e for e in entries if any(f"gene of {genus} " in e.response for genus in cyanobacteria)]
    assert {e.response.split("gene of ")[1].split()[0] for e in found} == cyanobacteria
    assert all(entry.drop_reason == OTHER_GENUS for entry in found)
