"""Python, the packages, the code: what ``bash scripts/setup.sh`` provides."""

import platform
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import Requirement
from packaging.version import Version

from omnina.checkout import NO_CHECKOUT, git_commit
from omnina.doctor.check import FAILED, OK, WARNING, Check
from omnina.doctor.groups import ROOT

SETUP = "run 'bash scripts/setup.sh', which makes .venv, and use .venv/bin/python"


def checks() -> list[Check]:
    """Python, each pinned package, the commit."""
    return [check_python(), *map(check_package, pins(), ranges()), check_code()]


def check_python() -> Check:
    """The interpreter, against pyproject's ``requires-python``."""
    [wanted] = Requirement(f"python{_project()['requires-python']}").specifier
    found = f"{platform.python_version()}, {sys.prefix}"
    if wanted.contains(platform.python_version()):
        return Check("python", OK, found)
    return Check("python", FAILED, f"{found}; wanted {wanted}", SETUP)


def pins() -> list[Requirement]:
    """Of requirements.txt, in its order."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def ranges() -> list[Requirement]:
    """The versions that work, from pyproject.toml, in the order of the pins; KeyError if one has none."""
    known = {wanted.name: wanted for wanted in map(Requirement, _project()["dependencies"])}
    return [known[pin.name] for pin in pins()]


def check_package(pin: Requirement, works: Requirement) -> Check:
    """What is installed, beside the pinned version and the range that works."""
    try:
        found = version(pin.name)
    except PackageNotFoundError:
        return Check(pin.name, FAILED, f"not installed; wanted {pin.specifier}", SETUP)
    if not works.specifier.contains(Version(found).public):
        return Check(pin.name, FAILED, f"{found}; works with {works.specifier}", SETUP)
    if not pin.specifier.contains(found):  # a local version, 2.13.0+cpu, satisfies the pin 2.13.0
        return Check(pin.name, WARNING, f"{found}; tested with {pin.specifier}", SETUP)
    return Check(pin.name, OK, found)


def check_code() -> Check:
    """The commit that runs, which every record of a run names."""
    commit = git_commit()
    if commit == NO_CHECKOUT:
        remedy = "use a git clone, so that run.json says which code made a model"
        return Check("code", WARNING, f"{ROOT}: {commit}", remedy)
    return Check("code", OK, f"{ROOT}, commit {commit}")


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
