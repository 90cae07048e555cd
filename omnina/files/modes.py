"""Files that libraries write aside and rename are readable by their user alone; results are to be shared."""

from pathlib import Path


def follow_umask(folder: Path) -> None:
    """Give every file in the folder the permissions that a new file gets there (umask, default ACL)."""
    probe = folder / ".umask"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o777 != mode:
            path.chmod(mode)
