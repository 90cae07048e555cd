"""Nothing is written, or read back, through a symbolic link that leads out of its output folder.

The output folder itself may be a link: people link it to a scratch disk. What lies in it may link to other
files in it. A link in it that leads elsewhere is refused before anything is written, since a stranger's link
named ``checkpoint-500`` or ``model.safetensors`` would turn the run's writing against files of its user.
"""

import os
from pathlib import Path

from omnina.errors import UserError


def refuse_links_out(folder: Path) -> None:
    """UserError naming the first link in the folder, at any depth, that leads out of it."""
    root = folder.resolve()
    for parent, folders, files in os.walk(root):  # does not go through links
        for name in (*folders, *files):
            path = Path(parent, name)
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                raise UserError(
                    f"{path}: this is a link to {path.resolve()}, outside the output folder {folder}. "
                    "Remove the link, or choose another output folder."
                )
