from pathlib import Path

import pytest
import yaml
from transformers.utils import is_torch_bf16_gpu_available

from omnina.config import FinetuneSettings, PretrainSettings, TrainerSettings, read_model_config
from omnina.config import parse_run as parse_any_run
from omnina.errors import UserError
from omnina.yaml_file import read_yaml

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "configs" / "pretrain").glob("*.yaml"))
FINETUNE = sorted((ROOT / "configs" / "finetune").glob("*.yaml"))
MINIMAL = {
    "train_files": "a.csv",
    "validation_files": "b.csv",
    "tokenizer": "t",
    "model_config": "m.yaml",
    "tokens_per_step": 8192,
    "tokens_per_device": 4096,
    "use_cpu": True,
}


def parse_run(arguments: list[str]) -> tuple[PretrainSettings, TrainerSettings]:
    return parse_any_run(arguments, PretrainSettings)


def written(tmp_path: Path, text: str = "", **changes) -> str:
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(MINIMAL | changes) + text)
    return str(path)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_parses(path):
    run, _ = parse_run([str(path), "--use_cpu", "true"])
    assert Path(ROOT / run.model_config).is_file()
    first, *_ = path.read_text().splitlines()
    assert first.startswith("# ")
    assert (
        f"bash pretrain.sh{'' if path.stem == 'example' else f' configs/pretrain/{path.name}'}"
        in path.read_text()
    )


@pytest.mark.parametrize("path", FINETUNE, ids=lambda path: path.name)
def test_every_shipped_fine_tuning_parses(path):
    run, training = parse_any_run([str(path), "--use_cpu", "true"], FinetuneSettings)
    assert run.checkpoint == "output/pretrain"
    assert training.output_dir == "output/finetune"
    assert "bash finetune.sh" in path.read_text()


def test_label_sets_are_a_mapping_in_the_file_and_json_on_the_command_line(tmp_path):
    changes = {"checkpoint": "c", "model_config": None, "label_sets": {"a?": ["no", "yes"]}}
    path = written(tmp_path, **changes)
    run, _ = parse_any_run([path], FinetuneSettings)
    assert run.given_labels() == {"a?": ["no", "yes"]}
    run, _ = parse_any_run([path, "--label_sets", '{"b?": ["1", "2"]}'], FinetuneSettings)
    assert run.given_labels() == {"b?": ["1", "2"]}
    for wrong in ("{", '{"b?": [1, 2]}', "[]", '{"b?": []}', '{"b?": ["x", "x"]}', '{"b?": "x"}'):
        with pytest.raises(UserError, match="label_sets"):
            parse_any_run([path, "--label_sets", wrong], FinetuneSettings)


@pytest.mark.parametrize(
    "path", [path for path in SHIPPED if path.stem.startswith("omnina")], ids=lambda path: path.name
)
def test_published_recipe(path):
    run, training = parse_run([str(path), "--use_cpu", "true"])
    assert run.tokens_per_step == 524_288
    assert (training.learning_rate, training.max_steps, training.weight_decay) == (1e-4, 200_000, 1e-4)
    assert training.bf16
    assert training.warmup_steps == 0.03
    assert training.lr_scheduler_type == "cosine"


def test_the_command_line_wins_over_the_file(tmp_path):
    run, training = parse_run([written(tmp_path, learning_rate=1e-3), "--learning_rate", "2e-5", "--seed=7"])
    assert (training.learning_rate, training.seed) == (2e-5, 7)
    assert run.train_files == ["a.csv"]


def test_exponents_without_a_point_are_numbers(tmp_path):
    _, training = parse_run([written(tmp_path, "learning_rate: 2e-5\n")])
    assert training.learning_rate == 2e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rte": 1e-3}, r"unknown key 'learning_rte'. Did you mean 'learning_rate'\?"),
        ({"learning_rate": "fast"}, "'learning_rate': invalid float value: 'fast'"),
        ({"tokens_per_step": "many"}, "'tokens_per_step': invalid int value"),
        ({"per_device_train_batch_size": 8}, "has no effect here; set instead tokens_per_device"),
        ({"warmup_ratio": 0.1}, "set instead warmup_steps"),
        ({"tokens_per_device": 100}, "must be at least max_length"),
        ({"bad_rows": "ignore"}, "'bad_rows': invalid choice: 'ignore'"),
        ({"checkpoint": "there"}, "one of the two"),
    ],
)
def test_wrong_settings_are_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        parse_run([written(tmp_path, **changes)])


def test_unknown_flag_abbreviation_and_missing_key_are_refused(tmp_path):
    with pytest.raises(UserError, match="unknown key 'learning'"):
        parse_run([written(tmp_path), "--learning", "1"])
    path = tmp_path / "short.yaml"
    path.write_text("train_files: a.csv\n")
    with pytest.raises(UserError, match="validation_files"):
        parse_run([str(path)])


def test_files_that_are_no_configuration_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        parse_run([str(tmp_path / "absent.yaml")])
    with pytest.raises(UserError, match="must be a YAML file"):
        parse_run(["--seed", "1"])
    path = tmp_path / "wrong.yaml"
    for text, message in (("a: [1", "not valid YAML"), ("- a", "key: value"), ("a: 1\na: 2", "stands twice")):
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read_yaml(path)


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


def test_bf16_without_a_gpu_says_what_to_do(tmp_path):
    if is_torch_bf16_gpu_available():
        pytest.skip("this machine has such a GPU")
    with pytest.raises(UserError, match="--use_cpu true"):
        parse_run([written(tmp_path, bf16=True, use_cpu=False)])
