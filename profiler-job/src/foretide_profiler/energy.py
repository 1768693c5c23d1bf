"""Energy spent between two moments, where the hardware counts it and lets us read it; else None, never 0."""

from __future__ import annotations

from pathlib import Path

from foretide_profiler.nvidia import Gpu

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter:
    """Adds up the processor packages that RAPL counts, and the GPU where one is used.

    Counters are found as Linux shows them: https://docs.kernel.org/power/powercap/powercap.html. Since 2020 they are
    root's to read, so a container that is not root sees them only where the node's administrator lets it.
    """

    def __init__(self, gpu: Gpu | None, powercap: Path = POWERCAP) -> None:
        self._gpu = gpu
        self._packages = [zone for zone in sorted(powercap.glob("intel-rapl:[0-9]*")) if _is_package(zone)]
        self._start = self._read()

    def spent_microjoules(self) -> int | None:
        """Energy since the start; None where a counter is missing, unreadable, or was seen to turn over."""
        spent = 0
        for before, now in zip(self._start, self._read(), strict=True):
            if before is None or now is None or now < before:
                return None
            spent += now - before
        return spent if self._start else None

    def _read(self) -> list[int | None]:
        counts = [_microjoules(package) for package in self._packages]
        return counts if self._gpu is None else [*counts, self._gpu.energy_microjoules()]


def _is_package(zone: Path) -> bool:
    """Whether it is a whole processor: its cores and memory are zones within, and `psys` counts all packages again."""
    try:
        return (zone / "name").read_text().startswith("package")
    except OSError:
        return False


def _microjoules(package: Path) -> int | None:
    try:
        return int((package / "energy_uj").read_text())
    except (OSError, ValueError):
        return None
