"""The benchmark's command as a module, so that tests run its ``main`` in their own process."""

import importlib.util
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark.py"


def benchmark_script() -> ModuleType:
    """scripts/benchmark.py."""
    spec = importlib.util.spec_from_file_location("benchmark_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
