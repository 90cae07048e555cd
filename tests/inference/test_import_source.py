"""The hub is asked for OWNER/NAME alone, and only while a model is fetched."""

import socket
from pathlib import Path

import pytest
from huggingface_hub import constants

from omnina import offline
from omnina.errors import UserError
from omnina.inference.published import source
from omnina.inference.published.source import FILES, is_hub_name, source_folder


@pytest.fixture
def offline_command(monkeypatch):
    """As every command starts, in an environment that says nothing of the hub."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(offline, "OURS", set())
    offline.stay_offline()


@pytest.fixture
def asked(monkeypatch, tmp_path) -> list[tuple]:
    calls = []

    def download(name: str, **options) -> str:
        calls.append((name, options, constants.HF_HUB_OFFLINE))
        return str(tmp_path)

    monkeypatch.setattr(source, "snapshot_download", download)
    return calls


def test_a_name_is_fetched_with_the_hub_switched_on_for_that_time(offline_command, asked, tmp_path):
    assert constants.HF_HUB_OFFLINE is True
    assert source_folder("XLS/OmniNA-220m", "main") == tmp_path
    assert asked == [("XLS/OmniNA-220m", {"revision": "main", "allow_patterns": FILES}, False)]
    assert constants.HF_HUB_OFFLINE is True


@pytest.mark.parametrize(
    "name", [".", "tests", "output/nothing", "./a/b", "/a/b", "~/a", "a/b/c", "a", "a/..", ""]
)
def test_anything_else_asks_for_nothing(offline_command, asked, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output").mkdir()
    if Path(name).is_dir():
        assert source_folder(name) == Path(name)
    else:
        with pytest.raises(UserError, match="there is no such folder"):
            source_folder(name)
    assert not asked


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch, asked):
    monkeypatch.chdir(tmp_path)
    assert is_hub_name("XLS/OmniNA-66m")
    Path("XLS/OmniNA-66m").mkdir(parents=True)
    assert source_folder("XLS/OmniNA-66m") == Path("XLS/OmniNA-66m") and not asked
    with pytest.raises(UserError, match="--revision is of a model on the hub"):
        source_folder("XLS/OmniNA-66m", "main")


def test_the_user_s_own_switch_holds(monkeypatch, asked):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(offline, "OURS", set())
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    offline.stay_offline()
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set"):
        source_folder("XLS/OmniNA-66m")
    assert not asked


def test_without_network_the_way_round_is_named(offline_command, monkeypatch, tmp_path):
    def refused(*_: object, **__: object) -> None:
        raise OSError("the network is unreachable")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="hf download XLS/OmniNA-66m --local-dir FOLDER"):
        source_folder("XLS/OmniNA-66m")
    assert constants.HF_HUB_OFFLINE is True
