import hashlib
import os
import runpy
import subprocess
import sys
from collections import Counter

from omnina.corpus.example import COLUMNS, FILE_NAMES, NOT_SAMPLED, RECORD_FILES
from omnina.corpus.rrna16s import NO_GENUS, OTHER_GENUS
from omnina.corpus.selection import reverse_complement, strand_free
from omnina.corpus.summary import summary
from omnina.corpus.tasks import TASK_FILES

RECORDS_SHA256 = {
    "rRNA16S.gold.fasta.gz": "c5ea383ae2300e599fe7ac216592c76c4d545c4437f85a72b3d71fd3b26f919d",
    "leptospira_kirschneri_H1.gbk.gz": ("321919e452f88665a597b5c31813b7b99ab0f60ce3706e25eadd2309f9e3d93b"),
}


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def groups(example, split: str, source: str) -> set[str]:
    return {entry.group for entry in example.tables[split] if entry.source == source}


def test_record_files_are_the_published_ones(data):
    found = {name: sha256(data / "records" / name) for name in RECORD_FILES.values()}
    assert found == RECORDS_SHA256


def test_committed_tables_are_what_the_maker_writes(data, remade):
    _, output = remade
    for name in FILE_NAMES.values():
        assert (output / name).read_bytes() == (data / name).read_bytes(), name


def test_readme_holds_the_figures_of_the_committed_files(data, remade):
    example, _ = remade
    assert summary(example, data / "records", data) in (data / "README.md").read_text("utf-8")


def test_readme_names_rows_bases_and_sha256_of_each_table(data, committed_rows):
    """Counted from the CSVs alone, by no code of the maker."""
    lines = (data / "README.md").read_text("utf-8").splitlines()
    for split, rows in committed_rows.items():
        path = data / FILE_NAMES[split]
        bases = sum(len(row["sequence"]) for row in rows)
        cells = (f"`{path.name}`", f"{len(rows):,}", f"{bases:,}", f"{path.stat().st_size:,}")
        assert f"| {' | '.join(cells)} | `{sha256(path)}` |" in lines


def test_readme_quotes_rows_that_exist(data, committed_rows):
    quoted = (data / "README.md").read_text("utf-8").split("```")[3].strip().splitlines()
    assert len(quoted) == 2
    assert set(quoted) <= {row["response"] for rows in committed_rows.values() for row in rows}


def test_every_record_is_used_dropped_with_a_reason_or_not_sampled(remade, committed_rows):
    example, _ = remade
    assert {source: fates.total() for source, fates in example.fates.items()} == {
        "16S": 5181,
        "genome": 4207,
    }
    for split, rows in committed_rows.items():
        written = Counter(row["source"] for row in rows)
        assert written == {source: fates[split] for source, fates in example.fates.items()}


def test_wrong_or_absent_genus_and_runs_of_n_are_counted(remade):
    example, _ = remade
    fates = example.fates["16S"]
    assert (fates[OTHER_GENUS], fates[NO_GENUS]) == (261, 123)
    assert fates["run of 2 or more N"] == 571  # 637 in the file, 66 of them without their genus
    assert fates[NOT_SAMPLED] == 5181 - 261 - 123 - 571 - fates["train"] - fates["val"]


def test_no_genus_and_no_contig_is_on_both_sides(remade):
    example, _ = remade
    for source in RECORD_FILES:
        train, val = (groups(example, split, source) for split in ("train", "val"))
        assert train and val
        assert not train & val


def test_no_genus_named_in_a_response_is_on_both_sides(committed_rows):
    named = {
        split: {r["response"].split("; ")[-1].split()[0] for r in rows if r["source"] == "16S"}
        for split, rows in committed_rows.items()
    }
    assert not named["train"] & named["val"]


def test_leptospira_and_contigs_with_rrna_are_trained_on(remade, entries):
    example, _ = remade
    with_rrna = {e.group for e in entries if e.source == "genome" and e.feature == "rRNA"}
    assert len(with_rrna) == 6
    assert not with_rrna & groups(example, "val", "genome")
    assert "Leptospira" not in groups(example, "val", "16S")


def test_no_sequence_is_written_twice_in_either_direction(committed_rows):
    sequences = [strand_free(r["sequence"]) for rows in committed_rows.values() for r in rows]
    assert len(set(sequences)) == len(sequences)


def test_no_validation_sequence_is_part_of_a_training_sequence(committed_rows):
    trained_on = "|".join(row["sequence"] for row in committed_rows["train"])
    for row in committed_rows["val"]:
        assert row["sequence"] not in trained_on
        assert reverse_complement(row["sequence"]) not in trained_on


def test_tables_have_the_promised_size_and_form(data, committed_rows):
    sizes = {split: (data / name).stat().st_size for split, name in FILE_NAMES.items()}
    assert 1_950_000 <= sizes["train"] <= 2_000_000
    assert 400_000 <= sizes["val"] <= 500_000
    records = sum((data / "records" / name).stat().st_size for name in RECORD_FILES.values())
    assert records + sum(sizes.values()) <= 12_000_000
    held_out = Counter(row["source"] for row in committed_rows["val"])
    assert held_out["16S"] >= 120
    assert held_out["genome"] >= 100


def test_cells_are_clean(data, committed_rows):
    for split, rows in committed_rows.items():
        assert b"\r" not in (data / FILE_NAMES[split]).read_bytes()
        assert all(tuple(row) == COLUMNS for row in rows)
        assert all(set(row["sequence"]) <= set("ACGTRYSWKMBDHVN") for row in rows)
        assert all(len(row["sequence"]) >= 200 and "NN" not in row["sequence"] for row in rows)
        assert all(row["response"] == " ".join(row["response"].split()) for row in rows)
        assert all(row["response"].endswith(".") for row in rows)
        assert not [r["response"] for r in rows if ".." in r["response"]]
    longest = max(len(row["sequence"]) for row in committed_rows["train"])
    assert longest > 3000  # a long gene is the training's to cut, not ours


def test_script_writes_the_tables_and_prints_their_figures(data, remade, tmp_path, capsys):
    example, _ = remade
    main = runpy.run_path(str(data.parent / "scripts" / "make_example_data.py"))["main"]
    main(["--records", str(data / "records"), "--output", str(tmp_path / "new"), "--seed", "0"])
    assert capsys.readouterr().out.startswith(summary(example, data / "records", data))
    names = sorted([*FILE_NAMES.values(), *TASK_FILES.values()])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    for name in names:
        assert (tmp_path / "new" / name).read_bytes() == (data / name).read_bytes()


def test_script_ends_with_one_line_and_status_2_without_records(data, tmp_path):
    root = data.parent
    command = [sys.executable, "scripts/make_example_data.py", "--records", str(tmp_path / "none")]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert run.returncode == 2
    assert run.stderr.startswith("error: ") and run.stderr.count("\n") == 1
    assert RECORD_FILES["16S"] in run.stderr


def test_readme_states_what_the_tables_are_short_of(data, committed_rows):
    """The figures in the prose, counted from the CSVs."""
    text = (data / "README.md").read_text("utf-8")

    def count(split: str, phrase: str) -> int:
        return sum(phrase in row["response"] for row in committed_rows[split])

    unknown = "Product: hypothetical protein."
    genes = {split: count(split, "Leptospira kirschneri str. H1.") for split in committed_rows}
    train, val = count("train", unknown), count("val", unknown)
    assert f"{train} of {genes['train']} genome rows in train, {val} of {genes['val']} in val" in text
    held_out_16s = len(committed_rows["val"]) - genes["val"]
    streptomyces = count("val", "; Streptomyces.")
    assert f"{streptomyces} of the {held_out_16s} validation genes are *Streptomyces*" in text
    archaea = count("train", "Lineage: Archaea"), count("val", "Lineage: Archaea")
    assert f"Archaea are rare ({archaea[0]} row in train, {archaea[1]} in val)" in text
