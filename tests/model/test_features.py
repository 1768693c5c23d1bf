import numpy as np
import pytest

from foretide.model.features import DeviceView, amounts, cpus, devices_of
from foretide.model.table import Table


def told(columns: dict[str, list[float]]) -> tuple[float, float]:
    """What a view of three devices, one of each speed, guesses of one more."""
    known = Table.of(
        {
            "device": ["a", "b", "c"],
            "device_gemm_flops_per_second": [1e9, 1e10, 1e11],
            "device_probe_seconds": [1.0, 0.1, 0.01],
            "device_cores": [1.0, 2.0, 4.0],
        }
    )
    guess, founded = DeviceView.learn(known).guess(Table.of({"device": ["d"], **columns}))
    return float(guess[0]), float(founded[0])


def test_a_slow_probe_and_a_low_speed_both_say_slow() -> None:
    assert told({"device_probe_seconds": [1.0]})[0] == pytest.approx(np.log(10.0))
    assert told({"device_gemm_flops_per_second": [1e9]})[0] == pytest.approx(np.log(10.0))


def test_a_probe_counts_twice_as_much_as_a_speed() -> None:
    both = {"device_probe_seconds": [1.0], "device_gemm_flops_per_second": [1e10]}
    assert told(both)[0] == pytest.approx(2.0 / 3.0 * np.log(10.0))


def test_a_data_sheet_says_nothing_of_speed_and_a_speed_of_0_neither() -> None:
    assert told({"device_cores": [64.0]}) == (0.0, 0.0)
    assert told({"device_gemm_flops_per_second": [0.0]}) == (0.0, 0.0)


def test_a_probe_that_is_wrong_by_any_factor_is_believed_only_so_far() -> None:
    assert told({"device_probe_seconds": [1e12]})[0] < 15.0


def test_of_a_device_the_first_value_that_is_known_counts() -> None:
    table = Table.of({"device": ["b", "a", "a"], "device_cores": [8.0, float("nan"), 4.0]})
    devices = devices_of(table)
    assert devices.device.tolist() == ["a", "b"]
    assert devices.numbers["device_cores"].tolist() == [4.0, 8.0]


def test_amounts_of_a_row_add_up_to_its_wholes() -> None:
    table = Table.of(
        {
            "device": ["a"],
            "macs": [1e9],
            "activation_bytes": [1e6],
            "x_depthwise_macs": [3e8],
            "x_attention_macs": [9e8],
            "x_elementwise_bytes": [2e5],
        }
    )
    found = amounts(table)
    assert found["macs"] + found["x_depthwise_macs"] + found["x_attention_macs"] == 1e9
    assert found["activation_bytes"] + found["x_elementwise_bytes"] == 1e6
    assert min(float(each[0]) for each in found.values()) >= 0.0


def test_a_cpu_limit_that_is_unknown_or_0_is_one_cpu() -> None:
    assert cpus(Table.of({"device": ["a"] * 3, "x_cpu_millis": [500, 0, float("nan")]})).tolist() == [0.5, 1.0, 1.0]
