"""Measuring in a process of its own, so that nothing that ran before counts; imports nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory


def in_child(module: str, function: str, *arguments: object) -> object:
    """What a function returns in a process of its own; arguments and answer pass through JSON."""
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        program = (
            "import json, sys; from importlib import import_module; from pathlib import Path;"
            "module, function, arguments, answer = json.loads(sys.argv[1]);"
            "found = getattr(import_module(module), function)(*arguments);"
            "Path(answer).write_text(json.dumps(found))"
        )
        passed = json.dumps([module, function, arguments, str(answer)])
        subprocess.run([sys.executable, "-c", program, passed], check=True)
        return json.loads(answer.read_text())


def peak_resident_bytes() -> int:
    """Linux's own high-water mark; getrusage would begin with the parent's, which a child inherits."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
