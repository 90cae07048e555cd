"""The card holds what the run's own files say, in tables that no text of the user's breaks."""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from omnina.card.model_card import write_model_card
from omnina.inference.questions import Question, Questions, save_questions

COUNTS = {"rows": 10, "used": 7, "bases": 2_100, "tokens": 1_000, "trimmed_bases": 0, "rejected": {}}
RECORD = {
    "steps": 8,
    "validation_at_start": {"eval_loss": 6.0},
    "validation_at_end": {"eval_loss": 3.25, "eval_bits_per_base": 1.875, "eval_other": 1.0},
    "markov_bits_per_base": {"16S": {"order_5": 1.66, "best": 0.605, "best_order": 11}},
    "data": {"train": "a" * 64, "validation": "b" * 64},
    "counts": {
        "train": COUNTS | {"filtered": {"shorter than 200 bases": 3}},
        "validation": COUNTS | {"filtered": {}},
    },
    "git_commit": "c" * 40,
    "hardware": "a CPU",
    "versions": {"torch": "2.13.0"},
}
SHAPE = {"num_hidden_layers": 2, "hidden_size": 32, "num_attention_heads": 2, "vocab_size": 421}


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(SHAPE | {"max_position_embeddings": 512}))
    settings = {
        "train_files": ["a|b.csv"],
        "validation_files": ["v.csv"],
        "learning_rate": 0.001,
        "fp8": False,
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings | {"weight_decay": 0.0, "lora_rank": None}))
    return tmp_path


def card(folder: Path, **parts) -> str:
    write_model_card(folder, "OmniNA, x", 1_234_567, **parts)
    return (folder / "README.md").read_text(encoding="utf-8")


def tables(text: str) -> list[list[str]]:
    """Tables as lists of lines."""
    found: list[list[str]] = []
    for before, line in zip(["", *text.split("\n")], text.split("\n"), strict=False):
        if line.startswith("|"):
            if not before.startswith("|"):
                found.append([])
            found[-1].append(line)
    return found


def assert_whole(text: str) -> None:
    """Front matter that is YAML, tables with as many cells in each row, nothing left of the template."""
    assert yaml.safe_load(text.split("---\n")[1])["library_name"] == "transformers"
    assert "{{" not in text and "{%" not in text
    for table in tables(text):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table}) == 1, table
        assert set(table[1]) <= set("|-:")


def test_a_pretrained_model_s_card(folder):
    text = card(folder, record=RECORD)
    assert_whole(text)
    for part in (
        *(
            "1,234,567",
            "| loss | 6.000 | 3.250 |",
            "| bits per base |  | 1.875 |",
            "| 16S | 1.660 | 11 | 0.605 |",
        ),
        *("`" + "a" * 64, "`" + "b" * 64, "3 rows, shorter than 200 bases", "| a\\|b.csv | 10 | 7 | 2,100 |"),
        *("| learning_rate | 0.001 |", "| weight_decay | 0.0 |", "| steps | 8 |", "c" * 40, "no task was"),
        *("clinical", "gkag083", "MIT"),
    ):
        assert part in text
    assert not any(part in text for part in ("fp8", "lora_rank", "eval_other", "## What it was taught"))


def test_a_fine_tuned_model_s_card(finished, tmp_path):
    text = (finished / "README.md").read_text(encoding="utf-8")
    assert_whole(text)
    metrics = json.loads((finished / "evaluation" / "metrics.json").read_text())
    for question, systems in metrics["results"].items():
        assert f"### {question}" in text
        for system, found in systems.items():
            cells = re.findall(rf"^\| {re.escape(system)} \| (.*)$", text.split(f"### {question}")[1], re.M)[
                0
            ]
            assert f"{found['accuracy']:.3f}" in cells.split("|")[0]
    for note in metrics["notes"]:
        assert note in text
    record = json.loads((finished / "run.json").read_text())
    assert record["data"]["train"] in text and record["git_commit"] in text
    assert "no task was" not in text


def test_texts_of_the_user_s_break_nothing(folder):
    asked = {'Is it "a|b"?\n| x |': Question(["yes|no", "{{ 7 * 7 }}"], 1.5), "Why?": Question(None)}
    save_questions(Questions(asked, 100), folder)
    text = card(folder, record=RECORD).replace("{{ 7 * 7 }}", "")
    assert_whole(text)
    assert '"question": "Is it \\"a|b\\"?\\n| x |"' in text and "49" not in text


def test_an_imported_model_s_card_claims_nothing(folder):
    (folder / "config.yaml").unlink()
    imported = {
        "source": "XLS/OmniNA-66m",
        "changes": ["weights: x"],
        "notes": [],
        "files": {"a.bin": "d" * 64},
    }
    text = card(folder, imported=imported)
    assert_whole(text)
    assert "`XLS/OmniNA-66m`" in text and "d" * 64 in text and "Nothing was measured here" in text
    assert yaml.safe_load(text.split("---\n")[1])["license"] == "other"
    assert not any(part in text for part in ("## Recipe", "## Measured", "MIT licence"))


def test_the_code_in_the_card_runs(finished, tmp_path, monkeypatch, capsys):
    folder = Path(
        shutil.copytree(finished, tmp_path / "model", ignore=shutil.ignore_patterns("checkpoint-*"))
    )
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("\n")


def test_the_card_states_the_strand_where_it_was_drawn(folder):
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    for given, stated in ((None, False), (0.5, True)):
        (folder / "config.yaml").write_text(yaml.safe_dump(settings | {"reverse_complement": given}))
        assert ("| reverse_complement | 0.5 |" in card(folder, record=RECORD)) == stated


def test_the_card_states_shares_that_were_left_to_their_defaults(folder):
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    for given, stated, missing in (
        ({"random_windows": 20}, "| shortest_window | 0.6 |", "split_share"),
        ({"segmentations": 4, "split_share": None}, "| split_share | 0.1 |", "shortest_window"),
        ({"segmentations": 4, "resolution": "random"}, "| segmentations | 4 |", "split_share"),
    ):
        (folder / "config.yaml").write_text(yaml.safe_dump(settings | given))
        text = card(folder, record=RECORD)
        assert stated in text and missing not in text


@pytest.mark.parametrize(("factor", "told"), [(0.5, True), (2.0, False)])
def test_the_card_states_a_rotation_that_transformers_warns_of(folder, factor, told):
    rotation = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": factor}
    shape = SHAPE | {"max_position_embeddings": 512, "rope_parameters": rotation}
    (folder / "config.json").write_text(json.dumps(shape))
    assert ("is below 1: it is meant" in card(folder)) is told
