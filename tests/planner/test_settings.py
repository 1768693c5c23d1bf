"""Settings of the planner: each bad one is named."""

from __future__ import annotations

from typing import get_args

import pytest

from foretide.placement.order import Order
from foretide_operator.planner.settings import SettingError, Settings


def test_what_is_not_set_has_its_default() -> None:
    assert Settings.read({"FORETIDE_NAMESPACE": "x"}) == Settings("x", 8081, "INFO", "", "Balanced")


def test_the_pod_that_it_runs_in_is_known() -> None:
    assert Settings.read({"FORETIDE_NAMESPACE": "x", "FORETIDE_POD_UID": "5f0c"}).pod_uid == "5f0c"


@pytest.mark.parametrize("order", get_args(Order))
def test_every_order_can_be_chosen(order: Order) -> None:
    assert Settings.read({"FORETIDE_NAMESPACE": "x", "FORETIDE_PLANNER_ORDER": order}).order == order


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "FORETIDE_NAMESPACE"),
        ({"FORETIDE_NAMESPACE": "x", "FORETIDE_PLANNER_PORT": "http"}, "'http'"),
        ({"FORETIDE_NAMESPACE": "x", "FORETIDE_LOG_LEVEL": "loud"}, "'LOUD'"),
        ({"FORETIDE_NAMESPACE": "x", "FORETIDE_PLANNER_ORDER": "Random"}, "'Random'; write one of Balanced, Arrival"),
    ],
)
def test_a_bad_setting_is_named(environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Settings.read(environment)
