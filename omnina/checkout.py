"""Which code ran."""

import shutil
import subprocess
from pathlib import Path

NO_CHECKOUT = "not a git checkout"


def git_commit() -> str:
    """The commit of the checkout that this code lies in, or that there is none."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists() or shutil.which("git") is None:
        return NO_CHECKOUT  # installed, perhaps below the checkout of another project
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return done.stdout.strip() or NO_CHECKOUT
