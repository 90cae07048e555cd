"""What the package must never do, read from its source and proved on files made to trick it."""

import ast
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from omnina.checkpoints.contents import check_checkpoint
from omnina.command import check_report_folder
from omnina.corpus.manifest import MANIFEST_FILE, split_shards
from omnina.errors import UserError
from omnina.evaluation.files import check_folder
from omnina.files.listed import check_name
from omnina.files.output_links import refuse_links_out
from omnina.files.yaml_file import read_yaml
from omnina.inference.answer import Answerer
from omnina.inference.answer_file import AnswerFile
from omnina.model import OmniNAForCausalLM
from omnina.tokenizer import load_tokenizer, save_tokenizer
from omnina.vocabulary.training import check_output_folder

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*(ROOT / "omnina").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")])
LOADS_CODE = {
    *(
        "pickle.load",
        "pickle.loads",
        "joblib.load",
        "dill.load",
        "dill.loads",
        "marshal.loads",
        "shelve.open",
    ),
    *("yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "os.system", "eval", "exec", "compile"),
    *("pickle.Unpickler", "torch.hub.load", "tarfile.open", "shutil.unpack_archive"),
}
SENDS = {"requests", "urllib.request", "http.client", "wandb", "mlflow", "sentry_sdk", "smtplib", "httpx"}


def calls() -> list[tuple[str, str, ast.Call]]:
    """(place, dotted name, call) of every call in the package and the scripts."""
    trees = ((path, ast.parse(path.read_text(encoding="utf-8"))) for path in SOURCES)
    nodes = ((path, node) for path, tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [(f"{path.name}:{node.lineno}", ast.unparse(node.func), node) for path, node in nodes]


def argument(call: ast.Call, name: str) -> object:
    """A keyword's literal value; None without it."""
    values = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return ast.literal_eval(values[0]) if values else None


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple:
        return Path.touch, (self.sign,)


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture
def no_network(monkeypatch):
    def refused(*_: object) -> None:
        raise AssertionError("something asks for the network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def test_no_call_that_runs_what_it_reads():
    found = [(place, name) for place, name, _ in calls() if name in LOADS_CODE]
    assert not found
    for place, name, call in calls():
        if name == "torch.load":
            assert argument(call, "weights_only") is True, place
        if name in ("np.load", "numpy.load"):
            assert argument(call, "allow_pickle") is not True, place
        if name == "zipfile.ZipFile":  # written, never unpacked
            assert ast.unparse(call.args[1]) == "'w'", place
        if name == "yaml.load":
            assert "_PlainValues" in ast.unparse(call), place
        if name.startswith("Auto") and name.endswith("from_pretrained"):
            assert argument(call, "trust_remote_code") is False, place
        assert argument_is_not_true(call, "shell"), place


def argument_is_not_true(call: ast.Call, name: str) -> bool:
    return not any(keyword.arg == name and ast.unparse(keyword.value) == "True" for keyword in call.keywords)


def test_nothing_that_sends_is_imported():
    to_itself = ROOT / "omnina/benchmarks/serving.py"  # asks the server that it started on this machine
    for path in set(SOURCES) - {to_itself}:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert not SENDS & set(names), path


def test_yaml_makes_no_objects_and_repeats_no_values(tmp_path):
    path = tmp_path / "c.yaml"
    for text in (f"a: !!python/object/apply:pathlib.Path.touch [{tmp_path}/sign]", "a: &x [1]\nb: *x"):
        path.write_text(text)
        with pytest.raises(UserError, match=r"c\.yaml: not valid YAML"):
            read_yaml(path)
    assert not (tmp_path / "sign").exists()


def test_weights_that_are_a_pickle_run_nothing(folder, tmp_path):
    (folder / "model.safetensors").unlink()
    torch.save({"model.norm.weight": Trap(tmp_path / "sign")}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin: not weights that can be read without"):
        check_checkpoint(folder)
    with pytest.raises(pickle.UnpicklingError):
        OmniNAForCausalLM.from_pretrained(folder)
    assert not (tmp_path / "sign").exists()


@pytest.mark.parametrize("key", ["auto_map", "quantization_config"])
def test_configuration_that_asks_for_code_is_refused(folder, key):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: {"AutoModelForCausalLM": "x.Y"}}))
    with pytest.raises(UserError, match=rf"config\.json: {key} is not read"):
        check_checkpoint(folder)


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/../../x", "", 3, None])
def test_index_that_leads_out_of_its_folder_is_refused(folder, name):
    (folder / "model.safetensors").rename(folder.parent / "model.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"model.norm.weight": name}}))
    with pytest.raises(UserError, match="not inside it"):
        check_checkpoint(folder)


@pytest.mark.parametrize("name", ["../t.csv", "/etc/passwd", 3])
def test_manifest_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    (tmp_path / "t.csv").write_text("x")
    (tmp_path / "corpus").mkdir()
    shard = {"file": name, "split": "train", "bytes": 1, "sha256": ""}
    (tmp_path / "corpus" / MANIFEST_FILE).write_text(json.dumps({"shards": [shard]}))
    with pytest.raises(UserError, match=r"not inside it|no text"):
        split_shards(tmp_path / "corpus", "train")


def test_weights_of_another_model_are_refused(folder):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    for key, value, told in (("num_hidden_layers", 3, "layers"), ("intermediate_size", 65, "shape")):
        path.write_text(json.dumps(values | {key: value}))
        with pytest.raises(UserError, match=told):
            check_checkpoint(folder)


@pytest.mark.parametrize(
    "check",
    [
        refuse_links_out,
        check_folder,
        lambda folder: check_report_folder(folder, overwrite=True),
        lambda folder: check_output_folder(folder, True),
    ],
)
def test_link_out_of_an_output_folder_is_refused(tmp_path, check):
    real, outside = tmp_path / "scratch", tmp_path / "theirs.json"
    (real / "inner").mkdir(parents=True)
    outside.write_text("theirs")
    (tmp_path / "output").symlink_to(real)  # the folder itself may be one
    check(tmp_path / "output")
    (real / "inner" / "metrics.json").symlink_to(outside)
    with pytest.raises(UserError, match=r"metrics\.json: this is a link to .*theirs\.json"):
        check(tmp_path / "output")
    assert outside.read_text() == "theirs"


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.unfinished", "a.csv.unfinished.json", "a.csv.unfinished.lock"]
)
def test_answers_are_written_through_no_link(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"this is a link"):
        AnswerFile(tmp_path / "a.csv")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_files_of_a_checkpoint_follow_the_umask(checkpoint, tmp_path, mask):
    tokenizer, model = load_tokenizer(checkpoint), OmniNAForCausalLM.from_pretrained(checkpoint)
    old = os.umask(mask)
    try:
        save_tokenizer(tokenizer, tmp_path / "new")
        model.save_pretrained(tmp_path / "new")
    finally:
        os.umask(old)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert "model.safetensors" in modes
    assert modes == dict.fromkeys(modes, 0o666 & ~mask)


def test_a_hub_name_is_no_checkpoint_and_a_checkpoint_asks_for_no_network(no_network, folder):
    with pytest.raises(UserError, match=r"no such checkpoint.*nothing is downloaded"):
        Answerer(Path("XLS/OmniNA-66m"))
    answerer = Answerer(folder)
    assert answerer.generator  # transformers' own way of loading


def test_commands_switch_hub_and_usage_reports_off():
    code = "\n".join(
        [
            "import os, transformers",
            "from huggingface_hub import is_offline_mode",
            "from omnina.command import run_command",
            "run_command(lambda: print(is_offline_mode(), os.environ['RAY_USAGE_STATS_ENABLED']))",
        ]
    )
    unset = {
        name: value for name, value in os.environ.items() if not name.startswith(("HF_HUB", "TRANSFORMERS_"))
    }
    environment = unset | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["True", "0"]


def test_shipped_configurations_send_figures_to_files_only():
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert values.get("report_to", "tensorboard") in ("tensorboard", "none"), path
        assert not values.get("push_to_hub"), path


@pytest.mark.parametrize("name", ["n" * 256, "é" * 128, "d/" * 2048 + "n"])
def test_a_listed_name_that_no_file_system_takes_is_told(tmp_path, name):
    with pytest.raises(UserError, match="not inside it"):
        check_name(tmp_path, name)
