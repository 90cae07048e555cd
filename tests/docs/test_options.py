"""Every option and path in a documented command is one that there is; so are the lists of what is not run."""

import re

import pytest
from doc_commands import all_commands, file_name, shell_commands
from doc_options import launcher_options, unknown_options
from doc_pages import ROOT, manual
from doc_rules import ADDED, BEFORE_PYTHON, BEGINNING, NOT_RUN

from omnina.config import FinetuneSettings, PretrainSettings
from omnina.run_help import help_text
from omnina.setting_keys import REFUSED

OURS = re.compile(r"(configs|data|docs|examples|scripts|tests|requirements)\b[^*$]*")
MOVING = ROOT / "docs" / "moving_from_published.md"
# Of the published scripts pretrain.sh and finetune.sh.
PUBLISHED = [
    *("model_name_or_path", "train_data_path", "val_data_path", "model_max_length", "output_dir"),
    *("bf16", "bf16_full_eval", "tf32", "full_determinism", "num_train_epochs", "dataloader_num_workers"),
    *("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps"),
    *("evaluation_strategy", "eval_steps", "save_strategy", "save_steps", "save_total_limit"),
    *("learning_rate", "weight_decay", "warmup_ratio", "lr_scheduler_type", "logging_steps", "report_to"),
    *("fsdp", "fsdp_transformer_layer_cls_to_wrap"),
]


@pytest.mark.parametrize("command", shell_commands(), ids=lambda command: command.place)
def test_every_option_is_one_of_the_commands_own(command):
    assert not unknown_options(command) and not launcher_options(command)


@pytest.mark.parametrize("command", shell_commands(), ids=lambda command: command.place)
def test_every_path_of_ours_is_there(command):
    shown = {file_name(other.text) for other in all_commands() if other.language == "yaml"}
    paths = [word for word in command.words if OURS.fullmatch(word) and "." in word]
    missing = [path for path in paths if not (ROOT / path).exists() and path not in shown]
    assert not missing


def test_commands_are_found_in_the_pages():
    found = all_commands()
    assert len(found) > 60 and {command.page for command in found} >= {ROOT / "README.md", MOVING}
    assert any(command.stage == "pretrain" for command in found)


@pytest.mark.parametrize("beginning", [*NOT_RUN, *ADDED, *BEFORE_PYTHON, *BEGINNING])
def test_no_rule_is_for_a_command_that_no_page_has(beginning):
    assert any(command.text.startswith(beginning) for command in all_commands())


@pytest.mark.parametrize("option", PUBLISHED)
def test_an_option_of_the_published_scripts_is_a_key_or_its_successor_is_named(option):
    """By the page that tells of it, and by the run that refuses it."""
    assert f"--{option}" in MOVING.read_text()
    for settings in (PretrainSettings, FinetuneSettings):
        kept = f"--{option} " in help_text("", settings)
        assert kept != (option in REFUSED)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 250
    assert ROOT / "docs" / "README.md" in manual()
