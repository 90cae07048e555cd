"""Which code ran."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
NO_CHECKOUT = "not a git checkout"
CHANGED = "with changes"


def git_commit(root: Path = ROOT) -> str:
    """The commit of the checkout that this code lies in, or that there is none.

    Where a file that git follows differs from it, the words "with changes" stand behind it.
    """
    if not (root / ".git").exists() or shutil.which("git") is None:
        return NO_CHECKOUT  # installed, perhaps below the checkout of another project
    commit = _git(root, "rev-parse", "--verify", "HEAD")
    return " ".join([commit, *_changes(root)]) if commit else NO_CHECKOUT


def _changes(root: Path) -> list[str]:
    # Locks are for writing the index, which another git may hold, and nothing here needs.
    differing = _git(root, "--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
    return [CHANGED] if differing else []


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip()
