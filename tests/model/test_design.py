import numpy as np
import pytest

from foretide.model.design import MAX_FAMILIES, MAX_MODIFIERS, Design
from foretide.model.table import Table
from foretide.model.target import SECONDS


def test_half_the_cpus_take_twice_the_time_until_rows_say_otherwise() -> None:
    table = Table.of({"device": ["a", "a"], "macs": [1e9, 1e9], "x_cpu_millis": [2000, 1000]})
    amounts = Design.learn(table, SECONDS).amounts_of(table)
    assert np.allclose(amounts[1], 2 * amounts[0])


def test_an_unknown_size_counts_as_the_middle_of_the_known_ones() -> None:
    table = Table.of({"device": ["a"] * 3, "macs": [1e9, 3e9, 2e9], "activation_bytes": [1e6, 1e6, 1e6]})
    design = Design.learn(table, SECONDS)
    asked = Table.of({"device": ["a", "a"], "macs": [float("nan"), 2e9], "activation_bytes": [1e6, 1e6]})
    unknown, middle = design.amounts_of(asked)
    np.testing.assert_array_equal(unknown, middle)


def test_a_kind_of_operator_never_seen_costs_as_the_whole_it_is_part_of() -> None:
    design = Design.learn(Table.of({"device": ["a"], "macs": [1e9]}), SECONDS)
    whole = design.amounts_of(Table.of({"device": ["a"], "macs": [2e9]}))
    split = design.amounts_of(Table.of({"device": ["a"], "macs": [2e9], "x_new_macs": [5e8]}))
    np.testing.assert_allclose(split, whole)


def test_work_whose_split_is_unknown_costs_as_the_whole_though_all_trained_work_was_split() -> None:
    macs = [1e9, 2e9, 4e9]
    design = Design.learn(Table.of({"device": ["a"] * 3, "macs": macs, "x_conv_macs": macs}), SECONDS)
    asked = Table.of({"device": ["a"] * 2, "macs": [1e12] * 2, "x_new_macs": [float("nan"), 1e12]})
    np.testing.assert_allclose(design.amounts_of(asked).sum(axis=1), 1e12 * SECONDS.cost("macs"), rtol=1e-3)


def test_a_size_that_was_never_known_in_training_changes_nothing() -> None:
    design = Design.learn(Table.of({"device": ["a"], "activation_bytes": [4e6]}), SECONDS)
    alone = design.amounts_of(Table.of({"device": ["a"], "activation_bytes": [4e6]}))
    more = design.amounts_of(Table.of({"device": ["a"], "activation_bytes": [4e6], "macs": [1e10]}))
    np.testing.assert_array_equal(alone, more)


def test_a_whole_that_is_unknown_is_the_sum_of_its_parts() -> None:
    design = Design.learn(Table.of({"device": ["a", "a"], "x_conv_macs": [1e8, 1e11]}), SECONDS)
    small, large = design.amounts_of(Table.of({"device": ["a", "a"], "x_conv_macs": [1e8, 1e11]})).sum(axis=1)
    assert large > 100 * small


def test_flags_change_costs_and_quantities_the_whole() -> None:
    columns = {"device": ["a"] * 4, "macs": [1e9] * 4, "x_int8": [0, 1, 0, 1], "x_depth": [3.0, 9.0, 27.0, 81.0]}
    design = Design.learn(Table.of(columns), SECONDS)
    assert (design.modifiers, design.factors) == (["x_int8"], ["x_depth"])
    assert design.width == len(design.amounts) * 2 + 1


def test_of_more_flags_than_can_be_told_apart_those_that_vary_least_act_on_the_whole() -> None:
    flags = {f"x_flag{index}": [0, 1, 0, 1, 0, 1] for index in range(MAX_MODIFIERS)}
    rare = {"x_a_rare_one": [0, 0, 0, 0, 0, 1]}
    design = Design.learn(Table.of({"device": ["a"] * 6, "macs": [1e9] * 6, **flags, **rare}), SECONDS)
    assert design.modifiers == sorted(flags)
    assert design.factors == list(rare)


def test_a_feature_that_is_constant_or_mostly_unknown_is_left_out() -> None:
    nan = float("nan")
    columns = {"device": ["a"] * 4, "macs": [1e9] * 4, "x_same": [5.0] * 4, "x_rare": [1.0, nan, nan, 2.0]}
    assert Design.learn(Table.of(columns), SECONDS).factors == []


def test_a_factor_is_clipped_to_what_was_trained_on_and_an_amount_is_not() -> None:
    columns = {"device": ["a"] * 3, "macs": [1e9, 2e9, 3e9], "x_depth": [10.0, 20.0, 30.0]}
    design = Design.learn(Table.of(columns), SECONDS)
    asked = Table.of({"device": ["a"] * 2, "macs": [3e9, 3e12], "x_depth": [1e3, 1e9]})
    near, far = design.factors_of(asked)
    assert near == far
    small, large = design.amounts_of(asked)[:, design.amounts.index("macs")]
    assert large == 1000 * small


def test_families_beyond_the_most_frequent_count_as_unknown() -> None:
    names = [f"family-{index:02d}" for index in range(MAX_FAMILIES + 5)]
    rows = [*names, *names[5:]]
    design = Design.learn(Table.of({"device": ["a"] * len(rows), "family": rows}), SECONDS)
    assert design.families == names[5:]
    assert not design.factors_of(Table.of({"device": ["a"], "family": ["family-00"]})).any()


def test_parts_of_a_whole_never_exceed_it() -> None:
    columns = {"device": ["a"], "macs": [1e9], "x_depthwise_macs": [4e9]}
    design = Design.learn(Table.of(columns), SECONDS)
    found = dict(zip(design.amounts, design.amounts_of(Table.of(columns))[0], strict=True))
    assert found["x_depthwise_macs"] == pytest.approx(1e9 * SECONDS.cost("x_depthwise_macs"))
    assert found.get("macs", 0.0) == 0.0


def test_a_flag_within_a_family_has_a_column_of_its_own() -> None:
    columns = {"device": ["a"] * 4, "macs": [1e9] * 4, "family": ["f", "f", "g", "g"], "x_int8": [0, 1, 0, 1]}
    design = Design.learn(Table.of(columns), SECONDS)
    assert design.flagged == [("f", "x_int8"), ("g", "x_int8")]
    flagged = design.factors_of(Table.of(columns))[:, -2:]
    assert np.sign(flagged).tolist() == [[-1, 0], [1, 0], [0, -1], [0, 1]]
