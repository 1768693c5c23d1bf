"""The fingerprint of what a measurement ran on; what cannot be read is left out, never guessed."""

from __future__ import annotations

import platform
from pathlib import Path

from foretide.results import Environment
from foretide_profiler.cgroups import Limits
from foretide_profiler.nvidia import GpuState

INSTRUCTION_SETS = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_int8", "amx_bf16",
    "asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2",
)  # fmt: skip
"""Those that inference kernels choose by, of x86 and Arm."""

MOST_INSTRUCTION_SETS = 16


def describe(
    limits: Limits, runtime: str, accelerator: str | None, gpu: GpuState, root: Path = Path("/")
) -> Environment:
    """Describe this machine, as this process may use it; ``gpu`` is as it was at the end of the work."""
    processor = _first_processor(root)
    flags = (processor.get("flags") or processor.get("Features") or "").split()
    present = tuple(name for name in INSTRUCTION_SETS if name in flags)
    return Environment(
        cpu_model=_cpu_model(processor),
        architecture=platform.machine(),
        instruction_sets=present[:MOST_INSTRUCTION_SETS],
        cpu_millis=limits.cpu_millis,
        threads=limits.threads,
        memory_limit_bytes=limits.memory_bytes,
        governor=_read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        runtime=runtime,
        accelerator=accelerator,
        driver=gpu.driver,
        accelerator_megahertz=gpu.clock_megahertz,
        accelerator_milliwatts=gpu.milliwatts,
        accelerator_throttling=gpu.throttling,
    )


def _first_processor(root: Path) -> dict[str, str]:
    """The key-value lines of the first processor, and those that stand for all."""
    lines: dict[str, str] = {}
    for line in (_read(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        lines.setdefault(key.strip(), value.strip())
    return lines


def _cpu_model(processor: dict[str, str]) -> str:
    for key in ("model name", "Model", "Hardware"):
        if name := processor.get(key):
            return name
    implementer, part = processor.get("CPU implementer"), processor.get("CPU part")
    return f"{implementer}:{part}" if implementer and part else ""


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
