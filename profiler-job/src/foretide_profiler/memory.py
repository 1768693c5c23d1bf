"""What this process holds in memory, by the kernel's own account."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    """Bytes resident now."""
    return _status_bytes("VmRSS")


def peak_resident_bytes() -> int:
    """The most bytes ever resident in this process; unlike ru_maxrss it does not inherit the parent's peak."""
    return _status_bytes("VmHWM")


def _status_bytes(key: str) -> int:
    for line in _STATUS.read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == key:
            return int(rest.split()[0]) * 1024
    message = f"{_STATUS} has no {key}; Linux with procfs is needed"
    raise OSError(message)
