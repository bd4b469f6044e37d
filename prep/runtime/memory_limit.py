"""A bound on what a block of work may take of memory: data from anywhere can ask for any amount.

Directories of archives and headers lie, and libraries hold far more than they read; this holds
whatever they do. On Windows there is no such bound.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# What libraries reserve of addresses and never use: stacks and pools of threads.
_SPARE_BYTES = 256 << 20


@contextmanager
def memory_limit(size: int) -> Iterator[None]:
    """Let the process take `size` bytes more than it has until the end of the block.

    Raises:
        MemoryError: By the block, where it wants more.
    """
    if sys.platform == "win32":
        yield
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = _address_space() + size + _SPARE_BYTES
    if soft == resource.RLIM_INFINITY or limit < soft:
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Return how many bytes of addresses the process has; a usual number where it is not known."""
    try:
        with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - pathlib loads slowly here
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 1 << 30
