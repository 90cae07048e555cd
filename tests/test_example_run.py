"""The run behind the README's figure, whole: five minutes."""

import json
from pathlib import Path

import pytest

from omnina import pretrain

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_default_run_learns_what_the_readme_says(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    folders = ["--output_dir", str(tmp_path / "run"), "--cache_dir", str(tmp_path / "cache")]
    pretrain.main(["configs/pretrain/example.yaml", *folders, "--use_cpu", "true"])
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    start, end = record["validation_at_start"], record["validation_at_end"]
    assert end["eval_annotation_loss"] < 0.5 * start["eval_annotation_loss"]
    assert end["eval_sequence_loss"] < 0.6 * start["eval_sequence_loss"]
    markov = record["markov_bits_per_base"]
    assert end["eval_16S_bits_per_base"] < markov["16S"]["order_5"] - 0.3
    assert end["eval_genome_bits_per_base"] < markov["genome"]["order_5"] + 0.05
