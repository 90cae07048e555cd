"""Does this Python have every pinned package, and does it import omnina from this checkout?

    python scripts/check_environment.py requirements.txt /path/to/checkout

Prints what is missing and exits with 1 if anything is. Standard library only: it runs before set-up.
"""

import importlib.util
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def read_pins(path: Path) -> dict[str, str]:
    """Package -> pinned version, following ``-r other.txt``; raises ValueError for any other line."""
    pins = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("-r "):
            pins |= read_pins(path.parent / line[3:].strip())
        elif line:
            name, separator, wanted = line.partition("==")
            if not separator:
                raise ValueError(f"{path}: '{line}' is not a pin of the form name==version")
            pins[name] = wanted
    return pins


def mismatches(pins: dict[str, str]) -> list[str]:
    """One line for each package that is absent or of another version."""
    found = []
    for name, wanted in pins.items():
        try:
            installed = version(name).split("+")[0]  # 2.13.0+cpu is the 2.13.0 of this machine
        except PackageNotFoundError:
            installed = "absent"
        if installed != wanted:
            found.append(f"{name}: {installed}, wanted {wanted}")
    return found


def imports_from(root: Path) -> bool:
    """Whether ``import omnina`` takes the package of this checkout, from any folder."""
    sys.path[:] = [entry for entry in sys.path if entry not in ("", str(root / "scripts"))]
    spec = importlib.util.find_spec("omnina")
    origin = Path(spec.origin).resolve() if spec and spec.origin else None
    return origin == root.resolve() / "omnina" / "__init__.py"


def main() -> None:
    """Print each mismatch; exit status 1 if there is any."""
    found = mismatches(read_pins(Path(sys.argv[1])))
    if not imports_from(Path(sys.argv[2])):
        found.append("omnina: not installed from this checkout (pip install -e .)")
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
