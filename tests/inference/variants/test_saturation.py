"""Every substitution of a region; and a model that was taught a motif, which breaking costs."""

import csv
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from tables import write_table

from omnina import pretrain
from omnina.errors import UserError
from omnina.inference.packed import PackedReader
from omnina.inference.variants.haplotypes import Change, TextContig, windows
from omnina.inference.variants.reference import Reference
from omnina.inference.variants.saturation import Region, plot_saturation, saturate, write_saturation
from omnina.inference.variants.scoring import VariantScorer, VariantSettings
from omnina.tokenizer import load_tokenizer
from omnina.vocabulary.training import train_tokenizer

ROOT = Path(__file__).parents[3]
BASES = "".join(random.Random(4).choices("ACGT", k=200))
MOTIF = "TGACGTCATTCGAACC"


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text(f">chr1\n{BASES[:100]}N{BASES[101:]}\n")
    return path


@pytest.fixture(scope="module")
def scorer(reader) -> VariantScorer:
    return VariantScorer(reader, VariantSettings(window=60))


def test_every_known_base_becomes_each_of_the_others(scorer, genome, tmp_path):
    region = Region.parse("1:99-103", Reference(genome))
    found = dict(saturate(region, scorer))
    assert len(found) == 12  # four known bases, and an N
    for change, score in found.items():
        [alone] = scorer.scores([windows(region.contig, change, 60)])
        assert score == pytest.approx(alone, abs=1e-4)
    scores = write_saturation(region, scorer, tmp_path / "scores.csv")
    assert scores.shape == (4, 5) and np.isnan(scores[:, 2]).all()
    assert (np.isnan(scores).sum(axis=0) == [1, 1, 4, 1, 1]).all()
    with (tmp_path / "scores.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["pos"]) for row in rows[::3]] == [99, 100, 102, 103]
    assert scores["ACGT".index(rows[0]["alt"]), 0] == pytest.approx(float(rows[0]["score"]), rel=1e-4)
    plot_saturation(region, scores, tmp_path / "scores.svg", "score")
    assert "<svg" in (tmp_path / "scores.svg").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1", "write it as NAME:FIRST-LAST"),
        ("chr9:1-5", "has no such contig; it begins with chr1"),
        ("chr1:0-5", "must lie within 1-200"),
        ("chr1:10-9", "must lie within 1-200 and hold a base"),
        ("chr1:190-201", "must lie within 1-200"),
    ],
)
def test_regions_that_cannot_be(genome, text, message):
    with pytest.raises(UserError, match=message):
        Region.parse(text, Reference(genome))


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/score_variants.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_script_writes_a_table_and_a_map(checkpoint, genome, tmp_path):
    where = ["--checkpoint", str(checkpoint), "--reference", str(genome), "--window", "60"]
    outputs = ["--output", str(tmp_path / "s.csv"), "--plot", str(tmp_path / "s.png")]
    done = run(*where, "--saturate", "chr1:11-20", *outputs)
    assert done.returncode == 0, done.stderr
    assert "every substitution of 10 bases" in done.stdout
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 31
    assert (tmp_path / "s.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--saturate", "a:1-2", "--output_vcf", "x.vcf"], "--output_vcf goes with --vcf"),
        (["--vcf", "x.vcf", "--plot", "x.png"], "--plot goes with --saturate"),
        (["--saturate", "a:1-2", "--plot", "x.txt"], "a name that ends in .png, .svg, .pdf"),
    ],
)
def test_options_that_do_not_go_together(arguments, message):
    done = run("--reference", "genome.fa", "--output", "s.csv", *arguments)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


def planted(generator: random.Random) -> tuple[str, int]:
    """Random bases with the motif in them, and where it begins."""
    place = generator.randint(30, 90)
    before, after = ("".join(generator.choices("ACGT", k=k)) for k in (place, 120 - place))
    return before + MOTIF + after, place


@pytest.fixture(scope="module")
def taught(tmp_path_factory) -> PackedReader:
    """A small model that has seen the motif in a thousand random sequences, on either strand."""
    folder = tmp_path_factory.mktemp("taught")
    generator = random.Random(0)
    for name, count in (("train", 1000), ("val", 20)):
        rows = [{"sequence": planted(generator)[0], "response": "gene"} for _ in range(count)]
        write_table(folder / f"{name}.csv", rows)
    train_tokenizer(
        [str(folder / "train.csv")],
        folder / "tokenizer",
        vocab_size=400,
        sample_bytes=1_000_000,
        text_share=0.3,
        seed=0,
    )
    size = len(load_tokenizer(folder / "tokenizer"))
    model = {"vocab_size": size, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    model |= {"num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 512}
    (folder / "model.yaml").write_text(yaml.safe_dump(model))
    values = {"train_files": str(folder / "train.csv"), "validation_files": str(folder / "val.csv")}
    values |= {"tokenizer": str(folder / "tokenizer"), "model_config": str(folder / "model.yaml")}
    values |= {"min_bases": 50, "max_length": 512, "tokens_per_step": 4096, "tokens_per_device": 4096}
    values |= {"max_steps": 250, "learning_rate": 3e-3, "output_dir": str(folder / "run")}
    values |= {"cache_dir": str(folder / "cache"), "save_steps": 250, "eval_steps": 250, "use_cpu": True}
    (folder / "run.yaml").write_text(yaml.safe_dump(values | {"disable_tqdm": True, "workers": 0}))
    pretrain.main([str(folder / "run.yaml")])
    return PackedReader(folder / "run")


@pytest.mark.slow
def test_breaking_the_motif_costs_more_than_breaking_its_flanks(taught):
    scorer = VariantScorer(taught, VariantSettings(window=120))
    generator = random.Random(77)
    scores, inside, shown = [], [], []
    for _ in range(4):
        bases, place = planted(generator)
        region = Region("planted", TextContig(bases), place - 12, place + len(MOTIF) + 12)
        found = dict(saturate(region, scorer))
        scores += found.values()
        inside += [place <= change.start < place + len(MOTIF) for change in found]
        means = _means(found)
        lowest = sorted(means, key=means.__getitem__)[: len(MOTIF)]
        shown.append(sum(place <= base < place + len(MOTIF) for base in lowest))
    assert roc_auc_score(np.logical_not(inside), scores) >= 0.95
    assert min(shown) >= len(MOTIF) - 3


def _means(found: dict[Change, float]) -> dict[int, float]:
    places = {change.start for change in found}
    return {
        place: float(np.mean([score for change, score in found.items() if change.start == place]))
        for place in places
    }
