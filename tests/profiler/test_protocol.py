"""What a body may hold: every tensor comes through as it was sent, and anything else is refused with its field."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_profiler.failures import ProfilerError
from foretide_profiler.runtimes import ModelInput
from foretide_profiler.serving.protocol import (
    BYTES,
    JSON,
    RequestError,
    answer_bytes,
    check_outputs,
    datatype_of,
    most_bytes,
    read,
    write,
    zeros,
)

FORM = ModelInput("x", (2, 3), "float32")
DATA_TYPES = ("float32", "float16", "int64", "int32", "uint8")

numbers = st.integers(-(2**70), 2**70) | st.floats() | st.booleans() | st.none() | st.text(max_size=3)
data = st.recursive(numbers, lambda inner: st.lists(inner, max_size=7), max_leaves=20)
inputs = st.fixed_dictionaries(
    {"name": st.just("x"), "datatype": st.just("FP32"), "shape": st.just([2, 3]), "data": data}
) | st.dictionaries(st.sampled_from(["name", "datatype", "shape", "data"]), data)


def body(form: ModelInput, given_data: Any) -> bytes:
    given_input = {
        "name": form.name,
        "datatype": datatype_of(form.data_type),
        "shape": list(form.shape),
        "data": given_data,
    }
    return json.dumps({"inputs": [given_input]}).encode()


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_every_tensor_comes_through_in_bytes_and_in_json_flat_and_nested(data_type: str) -> None:
    form = ModelInput("x", (2, 3), data_type)
    info: Any = np.finfo(data_type) if data_type.startswith("float") else np.iinfo(data_type)
    tensor = np.array([[0, 1, 2], [3, info.min, info.max]], data_type)
    for sent, kind in (
        (tensor.tobytes(), BYTES),
        (body(form, tensor.ravel().tolist()), JSON),
        (body(form, tensor.tolist()), JSON),
    ):
        found, identity = read(sent, kind, form)
        assert (found.dtype, found.shape, identity) == (tensor.dtype, (2, 3), None)
        np.testing.assert_array_equal(found, tensor)
        assert len(sent) <= most_bytes(form, kind)


def test_a_number_that_is_too_large_for_a_float_type_is_infinite_and_for_an_integer_type_refused() -> None:
    half = ModelInput("x", (1,), "float16")
    assert math.isinf(float(read(body(half, [1e9]), JSON, half)[0][0]))
    small = ModelInput("x", (1,), "uint8")
    for number in (256, -1, 2**70, 1.5, 1e300):
        with pytest.raises(RequestError) as refused:
            read(body(small, [number]), JSON, small)
        assert (refused.value.reason, refused.value.field) == ("InputRefused", "inputs[0].data")


@settings(deadline=None)
@given(st.lists(inputs, max_size=2) | data)
def test_any_json_is_a_tensor_of_the_models_form_or_refused(given_inputs: Any) -> None:
    try:
        found, _ = read(json.dumps({"inputs": given_inputs}).encode(), JSON, FORM)
    except RequestError as error:
        assert error.status == 400  # noqa: PT017 - either way
        assert error.reason in {"RequestInvalid", "InputRefused"}  # noqa: PT017
        assert json.loads(error.document())["message"] == error.message  # noqa: PT017
    else:
        assert (found.shape, found.dtype.name) == ((2, 3), "float32")


@settings(deadline=None)
@given(st.binary(max_size=64), st.sampled_from([JSON, BYTES]))
def test_any_bytes_are_a_tensor_of_the_models_form_or_refused(sent: bytes, kind: str) -> None:
    is_whole = kind == BYTES and len(sent) == 24
    try:
        found, _ = read(sent, kind, FORM)
    except RequestError as error:
        assert not is_whole
        assert error.status == 400  # noqa: PT017
    else:
        assert is_whole
        assert found.tobytes() == sent


def test_depth_does_not_break_the_reader() -> None:
    deep = (
        b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": ' + b"[" * 5000 + b"]" * 5000 + b"}]}"
    )
    with pytest.raises(RequestError):
        read(deep, JSON, FORM)


@pytest.mark.parametrize(
    "data",
    ["[" + "0," * 4999 + "0]", "[[" + "[" * 4999, "{" * 4999, "[" + '"" ' * 4999 + "]"],
    ids=lambda data: data[:5],
)
def test_a_body_of_more_parts_than_the_model_takes_is_refused_before_they_are_made(data: str) -> None:
    sent = b'{"inputs": [{"name": "x", "datatype": "FP32", "shape": [2, 3], "data": ' + data.encode() + b"}]}"
    with pytest.raises(RequestError, match="more than 10") as refused:
        read(sent, JSON, FORM)
    assert (refused.value.reason, refused.value.field) == ("RequestInvalid", "body")


def test_a_body_in_bytes_is_the_tensors_memory() -> None:
    sent = bytearray(np.arange(6, dtype=np.float32).tobytes())
    found, _ = read(sent, BYTES, FORM)
    assert np.shares_memory(found, np.frombuffer(sent, np.uint8))
    assert found.flags.writeable


def test_an_answer_is_no_longer_than_was_reckoned() -> None:
    for worst in (np.full(1000, -1.2345678901234567e-300), np.full(1000, -(2**63)), np.zeros(1000, np.bool_)):
        assert len(write([("y", worst)], "small", "seven")) <= answer_bytes([("y", worst)]) - worst.nbytes


def test_outputs_are_written_as_the_protocol_has_them_and_nan_as_null() -> None:
    outputs: list[tuple[str, Any]] = [
        ("a", np.array([[1.5, math.nan]], np.float32)),
        ("b", np.array([True])),
        ("c", np.float64(2).reshape(())),
    ]
    document = json.loads(write(outputs, "small", "seven"))
    assert document == {
        "model_name": "small",
        "id": "seven",
        "outputs": [
            {"name": "a", "datatype": "FP32", "shape": [1, 2], "data": [1.5, None]},
            {"name": "b", "datatype": "BOOL", "shape": [1], "data": [True]},
            {"name": "c", "datatype": "FP64", "shape": [], "data": [2.0]},
        ],
    }


@pytest.mark.parametrize("output", [{"a": 1}, [1, 2], np.array(["text"]), np.array([1j])], ids=str)
def test_a_model_that_gives_other_things_than_tensors_of_numbers_is_refused_at_its_start(output: Any) -> None:
    check_outputs([("y", zeros(FORM))])
    with pytest.raises(ProfilerError) as refused:
        check_outputs([("y", output)])
    assert refused.value.reason == "OutputUnsupported"
