"""Files that a manifest or an index names lie in its own folder: a stranger's list reads no others."""

from pathlib import Path, PurePosixPath

from omnina.errors import UserError

# Bytes that file systems take at most in a name, and in a path.
LONGEST_NAME, LONGEST_PATH = 255, 4096


def check_name(folder: Path, name: object) -> Path:
    """The path of a file that a list in this folder names; UserError for a name that leads out of it."""
    if not _is_inside(folder, name):
        raise UserError(f"{folder} names the file {name!r}, which is not inside it; do not use this folder.")
    return folder / name


def _is_inside(folder: Path, name: object) -> bool:
    if not isinstance(name, str) or not name or "\0" in name:
        return False
    if not _is_possible(folder / name):
        return False
    pure = PurePosixPath(name)
    leads_out = pure.is_absolute() or ".." in pure.parts
    return not leads_out and (folder / name).resolve().is_relative_to(folder.resolve())


def _is_possible(path: Path) -> bool:
    """Whether a file system could hold it: asking for a longer name is an error of its own."""
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in path.parts]
    return max(sizes) <= LONGEST_NAME and sum(sizes) + len(sizes) <= LONGEST_PATH
