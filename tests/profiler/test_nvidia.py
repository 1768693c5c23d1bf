"""What is told of a GPU, and what is not; the library is played by a stand-in, for there is no GPU here."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from foretide_profiler.nvidia import GpuState, gpu_in_use


class NVMLError(Exception):
    """The library's own."""


class Library(ModuleType):
    """The part of NVML that is asked, for GPUs by UUID; what is not in ``told`` is not supported."""

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1

    def __init__(self, told: dict[str, int], uuids: tuple[str, ...] = ("GPU-1", "GPU-2")) -> None:
        super().__init__("pynvml")
        self._told = told
        self._uuids = uuids

    def nvmlInit(self) -> None:  # noqa: N802
        """Nothing to do."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:  # noqa: N802
        if index >= len(self._uuids):
            raise NVMLError("not found")
        return self._uuids[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        if uuid not in self._uuids:
            raise NVMLError("not found")
        return uuid

    def nvmlDeviceGetName(self, handle: str) -> str:  # noqa: N802
        return f"name of {handle}"

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.1"

    def __getattr__(self, name: str) -> Any:
        def ask(*_arguments: object) -> int:
            if name not in self._told:
                raise NVMLError("not supported")
            return self._told[name]

        if name.startswith("nvml"):
            return ask
        raise AttributeError(name)


def _install(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", library)


@pytest.mark.parametrize(("uuid", "found"), [(None, "GPU-1"), ("GPU-2", "GPU-2"), ("GPU-of-a-slice", "GPU-1")])
def test_the_gpu_in_use_is_that_of_the_runtime(monkeypatch: pytest.MonkeyPatch, uuid: str | None, found: str) -> None:
    _install(monkeypatch, Library({}))
    gpu = gpu_in_use(uuid)
    assert gpu is not None
    assert gpu.name == f"name of {found}"


def test_without_a_gpu_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, Library({}, uuids=()))
    assert gpu_in_use() is None


def test_what_a_gpu_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, Library({}))
    gpu = gpu_in_use("GPU-1")
    assert gpu is not None
    assert gpu.energy_microjoules() is None
    assert gpu.state() == GpuState(driver="580.1")


IDLE, POWER_CAP, THERMAL = 0x1, 0x4, 0x20
TOLD = {
    "nvmlDeviceGetTotalEnergyConsumption": 7,
    "nvmlDeviceGetClockInfo": 1_410,
    "nvmlDeviceGetPowerUsage": 350_000,
    "nvmlDeviceGetCurrentClocksThrottleReasons": IDLE | POWER_CAP | THERMAL,
}


@pytest.mark.parametrize("uuid", [None, "GPU-of-a-slice"])
def test_where_the_gpu_in_use_is_not_known_nothing_is_told_of_what_another_does(
    monkeypatch: pytest.MonkeyPatch, uuid: str | None
) -> None:
    _install(monkeypatch, Library(TOLD))
    gpu = gpu_in_use(uuid)
    assert gpu is not None
    assert gpu.energy_microjoules() is None
    assert gpu.state() == GpuState(driver="580.1")


def test_a_gpu_that_is_lost_costs_no_more_than_what_it_would_have_told(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library({})

    def lost(*_arguments: object) -> str:
        raise NVMLError("GPU is lost")

    monkeypatch.setattr(library, "nvmlDeviceGetName", lost)
    monkeypatch.setattr(library, "nvmlSystemGetDriverVersion", lost)
    _install(monkeypatch, library)
    gpu = gpu_in_use("GPU-1")
    assert gpu is not None
    assert (gpu.name, gpu.state()) == ("", GpuState())


def test_clock_power_energy_and_what_holds_the_clock_down(monkeypatch: pytest.MonkeyPatch) -> None:
    _install(monkeypatch, Library(TOLD))
    gpu = gpu_in_use("GPU-1")
    assert gpu is not None
    assert gpu.energy_microjoules() == 7_000
    assert gpu.state() == GpuState("580.1", 1_410, 350_000, ("SwPowerCap", "SwThermalSlowdown"))
