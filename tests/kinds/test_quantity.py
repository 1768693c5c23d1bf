"""Quantities become the integers that the API server makes of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.quantity import QuantityError, millis, whole


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("1", 1000), (1, 1000), ("500m", 500), ("0.5", 500), (".5", 500), ("2.", 2000), ("+1", 1000),
        ("1e3", 1_000_000), ("1E-3", 1), ("250000u", 250), ("1u", 1), ("1n", 1), ("1500001u", 1501),
        ("1k", 1_000_000), ("0", 0), ("-1500u", -2), ("100", 100_000), ("2e0", 2000),
    ],
)  # fmt: skip
def test_cpu_is_counted_in_thousandths_rounded_up(quantity: str | int, expected: int) -> None:
    assert millis(quantity) == expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("512Mi", 512 * 2**20), ("1Gi", 2**30), ("1.5Gi", 3 * 2**29), ("64Ki", 2**16), ("1G", 10**9),
        ("128e6", 128_000_000), ("1E", 10**18), ("1E3", 1000), ("1Ei", 2**60),
        ("100m", 1), ("0.1", 1), ("123456789", 123456789), (2048, 2048),
    ],
)  # fmt: skip
def test_memory_is_counted_in_bytes_rounded_up(quantity: str | int, expected: int) -> None:
    assert whole(quantity) == expected


@pytest.mark.parametrize(
    "text", ["", " ", "1 ", "1Q", "1KI", "1ki", "1K", "Mi", "1.2.3", "--1", "1e", "0x10", "１", "1mi", "1e3k", "1" * 70]
)
def test_what_is_no_quantity_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(QuantityError, match="500m, 2 or 512Mi"):
        millis(text)


@pytest.mark.parametrize("count", [whole, millis])
def test_what_is_too_large_for_the_api_server_counts_as_its_largest(count: Callable[[str], int]) -> None:
    assert (count("1e999"), count("-1e999"), count("99E")) == (2**63 - 1, 1 - 2**63, 2**63 - 1)


@given(st.integers(min_value=0, max_value=10**12))
def test_the_same_amount_is_the_same_however_written(amount: int) -> None:
    assert millis(f"{amount}m") == amount
    assert millis(str(amount)) == amount * 1000 == millis(amount)
    assert whole(f"{amount}Ki") == amount * 1024
