"""Made-up workloads and observations for the tests of what predictions are made of."""

from typing import Any

from foretide.observation import DeviceFeatures, Observation, Question
from foretide.signature import OperatorCost, Signature

SIGNATURE = Signature(
    family="mobilenet",
    macs=300_000_000,
    parameter_bytes=14_000_000,
    activation_bytes=27_000_000,
    peak_activation_bytes=5_000_000,
    operator_count=100,
    input_pixels=50_176,
    by_kind={
        "denseConvolution": OperatorCost(macs=270_000_000, bytes_written=20_000_000, count=40),
        "depthwiseConvolution": OperatorCost(macs=30_000_000, bytes_written=5_000_000, count=15),
        "elementwise": OperatorCost(bytes_written=2_000_000, count=45),
    },
)

FAST = DeviceFeatures(
    node_class="fast",
    gemm_flops_per_second=40_000_000_000,
    memory_bandwidth_bytes_per_second=10_000_000_000,
    model_microseconds={"convnet": 1_000, "transformer": 2_000},
)
SLOW = DeviceFeatures(
    node_class="slow",
    gemm_flops_per_second=10_000_000_000,
    memory_bandwidth_bytes_per_second=8_000_000_000,
    model_microseconds={"convnet": 4_000, "transformer": 8_000},
)
DEVICES = {"fast": FAST, "slow": SLOW}


def observation(**changes: Any) -> Observation:
    values: dict[str, Any] = {
        "workload": "team/net/1",
        "node_class": "fast",
        "signature": SIGNATURE,
        "precision": "fp32",
        "cpu_millis": 1000,
        "inference_microseconds": 20_000,
        "runtime": "onnx",
        "origin": "Profile",
        "observed_milliseconds": 1_700_000_000_000,
    }
    return Observation(**{**values, **changes})


def question(**changes: Any) -> Question:
    values: dict[str, Any] = {
        "workload": "team/net/1",
        "node_class": "fast",
        "signature": SIGNATURE,
        "precision": "fp32",
        "cpu_millis": 1000,
        "runtime": "onnx",
    }
    return Question(**{**values, **changes})
