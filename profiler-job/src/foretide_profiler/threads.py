"""How many threads numerical libraries make, and what these do while they wait: told before they are imported."""

from __future__ import annotations

from foretide_profiler.cgroups import Limits


def variables(limits: Limits) -> dict[str, str]:
    """What numerical libraries read about threads when they are imported.

    OpenBLAS built on plain threads keeps a pool of its own, whose spinning threads fight those of OpenMP for the same
    cores: with two each, mobilenet_v3_small took 150 ms on two cores in place of 6. Its pool is left out. OpenMP's own
    threads sleep while they wait, because a node has other tasks, and spinning would spend the CPU quota.
    """
    return {
        "OMP_NUM_THREADS": str(limits.threads),
        "MKL_NUM_THREADS": str(limits.threads),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
    }
