"""What is told of the machine: its processor, its energy counters, this process's memory; absent is None, never 0."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
from pathlib import Path

import pytest

from foretide.results import Environment
from foretide_profiler.cgroups import Limits
from foretide_profiler.energy import EnergyMeter
from foretide_profiler.environment import describe
from foretide_profiler.memory import HeldMemory
from foretide_profiler.nvidia import GpuState

MIB = 2**20
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
    memory = HeldMemory()
    before = memory.note()
    block = bytearray(64 * MIB)
    full = memory.note()
    del block
    assert full - before > 60 * MIB
    assert memory.note() < full - 60 * MIB
    assert memory.peak_bytes() >= full


def test_a_peak_between_two_notes_is_not_missed() -> None:
    """In a process of its own, whose peak no other test has raised."""
    program = (
        "from foretide_profiler.memory import HeldMemory; m = HeldMemory(); before = m.note(); "
        "block = bytearray(64 * 2**20); del block; print(m.peak_bytes() - before)"
    )
    grown = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
    assert 60 * MIB < grown < 70 * MIB


def test_libraries_pages_do_not_count_and_those_of_a_mapped_data_file_do(tmp_path: Path) -> None:
    resident = int(re.findall(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]) * 1024
    before = HeldMemory().note()
    assert before < resident - 4 * MIB  # at least the interpreter and numpy
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(32 * MIB))
    with weights.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[::4096]) == 0
        assert HeldMemory().note() - before > 30 * MIB


def test_where_the_kernel_does_not_tell_of_mappings_all_that_is_resident_counts(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\nVmHWM:\t  300 kB\nVmRSS:\t  200 kB\nRssFile:\t  50 kB\n")
    memory = HeldMemory(tmp_path)
    assert memory.note() == 200 * 1024
    assert memory.peak_bytes() == 300 * 1024


def test_what_a_program_changed_in_a_library_counts(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("VmHWM:\t  300 kB\nVmRSS:\t  300 kB\nRssFile:\t  120 kB\n")
    (tmp_path / "smaps").write_text(
        "1000-2000 r-xp 00000000 fe:00 77 /lib/one.so\nRss:    80 kB\nAnonymous:     0 kB\n"
        "2000-3000 rw-p 00001000 fe:00 77 /lib/one.so\nRss:    40 kB\nAnonymous:    30 kB\n"
        "4000-5000 r--p 00000000 fe:00 78 /data\nRss:    30 kB\nAnonymous:     0 kB\n"
        "6000-7000 rwxp 00000000 00:00 0 \nRss:   150 kB\nAnonymous:   150 kB\n"
    )
    assert HeldMemory(tmp_path).note() == (300 - 80 - 10) * 1024


def test_a_system_without_the_kernels_account_is_told(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tx\n")
    with pytest.raises(OSError, match="has no VmRSS and VmHWM"):
        HeldMemory(tmp_path).note()
