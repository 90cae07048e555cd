"""A hard limit on a process's own memory, so that it ends with a message and not by the system's hand."""

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def limit_memory_growth(allowed_bytes: int) -> None:
    """From now on this process gets at most so many bytes more; beyond, allocations fail.

    Linux counts every private writable page that is reserved, touched or not. Elsewhere nothing is limited.
    """
    if sys.platform != "linux":
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = _status_bytes("VmData") + max(allowed_bytes, 0)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def peak_memory() -> int:
    """The most memory that this process has held so far, in bytes."""
    if sys.platform == "linux":
        return _status_bytes("VmHWM")  # getrusage would count the parent's, from before exec
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _status_bytes(key: str) -> int:
    return 1024 * int(re.search(rf"^{key}:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)[1])
