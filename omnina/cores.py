"""How many cores this process may use."""

import os
import sys


def usable_cores() -> int:
    """Those that the system schedules this process on; where it cannot be asked (macOS), all."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
