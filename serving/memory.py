"""What the C library's allocator keeps of freed memory; only glibc has these knobs."""

import ctypes
import sys

_M_MMAP_THRESHOLD = -3
_LARGE_BYTES = 4 * 2**20


def keep_no_large_blocks() -> None:
    """Give blocks of 4 MiB and more back to the system as soon as they are freed.

    Left to itself, glibc raises that size to the largest block that was freed, up to 32 MiB:
    pixels of large images would then stay, in pieces, in an arena of each thread.
    """
    _call("mallopt", _M_MMAP_THRESHOLD, _LARGE_BYTES)


def give_memory_back() -> None:
    """Return freed memory to the system: glibc would keep a dropped model's pages."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    if sys.platform == "linux":
        function = getattr(ctypes.CDLL(None), name, None)  # musl lacks them
        if function is not None:
            function(*arguments)
