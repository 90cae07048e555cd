"""The commit that records name, with what the checkout's files say about it."""

import subprocess
from pathlib import Path

import pytest

from omnina.checkout import NO_CHECKOUT, git_commit


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path) -> Path:
    git(tmp_path, "init")
    (tmp_path / "code.py").write_text("1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-m", "one")
    return tmp_path


def test_a_clean_checkout_is_its_commit(checkout):
    (checkout / "notes.txt").write_text("no part of the code")
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("staged", [False, True])
def test_a_changed_file_is_told(checkout, staged):
    (checkout / "code.py").write_text("2\n")
    if staged:
        git(checkout, "add", "code.py")
    assert git_commit(checkout) == git(checkout, "rev-parse", "HEAD") + " with changes"


def test_a_file_of_the_same_bytes_is_not_changed(checkout):
    (checkout / "code.py").unlink()
    (checkout / "code.py").write_text("1\n")
    assert "changes" not in git_commit(checkout)


def test_a_folder_or_a_repository_without_commits_is_none(tmp_path):
    assert git_commit(tmp_path) == NO_CHECKOUT
    git(tmp_path, "init")
    assert git_commit(tmp_path) == NO_CHECKOUT
