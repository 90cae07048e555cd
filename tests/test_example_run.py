"""The default runs: pretraining as it is shipped, fine-tuning with fewer steps; minutes long, so slow."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from omnina import finetune, pretrain

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory) -> Iterator[Path]:
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.chdir(ROOT)  # the configurations name their tables from there
    folder = tmp_path_factory.mktemp("example")
    folders = ["--output_dir", str(folder / "pretrain"), "--cache_dir", str(folder / "cache")]
    pretrain.main([str(ROOT / "configs/pretrain/example.yaml"), *folders, "--use_cpu", "true"])
    yield folder / "pretrain"
    monkeypatch.undo()


@pytest.mark.slow
def test_the_default_pretraining_beats_order_5_on_16s_and_keeps_up_with_it_on_the_genome(pretrained):
    record = json.loads((pretrained / "run.json").read_text())
    start, end, markov = (
        record[key] for key in ("validation_at_start", "validation_at_end", "markov_bits_per_base")
    )
    assert end["eval_annotation_loss"] < 0.5 * start["eval_annotation_loss"]
    assert end["eval_16S_bits_per_base"] < markov["16S"]["order_5"] - 0.3
    assert end["eval_genome_bits_per_base"] < markov["genome"]["best"] + 0.05


@pytest.mark.slow
def test_four_tenths_of_the_default_fine_tuning_answer_far_better_than_chance(pretrained):
    folder = pretrained.parent / "finetune"
    arguments = ["--checkpoint", str(pretrained), "--output_dir", str(folder)]
    arguments += ["--cache_dir", str(pretrained.parent / "cache"), "--use_cpu", "true"]
    arguments += ["--max_steps", "700", "--eval_steps", "350", "--save_steps", "350"]
    finetune.main([str(ROOT / "configs/finetune/example.yaml"), *arguments])
    results = json.loads((folder / "evaluation" / "metrics.json").read_text())["results"]
    assert results["Which phylum is this 16S ribosomal RNA gene from?"]["OmniNA"]["accuracy"] > 0.85
    assert results["Does this sequence code for a protein?"]["OmniNA"]["mcc"] > 0.55
