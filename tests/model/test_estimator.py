import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score

from foretide.model import CompletionTimeModel
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import TableError
from tests.model.fleet import columns, fleet


def test_clone_and_parameters_follow_scikit_learn() -> None:
    model = CompletionTimeModel(trees=3, seed=5)
    assert model.get_params()["trees"] == 3
    twin = clone(model).set_params(trees=7)
    assert (twin.trees, twin.seed, model.trees) == (7, 5, 3)


def test_predicting_before_fitting_says_so() -> None:
    with pytest.raises(NotFittedError):
        CompletionTimeModel().predict({"device": ["a"]})


def test_cross_validation_takes_a_data_frame() -> None:
    table, seconds = fleet(devices=4, workloads=12, seed=4)
    frame = pd.DataFrame(columns(table))
    scores = cross_val_score(
        CompletionTimeModel(calibrate=False, trees=0), frame, seconds, cv=GroupKFold(3), groups=table.workload
    )
    assert len(scores) == 3
    assert (scores > -0.6).all()


def test_a_data_frame_and_a_dict_give_the_same_model() -> None:
    table, seconds = fleet(devices=3, workloads=8, seed=8)
    frame = pd.DataFrame(columns(table)).set_index(np.arange(len(table))[::-1])
    model = CompletionTimeModel(trees=0)
    assert model.fit(frame, pd.Series(seconds)).predictor_.save() == (
        model.fit(columns(table), seconds).predictor_.save()
    )


def test_equal_data_and_seed_give_equal_bytes_whatever_was_fitted_before() -> None:
    table, seconds = fleet(devices=4, workloads=16, seed=5)
    other, others = fleet(devices=3, workloads=12, seed=6)
    fresh = CompletionTimeModel(trees=10).fit(table, seconds)
    used = CompletionTimeModel(trees=10).fit(other, others).fit(columns(table), seconds.tolist())
    assert fresh.predictor_.save() == used.predictor_.save()


def test_of_pairs_that_were_left_out_as_many_stay_below_a_quantile_as_it_says() -> None:
    table, seconds = fleet(devices=6, workloads=30, seed=9)
    out = np.random.default_rng(9).random(len(table)) < 0.25
    model = CompletionTimeModel(trees=0).fit(table.take(~out), seconds[~out])
    quantiles = (0.05, 0.25, 0.5, 0.75, 0.95)
    found = np.array([model.predict_quantile(table.take(out), quantile) for quantile in quantiles])
    assert (np.diff(found, axis=0) >= 0).all()
    below = (seconds[out] <= found).mean(axis=1)
    np.testing.assert_allclose(below, quantiles, atol=0.15)


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(TableError, match="no rows"):
        CompletionTimeModel().fit({"device": []}, [])


def test_a_process_that_only_predicts_imports_no_training_library() -> None:
    probe = (
        "import sys, foretide.model.predictor, foretide.prediction\n"
        "print([m for m in ('sklearn', 'xgboost', 'scipy', 'pandas') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[]"


sizes = st.one_of(st.just(float("nan")), st.just(0.0), st.floats(0, 1e18))
features = st.one_of(st.just(float("nan")), st.sampled_from([0.0, 1.0]), st.floats(-1e18, 1e18))
names = st.text(max_size=3)


@st.composite
def tables(draw: st.DrawFn, rows: int) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {"device": draw(st.lists(names, min_size=rows, max_size=rows))}
    for name in ("workload", "family"):
        if draw(st.booleans()):
            out[name] = draw(st.lists(names, min_size=rows, max_size=rows))
    for name in ("macs", "parameter_bytes", "activation_bytes", "op_count", "batch_size"):
        if draw(st.booleans()):
            out[name] = draw(st.lists(sizes, min_size=rows, max_size=rows))
    for name in ("x_flag", "x_depthwise_macs", "x_cpu_millis", "device_speed_per_second", "device_probe_seconds"):
        if draw(st.booleans()):
            out[name] = draw(st.lists(features, min_size=rows, max_size=rows))
    return out


@settings(deadline=None, max_examples=150)
@given(data=st.data(), rows=st.integers(1, 12), asked=st.integers(0, 5), coverage=st.floats(0.01, 0.99))
def test_whatever_comes_predictions_are_finite_positive_and_within_their_intervals(
    data: st.DataObject, rows: int, asked: int, coverage: float
) -> None:
    seconds = data.draw(st.lists(st.floats(1e-9, 86_400), min_size=rows, max_size=rows))
    model = CompletionTimeModel(trees=3).fit(data.draw(tables(rows)), seconds)
    question = data.draw(tables(asked))
    median = model.predict(question)
    lower, upper = model.predict_interval(question, coverage)
    assert len(median) == asked
    assert np.isfinite(upper).all()
    assert (lower > 0).all()
    assert ((lower <= median) & (median <= upper)).all()


@pytest.mark.parametrize("seed", range(6))
def test_a_table_large_enough_for_every_part_survives_holes_constants_and_absurd_values(seed: int) -> None:
    table, seconds = fleet(devices=7, workloads=14, seed=seed)
    random = np.random.default_rng(seed)
    spoilt = columns(table)
    for name in sorted(table.numbers):
        column = spoilt[name] = table.numbers[name].copy()
        column[random.random(len(column)) < 0.3] = np.nan
        column[random.integers(len(column))] = 1e18
        if random.random() < 0.2:
            column[:] = random.choice([0.0, 1e18, np.nan])
    times = seconds * np.where(random.random(len(seconds)) < 0.05, 1e3, 1.0)
    model = CompletionTimeModel(trees=5).fit(spoilt, times)
    assert model.predictor_.parts.intervals.scores
    lower, upper = model.predict_interval(spoilt)
    assert np.isfinite(upper).all()
    assert (lower > 0).all()
    CompletionTimePredictor.load(model.predictor_.save())


def test_duplicated_rows_and_hundredfold_outliers_do_not_spoil_the_rest() -> None:
    table, seconds = fleet(devices=6, workloads=30, seed=7)
    rows = np.concatenate([np.arange(len(table)), np.zeros(40, dtype=int)])
    spoilt = seconds.copy()
    spoilt[::25] *= 100
    model = CompletionTimeModel(calibrate=False).fit(table.take(rows), spoilt[rows])
    sound = np.arange(len(table)) % 25 != 0
    error = np.abs(model.predict(table.take(sound)) / seconds[sound] - 1)
    assert np.median(error) < 0.12


def test_what_is_learned_apart_is_peculiar_to_its_workloads_and_nothing_else_changes() -> None:
    table, seconds = fleet(devices=4, workloads=14, seed=5)
    strange = np.array([name in {"workload-012", "workload-013"} for name in table.workload])
    seen = strange & (table.device != "class-003")
    plain = CompletionTimeModel(calibrate=False).fit(table.take(~strange), seconds[~strange])
    told = CompletionTimeModel(calibrate=False).fit(
        table.take(~strange), seconds[~strange], apart=(table.take(seen), 8.0 * seconds[seen])
    )
    asked = table.take(strange & ~seen)
    assert np.array_equal(told.predict(table.take(~strange)), plain.predict(table.take(~strange)))
    ratio = told.predict(asked) / plain.predict(asked)
    assert np.all((ratio > 4.0) & (ratio < 12.0))
    assert {regime for (regime,) in told.predictor_.regimes(table.take(seen))} == {"measured"}
    assert told.predictor_.load(told.predictor_.save()).predict(asked) == pytest.approx(told.predict(asked))


def test_what_is_learned_apart_of_a_workload_that_is_known_counts_for_nothing() -> None:
    table, seconds = fleet(devices=3, workloads=8, seed=5)
    plain = CompletionTimeModel(calibrate=False).fit(table, seconds)
    told = CompletionTimeModel(calibrate=False).fit(table, seconds, apart=(table, 100.0 * seconds))
    assert told.predictor_.save() == plain.predictor_.save()
