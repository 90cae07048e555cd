"""Architectures that do not fit, and keys that are none."""

import math
from pathlib import Path

import pytest

from omnina.architecture import llama_config
from omnina.errors import UserError
from omnina.model_config import read_architecture, read_model_config
from omnina.rotary import rotary_frequencies

ROOT = Path(__file__).parents[1]


def test_a_tokenizer_of_another_size_gives_the_command_that_trains_one():
    model = str(ROOT / "configs" / "model" / "omnina-66m.yaml")
    with pytest.raises(UserError, match=r"train_tokenizer.py.*--vocab_size 32000"):
        read_model_config(model, 641, "data/tokenizer")
    assert read_model_config(model, 32_001, "x").hidden_size == 512


def test_unknown_architecture_key_is_refused(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text("hidden_sizes: 3\n")
    with pytest.raises(UserError, match="Did you mean 'hidden_size'"):
        read_model_config(str(path), 10, "x")


@pytest.mark.parametrize("factor", ["0", "-1.0", "fast", "null"])
def test_a_factor_of_rotation_must_be_a_positive_number(tmp_path, factor):
    path = tmp_path / "model.yaml"
    path.write_text(f"rope_parameters: {{rope_type: linear, rope_theta: 10000.0, factor: {factor}}}\n")
    with pytest.raises(UserError, match=r"model.yaml: factor is .* above 0"):
        read_architecture(str(path))


@pytest.mark.parametrize(
    ("rotation", "message"),
    [
        ("rope_parameters: {rope_theta: 10000.0, factor: 0.5}", "no 'factor' unless rope_type is 'linear'"),
        (
            "rope_parameters: {rope_type: dynamic, factor: 2.0}",
            "'dynamic'; there are: default, linear",
        ),
        ("rope_parameters: {rope_type: [linear]}", r"rope_type is \['linear'\]"),
        ("rope_parameters: {rope_type: default, partial_rotary_factor: 0.5}", "no 'partial_rotary_factor'"),
        ("rope_parameters: {rope_type: linear, factor: 0.5, colour: 3}", "no 'colour'; remove it"),
        ("rope_parameters: {rope_type: linear, factor: 0.5, rope_theta: x}", "rope_theta is 'x'"),
        (
            "rope_theta: 5.0\nrope_parameters: {rope_type: linear, factor: 1, rope_theta: 4}",
            "keep one of them",
        ),
    ],
)
def test_rotation_that_is_not_computed_is_refused(tmp_path, rotation, message):
    path = tmp_path / "model.yaml"
    path.write_text(f"{rotation}\n")
    with pytest.raises(UserError, match=f"model.yaml: .*{message}"):
        read_architecture(str(path))


@pytest.mark.parametrize("factor", [0, -1, "4", None, math.nan, True])
def test_a_factor_under_its_older_name_is_checked_too(factor):
    with pytest.raises(UserError, match=r"config.json: factor is"):
        llama_config({"rope_scaling": {"type": "linear", "factor": factor}}, "config.json")


def test_fast_rotation_is_read_without_a_warning(capfd, caplog):
    config = read_architecture(str(ROOT / "configs" / "model" / "short.yaml"))
    config.validate()  # as it is whenever it is saved
    assert rotary_frequencies(config)[0].item() == pytest.approx(2 * math.pi / 3)
    assert not caplog.records and capfd.readouterr() == ("", "")
