"""What is told of the machine: its processor, its energy counters, this process's memory; absent is None, never 0."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretide.results import Environment
from foretide_profiler.cgroups import Limits
from foretide_profiler.energy import EnergyMeter
from foretide_profiler.environment import describe
from foretide_profiler.memory import peak_resident_bytes, resident_bytes
from foretide_profiler.nvidia import GpuState

LIMITS = Limits(cpu_millis=150, memory_bytes=2**28, cpus=2)


def _describe(root: Path, cpuinfo: str) -> Environment:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(cpuinfo)
    return describe(LIMITS, "onnxruntime 1", None, GpuState(), root)


def test_an_x86_processor(tmp_path: Path) -> None:
    seen = _describe(
        tmp_path, "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 fma sse4_2\n\nprocessor\t: 1\n"
    )
    assert (seen.cpu_model, seen.instruction_sets) == ("AMD EPYC", ("sse4_2", "avx2", "fma"))
    assert (seen.cpu_millis, seen.threads, seen.memory_limit_bytes) == (150, 1, 2**28)
    assert (seen.governor, seen.driver, seen.accelerator, seen.co_runners) == (None, None, None, None)


def test_an_arm_board(tmp_path: Path) -> None:
    (tmp_path / "sys/devices/system/cpu/cpu0/cpufreq").mkdir(parents=True)
    (tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").write_text("ondemand\n")
    cpuinfo = "processor\t: 0\nFeatures\t: fp asimd asimddp crc32\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n\n"
    seen = _describe(tmp_path, cpuinfo + "Model\t\t: Raspberry Pi 5 Model B Rev 1.0\n")
    assert (seen.cpu_model, seen.governor) == ("Raspberry Pi 5 Model B Rev 1.0", "ondemand")
    assert seen.instruction_sets == ("asimd", "asimddp")


def test_an_arm_processor_without_a_name(tmp_path: Path) -> None:
    assert _describe(tmp_path, "CPU implementer\t: 0x41\nCPU part\t: 0xd0b\n").cpu_model == "0x41:0xd0b"


@pytest.mark.parametrize(
    ("before", "after", "spent"), [("1000", "1500", 500), ("1000", "900", None), ("1000", "unreadable", None)]
)
def test_energy_is_the_counters_difference_unless_it_turned_over(
    tmp_path: Path, before: str, after: str, spent: int | None
) -> None:
    package = _zone(tmp_path, "intel-rapl:0", "package-0", before)
    meter = EnergyMeter(None, tmp_path)
    (package / "energy_uj").write_text(after)
    assert meter.spent_microjoules() == spent


def test_energy_is_that_of_all_packages_and_of_nothing_that_they_contain_or_that_contains_them(tmp_path: Path) -> None:
    zones = [
        _zone(tmp_path, *zone)
        for zone in (
            ("intel-rapl:0", "package-0", "10"),
            ("intel-rapl:0:0", "core", "5"),
            ("intel-rapl:0:1", "dram", "3"),
            ("intel-rapl:1", "package-1", "20"),
            ("intel-rapl:2", "psys", "40"),
            ("intel-rapl-mmio:0", "package-0", "10"),
        )
    ]
    meter = EnergyMeter(None, tmp_path)
    for zone in zones:
        (zone / "energy_uj").write_text("1000")
    assert meter.spent_microjoules() == 990 + 980


def test_energy_of_packages_of_which_one_turned_over_is_none_though_the_sum_grew(tmp_path: Path) -> None:
    packages = [_zone(tmp_path, f"intel-rapl:{n}", f"package-{n}", "1000") for n in (0, 1)]
    meter = EnergyMeter(None, tmp_path)
    for package, count in zip(packages, ("10", "5000"), strict=True):
        (package / "energy_uj").write_text(count)
    assert meter.spent_microjoules() is None


def test_energy_of_packages_of_which_one_cannot_be_read_is_none(tmp_path: Path) -> None:
    _zone(tmp_path, "intel-rapl:0", "package-0", "10")
    _zone(tmp_path, "intel-rapl:1", "package-1", "not to be read")
    assert EnergyMeter(None, tmp_path).spent_microjoules() is None


def _zone(root: Path, directory: str, name: str, microjoules: str) -> Path:
    zone = root / directory
    zone.mkdir()
    (zone / "name").write_text(f"{name}\n")
    (zone / "energy_uj").write_text(f"{microjoules}\n")
    return zone


def test_energy_that_nothing_counts_is_none(tmp_path: Path) -> None:
    assert EnergyMeter(None, tmp_path).spent_microjoules() is None


def test_the_peak_of_memory_stays_when_memory_is_given_back() -> None:
    held = bytearray(64 * 2**20)
    full = resident_bytes()
    del held
    counters_lag_bytes = 2**20
    assert resident_bytes() < full <= peak_resident_bytes() + counters_lag_bytes
