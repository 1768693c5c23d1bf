"""A synthetic fleet whose true times follow a known formula, to judge the model by.

    seconds = slowness_d · peculiarity_w · exp(noise) · max-free sum of
              (dense + 3·depthwise multiply-adds) / 20 GMAC/s + bytes · balance_d / 5 GB/s + operators · 8 µs

slowness spreads over a factor of 20, balance (memory against compute) over a factor of 2, peculiarity and noise are
log-normal. Probe columns see the slowness with 5 % error.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from foretide.model.table import Array, Table
from foretide.observation import DeviceFeatures, Observation
from foretide.signature import OperatorCost, Signature

FAMILIES = ("mobilenet", "resnet", "vit", "squeezenet", "efficientnet")


def fleet(
    *, devices: int, workloads: int, seed: int, noise: float = 0.05, peculiarity: float = 0.1
) -> tuple[Table, Array]:
    """Every workload on every device: device-major rows, and their seconds."""
    random = np.random.default_rng(seed)
    slowness = np.exp(random.uniform(0, np.log(20), devices))
    balance = np.exp(random.uniform(-0.35, 0.35, devices))
    macs = np.exp(random.uniform(np.log(5e7), np.log(1e10), workloads))
    depthwise = macs * np.where(random.random(workloads) < 0.4, random.uniform(0.05, 0.2, workloads), 0.0)
    parameters = np.exp(random.uniform(np.log(4e6), np.log(3e8), workloads))
    activations = macs**0.6 * np.exp(random.normal(5.0, 0.5, workloads))
    operators = random.integers(30, 250, workloads).astype(float)
    peculiar = np.exp(random.normal(0, peculiarity, workloads))
    d, w = (grid.ravel() for grid in np.meshgrid(np.arange(devices), np.arange(workloads), indexing="ij"))
    work = (macs - depthwise + 3 * depthwise)[w] / 20e9
    traffic = (parameters + 2 * activations)[w] * balance[d] / 5e9
    seconds = (work + traffic + operators[w] * 8e-6) * slowness[d] * peculiar[w]
    seconds = seconds * np.exp(random.normal(0, noise, len(d)))
    probe = slowness * np.exp(random.normal(0, 0.05, devices))
    table = Table.of(
        {
            "device": _named("class", d),
            "workload": _named("workload", w),
            "family": [FAMILIES[index % len(FAMILIES)] for index in w],
            "macs": macs[w],
            "parameter_bytes": parameters[w],
            "activation_bytes": activations[w],
            "op_count": operators[w],
            "x_depthwise_macs": depthwise[w],
            "device_gemm_flops_per_second": (4e10 / probe)[d],
            "device_probe_small_seconds": (0.01 * probe)[d],
        }
    )
    return table, seconds


def columns(table: Table) -> dict[str, npt.NDArray[np.object_] | Array]:
    """The table as a plain dict of arrays."""
    return {"device": table.device, "workload": table.workload, "family": table.family, **table.numbers}


def observed(
    *, devices: int, namespaces: int, per_namespace: int, seed: int, share: float, begin_milliseconds: int = 0
) -> tuple[list[Observation], dict[str, DeviceFeatures]]:
    """A random share of the fleet's pairs as the operator observes them, with up to two runs each, and the probes.

    Workload n belongs to namespace team-(n mod ``namespaces``); rows follow each other by a second.
    """
    table, seconds = fleet(devices=devices, workloads=namespaces * per_namespace, seed=seed, peculiarity=0.2)
    random = np.random.default_rng(seed + 1)
    numbers = table.numbers
    probes: dict[str, DeviceFeatures] = {}
    rows: list[Observation] = []
    for index, (device, workload) in enumerate(zip(table.device, table.workload, strict=True)):
        probes[device] = DeviceFeatures(
            node_class=device,
            gemm_flops_per_second=round(numbers["device_gemm_flops_per_second"][index]),
            memory_bandwidth_bytes_per_second=round(numbers["device_gemm_flops_per_second"][index] / 8),
            model_microseconds={"small": round(1e6 * numbers["device_probe_small_seconds"][index])},
        )
        if random.random() >= share:
            continue
        for run in range(int(random.integers(1, 4))):
            noise = float(np.exp(random.normal(0, 0.05))) if run else 1.0
            rows.append(
                Observation(
                    workload=f"team-{int(workload[-3:]) % namespaces}/{workload}/k",
                    node_class=device,
                    signature=_signature(table, index),
                    precision="fp32",
                    cpu_millis=1000,
                    inference_microseconds=max(1, round(1e6 * seconds[index] * noise)),
                    runtime="onnx",
                    origin="Run" if run else "Profile",
                    observed_milliseconds=begin_milliseconds + 1000 * len(rows),
                )
            )
    return rows, probes


def _signature(table: Table, index: int) -> Signature:
    size = {name: round(column[index]) for name, column in table.numbers.items() if not name.startswith("device_")}
    return Signature(
        family=table.family[index],
        macs=size["macs"],
        parameter_bytes=size["parameter_bytes"],
        activation_bytes=size["activation_bytes"],
        peak_activation_bytes=size["activation_bytes"] // 5,
        operator_count=size["op_count"],
        input_pixels=50_176,
        by_kind={"depthwiseConvolution": OperatorCost(macs=size["x_depthwise_macs"])},
    )


def _named(prefix: str, indices: npt.NDArray[np.int64]) -> list[str]:
    return [f"{prefix}-{index:03d}" for index in indices]
