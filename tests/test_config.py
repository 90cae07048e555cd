import re
from pathlib import Path

import pytest
import torch
import yaml
from accelerate.commands.config.config_args import load_config_from_file
from transformers.utils import is_torch_bf16_gpu_available

from omnina import trainer_settings
from omnina.config import FinetuneSettings, PretrainSettings
from omnina.config import parse_run as parse_any_run
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.model import DecoderLayer
from omnina.packing import accumulation_steps
from omnina.trainer_settings import CHECKPOINTING_KEY, TrainerSettings

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "configs" / "pretrain").glob("*.yaml"))
PUBLISHED = [path for path in SHIPPED if path.stem.startswith("omnina")]
ACCELERATE = sorted((ROOT / "configs" / "accelerate").glob("*.yaml"))
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
    _, training = parse_any_run([str(path), "--use_cpu", "true"], FinetuneSettings)
    assert training.output_dir.startswith("output/")
    assert "bash finetune.sh" in path.read_text()


def test_the_default_fine_tuning_goes_on_from_the_default_pretraining():
    run, training = parse_any_run([str(ROOT / "configs/finetune/example.yaml")], FinetuneSettings)
    assert (run.checkpoint, training.output_dir) == ("output/pretrain", "output/finetune")


def test_short_sequences_need_no_checkpoint():
    run, _ = parse_any_run([str(ROOT / "configs/finetune/short_sequences.yaml")], FinetuneSettings)
    assert run.checkpoint is None and run.resolution == "bases"


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


STEP = re.compile(r"([\d,]+) tokens x (\d+) accumulation x (\d+) GPUs? = ([\d,]+) tokens")


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
def test_the_arithmetic_of_a_step_in_the_header_is_right(path):
    run, _ = parse_run([str(path), "--use_cpu", "true"])
    told = [[int(number.replace(",", "")) for number in line] for line in STEP.findall(path.read_text())]
    if path.stem == "omnina-1.7b":
        assert {gpus for _, _, gpus, _ in told} == {1, 8, 64}
    assert told
    for tokens, accumulation, gpus, step in told:
        assert accumulation == accumulation_steps(run.tokens_per_step, run.tokens_per_device, gpus)
        assert tokens * accumulation * gpus == step == run.tokens_per_step
        assert tokens <= run.tokens_per_device


@pytest.mark.parametrize("path", ACCELERATE, ids=lambda path: path.name)
def test_machines_are_described_without_saying_what_is_learned(path):
    config = load_config_from_file(str(path))
    assert config.mixed_precision == "no"  # the run's YAML says it
    if path.stem == "fsdp":
        assert config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"] == DecoderLayer.__name__
        assert not config.fsdp_config["fsdp_activation_checkpointing"]


def test_activation_checkpointing_is_one_key_for_every_transformers(tmp_path):
    _, training = parse_run([written(tmp_path, activation_checkpointing=True)])
    assert training.activation_checkpointing and getattr(training, CHECKPOINTING_KEY)
    with pytest.raises(UserError, match="set instead activation_checkpointing"):
        parse_run([written(tmp_path, gradient_checkpointing=True)])


def test_a_share_of_the_layers_is_checkpointed(tmp_path):
    _, training = parse_run([written(tmp_path, activation_checkpointing=True, checkpointed_share=0.5)])
    assert training.activation_checkpointing is True and training.recomputed == 0.5
    for changes, share in (({}, 0.0), ({"activation_checkpointing": True}, 1.0)):
        assert parse_run([written(tmp_path, **changes)])[1].recomputed == share
    for wrong in (0.0, -0.5, 1.01):
        with pytest.raises(UserError, match="must be above 0 and at most 1"):
            parse_run([written(tmp_path, activation_checkpointing=True, checkpointed_share=wrong)])
    with pytest.raises(UserError, match="no effect without activation_checkpointing: true"):
        parse_run([written(tmp_path, checkpointed_share=0.5)])


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.name)
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
        ({"reverse_complement": [0.5]}, "yaml: 'reverse_complement' is a list, .0.5.; it must be one value"),
        ({"per_device_train_batch_size": 8}, "has no effect here; set instead tokens_per_device"),
        ({"warmup_ratio": 0.1}, "set instead warmup_steps"),
        ({"model_name_or_path": "output/omnina-330m"}, "set instead checkpoint: a folder"),
        ({"tokens_per_device": 100}, "must be at least max_length"),
        ({"bad_rows": "ignore"}, "'bad_rows': invalid choice: 'ignore'"),
        ({"checkpoint": "there"}, "one of the two"),
        ({"validation_documents": 0}, "validation_documents .0. must be at least 1"),
        ({"window_cuts": 0}, "window_cuts .0. must be at least 1"),
        ({"reverse_complement": 0.5, "both_strands": True}, "true reads both; leave one of the two out"),
        *(
            (
                {"reverse_complement": wrong},
                f"reverse_complement .{wrong}. must be above 0 and at most 1; 0.5",
            )
            for wrong in (0.0, -0.5, 1.5)
        ),
        ({"segmentations": 0}, "segmentations .0. must be at least 1"),
        ({"segmentations": 2}, "segmentations .2. of pretraining are of a resolution that is drawn"),
        *(
            ({"resolution": wrong}, f"resolution .{wrong}. must be pieces, bases, random, or a number")
            for wrong in (0, 1, 1.5, -0.1, "nan", "base")
        ),
        ({"z_loss": -1.0}, "z_loss .-1.0. must be at least 0; 1e-4 is usual"),
        ({"loss_weights": {"question": 1}}, "loss_weights: there is no 'question' here"),
    ],
)
def test_wrong_settings_are_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        parse_run([written(tmp_path, **changes)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"segmentations": 2, "resolution": "bases"},
            "segmentations .2. has no effect with resolution: bases",
        ),
        ({"split_share": 0.2}, "set segmentations above 1, or leave it out"),
        *(
            (
                {"split_share": 0.2, "resolution": drawn, "segmentations": 2},
                f"split_share has no effect with resolution: {drawn}",
            )
            for drawn in ("random", 0.1)
        ),
        ({"split_share": 0.0, "segmentations": 2}, "split_share .0.0. must be above 0 and at most 1"),
        ({"random_windows": 0}, "random_windows .0. must be at least 1"),
        ({"shortest_window": 0.5}, "shortest_window has no effect on whole sequences; set random_windows"),
        ({"random_windows": 4, "shortest_window": 1.0}, "shortest_window .1.0. must be above 0 and below 1"),
        ({"reverse_complement": 0.5}, "name there the questions with the same answer for either"),
        (
            {"reverse_complement": 0.0, "strand_free_questions": ["Is it?"]},
            "reverse_complement .0.0. must be above 0",
        ),
        ({"lora_alpha": 3.0}, "lora_alpha has no effect without lora_rank"),
        ({"label_smoothing": 1.0}, "label_smoothing .1.0. must be at least 0 and below 1"),
        ({"ema_decay": 1.0}, r"ema_decay .1.0. must be above 0 and below 1"),
        ({"ema_decay": 0.0}, r"ema_decay .0.0. must be above 0 and below 1"),
        ({"layer_decay": 0.0}, r"layer_decay .0.0. must be above 0 and at most 1"),
        ({"layer_decay": 1.1}, r"layer_decay .1.1. must be above 0 and at most 1"),
        ({"layer_decay": 0.9, "muon": True}, "layer_decay works with AdamW alone; leave muon or"),
        ({"layer_decay": 0.9, "optim": "adafactor"}, "with AdamW alone; leave optim .adafactor. out"),
        ({"early_stopping_patience": 0, "metric_for_best_model": "loss"}, "must be at least 1"),
        ({"early_stopping_patience": 1}, "needs a metric to watch; set metric_for_best_model"),
        (
            {"early_stopping_patience": 1, "metric_for_best_model": "loss", "eval_strategy": "no"},
            "needs validations; set eval_strategy",
        ),
    ],
)
def test_wrong_settings_of_fine_tuning_are_named(tmp_path, changes, message):
    path = written(tmp_path, checkpoint="c", model_config=None, **changes)
    with pytest.raises(UserError, match=message):
        parse_any_run([path], FinetuneSettings)


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


def test_bf16_without_a_gpu_says_what_to_do(tmp_path):
    if is_torch_bf16_gpu_available():
        pytest.skip("this machine has such a GPU")
    with pytest.raises(UserError, match="--use_cpu true"):
        parse_run([written(tmp_path, bf16=True, use_cpu=False)])


def test_auto_bf16_is_float32_on_a_processor_that_multiplies_bf16(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": True})
    _, training = parse_run([written(tmp_path, bf16="auto", use_cpu=True)])
    assert training.bf16 is False


@pytest.mark.parametrize("multiplies", [True, False])
def test_auto_bf16_asks_the_gpu(monkeypatch, multiplies):
    monkeypatch.setattr(trainer_settings, "is_torch_bf16_gpu_available", lambda: multiplies)
    assert trainer_settings.auto_bf16(on_gpu=True) is multiplies
    assert not trainer_settings.auto_bf16(on_gpu=False)


def test_bf16_is_true_false_or_auto(tmp_path):
    with pytest.raises(UserError, match="'maybe' is none of true, false and auto"):
        parse_run([written(tmp_path, bf16="maybe")])


@pytest.mark.parametrize(("key", "value"), [("push_to_hub", True), ("report_to", "all")])
def test_nothing_is_sent_to_services_that_were_not_named(tmp_path, key, value):
    with pytest.raises(UserError, match=f"{key}.*(sends nothing|name those)"):
        parse_run([written(tmp_path, **{key: value})])


@pytest.mark.parametrize("kind", [PretrainSettings, FinetuneSettings])
def test_a_drawn_resolution_comes_up_in_several_draws(tmp_path, kind):
    for resolution, drawn in (("random", (True, None)), (0.25, (False, 0.25))):
        run, _ = parse_any_run([written(tmp_path, resolution=resolution, segmentations=3)], kind)
        training, validation = run.training_settings(0), run.data_settings()
        assert (training.random_resolution, training.base_probability) == drawn
        assert (training.segmentations, validation.segmentations) == (3, 1)
        assert (validation.random_resolution, validation.base_probability) == (False, None)


def test_random_windows_are_of_training_alone(tmp_path):
    for given, shortest in (({}, 0.6), ({"shortest_window": 0.3}, 0.3)):
        path = written(tmp_path, checkpoint="c", model_config=None, random_windows=4, **given)
        run, _ = parse_any_run([path], FinetuneSettings)
        training, validation = run.training_settings(0), run.data_settings()
        assert (training.random_windows, training.shortest_window) == (4, shortest)
        assert validation.random_windows == 1


def test_a_share_of_splits_is_a_tenth_unless_given(tmp_path):
    for given, share in (({}, 0.1), ({"split_share": 0.3}, 0.3)):
        path = written(tmp_path, checkpoint="c", model_config=None, segmentations=4, **given)
        run, _ = parse_any_run([path], FinetuneSettings)
        assert run.training_settings(0).split_share == share
