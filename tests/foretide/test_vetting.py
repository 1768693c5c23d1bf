"""Whose observed times are believed: held against those of other namespaces and the probes."""

from __future__ import annotations

import math
import random

import msgspec
import pytest

from foretide.observation import DeviceFeatures, Observation, namespace_of
from foretide.vetting import vet
from tests.foretide.lies import LIES, Lie
from tests.foretide.workloads import observation
from tests.model.fleet import observed

HONEST, DEVICES = observed(devices=8, namespaces=5, per_namespace=10, seed=0, share=0.5)
LIAR = "team-0"
OTHERS = [row for row in HONEST if namespace_of(row.workload) != LIAR]
OWN = [row for row in HONEST if namespace_of(row.workload) == LIAR]


def excluded(rows: list[Observation], devices: dict[str, DeviceFeatures] = DEVICES) -> dict[str, bool]:
    """Whose rows are not believed, and whether none of them are."""
    return {each.namespace: each.whole for each in vet(rows, devices).exclusions}


def slower(rows: list[Observation], factor: float) -> list[Observation]:
    return [
        msgspec.structs.replace(row, inference_microseconds=max(1, round(row.inference_microseconds * factor)))
        for row in rows
    ]


def test_who_is_honest_is_believed() -> None:
    vetted = vet(HONEST, DEVICES)
    assert vetted.kept == HONEST
    assert (vetted.apart, vetted.exclusions) == ([], ())


@pytest.mark.parametrize("name", ["slow", "fast", "random", "signatures"])
def test_a_namespace_that_reports_nonsense_is_left_out_whole_and_nobody_else(name: str) -> None:
    vetted = vet(OTHERS + LIES[name](OWN), DEVICES)
    assert vetted.kept == OTHERS
    (told,) = vetted.exclusions
    assert (told.namespace, told.observations, told.whole) == (LIAR, len(OWN), True)


def test_nonsense_on_one_class_costs_the_rows_of_that_class() -> None:
    name = OWN[0].node_class
    lie: Lie = LIES["one class"]
    vetted = vet(OTHERS + lie(OWN), DEVICES)
    assert {row.node_class for row in vetted.apart} == {name}
    assert {namespace_of(row.workload) for row in vetted.apart} == {LIAR}
    assert excluded(OTHERS + lie(OWN)) == {LIAR: False}


def test_a_factor_that_a_peculiar_model_could_have_is_believed() -> None:
    assert excluded(OTHERS + slower(OWN, 1.5)) == {}
    assert excluded(OTHERS + slower(OWN, 3.0)) == {}


def test_one_peculiar_workload_does_not_cost_the_others_of_its_namespace() -> None:
    name = OWN[0].workload
    rows = [*slower([row for row in OWN if row.workload == name], 30.0), *(r for r in OWN if r.workload != name)]
    vetted = vet(OTHERS + rows, DEVICES)
    assert {row.workload for row in vetted.apart} == {name}
    assert excluded(OTHERS + rows) == {LIAR: False}


@pytest.mark.parametrize("factor", [0.001, 1000.0])
def test_a_namespace_alone_is_learned_from_whatever_it_says(factor: float) -> None:
    assert excluded(slower(OWN, factor)) == {}


def test_of_two_that_contradict_each_other_the_one_is_believed_that_the_probes_bear_out() -> None:
    two = [row for row in OTHERS if namespace_of(row.workload) == "team-1"]
    assert excluded(two + slower(OWN, 1000.0)) == {LIAR: True}
    assert excluded(two + slower(OWN, 0.001)) == {LIAR: True}


def test_of_two_that_contradict_each_other_where_nothing_was_probed_both_are_believed() -> None:
    two = [row for row in OTHERS if namespace_of(row.workload) == "team-1"]
    assert excluded(two + slower(OWN, 1000.0), {}) == {}


def test_who_alone_knows_a_class_is_held_against_its_probe() -> None:
    name = OWN[0].node_class
    alone_there = [row for row in OTHERS if row.node_class != name] + OWN
    assert excluded(alone_there) == {}
    lied = [row for row in OTHERS if row.node_class != name] + LIES["one class"](OWN)
    assert excluded(lied) == {LIAR: False}


def test_namespaces_that_lie_together_do_not_outvote_the_rest_as_long_as_they_are_fewer() -> None:
    liars = {LIAR, "team-1"}
    rows = [row for row in HONEST if namespace_of(row.workload) not in liars]
    lied = slower([row for row in HONEST if namespace_of(row.workload) in liars], 100.0)
    assert excluded(rows + lied) == dict.fromkeys(sorted(liars), True)


def test_how_many_rows_somebody_reports_counts_for_nothing() -> None:
    flood = [
        msgspec.structs.replace(row, observed_milliseconds=number, origin="Run")
        for number in range(30)
        for row in slower(OWN, 100.0)
    ]
    assert excluded(OTHERS + flood) == {LIAR: True}


def test_the_order_of_rows_changes_nothing() -> None:
    rows = OTHERS + LIES["random"](OWN)
    shuffled = rows.copy()
    random.Random(2).shuffle(shuffled)
    assert vet(shuffled, DEVICES).exclusions == vet(rows, DEVICES).exclusions


def test_a_cpu_limit_is_no_lie() -> None:
    rows = [
        msgspec.structs.replace(row, cpu_millis=100, inference_microseconds=10 * row.inference_microseconds)
        for row in OWN
    ]
    assert excluded(OTHERS + rows) == {}


def test_times_and_signatures_at_their_bounds_are_vetted() -> None:
    whole = 10**18
    signature = msgspec.structs.replace(
        observation().signature, macs=whole, parameter_bytes=whole, activation_bytes=whole, operator_count=whole
    )
    extremes = [
        observation(workload=f"wild/{number}/k", signature=signature, cpu_millis=10**19, inference_microseconds=time)
        for number, time in enumerate((1, 10**15))
    ]
    calm = [observation(workload=f"team-{number}/net/k") for number in range(3)]
    vetted = vet(extremes + calm, {})
    assert vetted.kept == calm
    assert math.isclose(len(vetted.apart), 2)
