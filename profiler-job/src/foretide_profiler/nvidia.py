"""What NVIDIA's management library (NVML) tells of the GPU in use, where there is one.

Meanings and constants: NVML API Reference, "Device Queries" and "Clocks Event Reasons".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import ModuleType
from typing import Final

SLOWED_BY_HEAT_OR_FAULT: Final = frozenset({"HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrake"})
"""Reasons that come and go with a room's temperature or a power supply: what is measured then is not as usual."""

_REASONS: Final = {
    0x002: "ApplicationClocks",
    0x004: "SwPowerCap",
    0x008: "HwSlowdown",
    0x010: "SyncBoost",
    0x020: "SwThermalSlowdown",
    0x040: "HwThermalSlowdown",
    0x080: "HwPowerBrake",
    0x100: "DisplayClocks",
}


@dataclass(frozen=True, slots=True)
class GpuState:
    """What a GPU does at a moment; None where it does not say.

    ``driver`` is its driver's version, ``clock_megahertz`` the clock of its multiprocessors, ``milliwatts`` what it
    draws (on data-centre GPUs the mean of the last second), ``throttling`` why its clock is below the highest one, but
    for being idle.
    """

    driver: str | None = None
    clock_megahertz: int | None = None
    milliwatts: int | None = None
    throttling: tuple[str, ...] | None = None


class Gpu:
    """The GPU in use, or, unless that ``is_sure``, another of its node: of that only the name and the driver are told.

    Clock, power and energy of a GPU that others use, or of one that is shared in slices, say nothing of the work here.
    """

    def __init__(self, library: ModuleType, handle: object, *, is_sure: bool) -> None:
        self._library = library
        self._handle = handle
        self._is_sure = is_sure

    @property
    def name(self) -> str:
        """The product's name; empty where it is not told."""
        return self._text(lambda nvml: nvml.nvmlDeviceGetName(self._handle)) or ""

    def energy_microjoules(self) -> int | None:
        """Energy spent since the driver was loaded, or None where the GPU does not count it."""
        millijoules = self._told(lambda nvml: nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))
        return None if millijoules is None else 1000 * millijoules

    def state(self) -> GpuState:
        """What it does now."""
        reasons = self._told(lambda nvml: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(self._handle))
        return GpuState(
            driver=self._text(lambda nvml: nvml.nvmlSystemGetDriverVersion()),
            clock_megahertz=self._told(lambda nvml: nvml.nvmlDeviceGetClockInfo(self._handle, nvml.NVML_CLOCK_SM)),
            milliwatts=self._told(lambda nvml: nvml.nvmlDeviceGetPowerUsage(self._handle)),
            throttling=None if reasons is None else tuple(name for bit, name in _REASONS.items() if reasons & bit),
        )

    def _text(self, ask: Callable[[ModuleType], object]) -> str | None:
        """As `_told`, of what is the same for all GPUs of a node; a GPU that is lost says nothing of it either."""
        try:
            return str(ask(self._library))
        except self._library.NVMLError:
            return None

    def _told(self, ask: Callable[[ModuleType], int]) -> int | None:
        if not self._is_sure:
            return None
        try:
            return int(ask(self._library))
        except self._library.NVMLError:
            return None


def gpu_in_use(uuid: str | None = None) -> Gpu | None:
    """Open the GPU of this UUID (`GPU-…`), or the node's first one where none is given or known by that.

    None without the library, the driver or a GPU. Which one a runtime uses that tells no UUID, CUDA decides
    (``CUDA_VISIBLE_DEVICES``), and NVML does not know.
    """
    try:
        import pynvml  # noqa: PLC0415 - of no use on most nodes
    except ModuleNotFoundError:
        return None
    try:
        pynvml.nvmlInit()
        if uuid is not None:
            with suppress(pynvml.NVMLError):  # a slice of a GPU has an identity of another form
                return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid), is_sure=True)
        return Gpu(pynvml, pynvml.nvmlDeviceGetHandleByIndex(0), is_sure=False)
    except pynvml.NVMLError:
        return None
