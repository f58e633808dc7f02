"""Which CPU this is: int8 kernels, and so calibration, depend on it."""

import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_RELEVANT = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
_VNNI = ("avx512_vnni", "avx_vnni", "amx_int8")


def cpu_model() -> str:
    """The CPU's name as the system gives it."""
    return _cpuinfo_field("model name") or platform.processor() or platform.machine()


def cpu_features() -> list[str]:
    """The features that decide which inference kernels run, of those this CPU has."""
    flags = set(_cpuinfo_field("flags").split())
    return [name for name in _RELEVANT if name in flags]


def saturates_int8() -> bool:
    """Whether 8-bit products overflow their 16-bit sums: x86 without VNNI instructions.

    Weights are then kept to 7 bits (reduce_range).
    """
    on_x86 = platform.machine().lower() in ("x86_64", "amd64", "i686")
    return on_x86 and not any(name in _VNNI for name in cpu_features())


def _cpuinfo_field(name: str) -> str:
    if not _CPUINFO.is_file():
        return ""
    for line in _CPUINFO.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
