import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model import CompletionTimeModel
from foretide.model.artefact import MAX_ARTEFACT_BYTES, ArtefactError
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import Table
from tests.model.fleet import fleet


@pytest.fixture(scope="module")
def model() -> CompletionTimeModel:
    """With every part: trees that are believed, and a device with few rows."""
    plain, seconds = fleet(devices=5, workloads=60, seed=2)
    flag = (np.arange(len(plain)) % 3 == 0).astype(float)
    table = Table(plain.device, plain.workload, plain.family, {**plain.numbers, "x_int8": flag})
    bend = np.where(table.number("macs") > np.median(table.number("macs")), 1.6, 1.0)
    kept = np.ones(len(table), dtype=bool)
    kept[np.flatnonzero(table.device == "class-004")[5:]] = False
    return CompletionTimeModel(trees=30).fit(table.take(kept), (seconds * bend)[kept])


@pytest.fixture(scope="module")
def artefact(model: CompletionTimeModel) -> bytes:
    return model.predictor_.save()


def test_a_loaded_model_answers_to_the_last_bit_as_the_saved_one(model: CompletionTimeModel, artefact: bytes) -> None:
    asked, _ = fleet(devices=7, workloads=64, seed=2)
    loaded = CompletionTimePredictor.load(artefact)
    np.testing.assert_array_equal(loaded.predict(asked), model.predict(asked))
    np.testing.assert_array_equal(loaded.predict_interval(asked), model.predict_interval(asked))
    assert loaded.save() == artefact


@given(st.data())
def test_any_changed_byte_is_refused(artefact: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(artefact) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != artefact[place]))
    with pytest.raises(ArtefactError):
        CompletionTimePredictor.load(artefact[:place] + bytes([byte]) + artefact[place + 1 :])


@given(st.data())
def test_any_truncation_is_refused(artefact: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(artefact) - 1))
    with pytest.raises(ArtefactError):
        CompletionTimePredictor.load(artefact[:length])


@given(st.binary(max_size=200))
def test_garbage_is_malformed(garbage: bytes) -> None:
    with pytest.raises(ArtefactError) as caught:
        CompletionTimePredictor.load(garbage)
    assert caught.value.reason == "ArtefactMalformed"


def test_a_damaged_payload_is_a_checksum_mismatch(artefact: bytes) -> None:
    with pytest.raises(ArtefactError) as caught:
        CompletionTimePredictor.load(artefact[:-1] + b" ")
    assert caught.value.reason == "ArtefactChecksumMismatch"


def test_another_version_is_named(artefact: bytes) -> None:
    with pytest.raises(ArtefactError, match="version 4") as caught:
        CompletionTimePredictor.load(artefact.replace(b'"version":3', b'"version":4', 1))
    assert caught.value.reason == "ArtefactVersionUnknown"


def test_more_than_a_config_map_holds_is_not_even_read() -> None:
    with pytest.raises(ArtefactError) as caught:
        CompletionTimePredictor.load(b"{" * (MAX_ARTEFACT_BYTES + 1))
    assert caught.value.reason == "ArtefactMalformed"


@pytest.mark.parametrize(
    "forge",
    [
        lambda payload: payload["roofline"]["mean"].pop(),
        lambda payload: payload["roofline"]["slopes"].pop(),
        lambda payload: payload["roofline"]["slopes"][0].pop(),
        lambda payload: payload["roofline"].update(noise=-1.0),
        lambda payload: payload["roofline"]["design"]["scales"].clear(),
        lambda payload: payload["roofline"]["design"]["amounts"].remove("call"),
        lambda payload: payload["roofline"]["design"]["flagged"].append(["nobody", "x_int8"]),
        lambda payload: payload["roofline"]["devices"]["class-000"]["coefficients"].pop(),
        lambda payload: payload["roofline"]["devices"]["class-000"]["covariance"].pop(),
        lambda payload: payload["roofline"]["devices"]["class-000"]["covariance"].__setitem__(0, -9.0),
        lambda payload: payload["roofline"]["design"]["sizes"].update(macs=-1e30),
        lambda payload: payload["roofline"]["devices"]["class-000"]["coefficients"].__setitem__(0, 1e308),
        lambda payload: payload["roofline"]["view"]["sign"].__setitem__(0, 10**400),
        lambda payload: payload["residual"]["ensembles"][0]["roots"].append(0),
        lambda payload: payload["deviations"]["workloads"]["workload-000"]["by_device"].pop(),
        lambda payload: payload["deviations"]["workloads"]["workload-000"].update(variance=-1.0),
        lambda payload: payload["transfer"]["references"].reverse(),
        lambda payload: payload["transfer"]["devices"]["class-004"]["mixture"].pop(),
        lambda payload: payload["transfer"]["devices"]["class-004"]["blend"].__setitem__(0, -1.0),
        lambda payload: payload["residual"].update(belief=2.0),
        lambda payload: payload["residual"]["ensembles"][0]["left"].__setitem__(0, 0),
        lambda payload: payload["residual"]["folds"].update({"workload-000": 99}),
        lambda payload: payload["residual"]["traits"]["class-000"].pop(),
        lambda payload: payload["intervals"]["scores"].update(pair=[2.0, 1.0]),
        lambda payload: payload.update(extra=1),
    ],
)
def test_parts_that_do_not_fit_are_malformed_though_the_checksum_holds(artefact: bytes, forge: object) -> None:
    with pytest.raises(ArtefactError) as caught:
        CompletionTimePredictor.load(forged(artefact, forge))
    assert caught.value.reason == "ArtefactMalformed"


@pytest.mark.parametrize(
    ("forge", "why"),
    [
        (lambda design: design["flagged"].__setitem__(0, ["nobody", "x_int8"]), "family or flag"),
        (lambda design: design["amounts"].__setitem__(design["amounts"].index("call"), "x_other_macs"), "'call'"),
        (lambda design: design["families"].__setitem__(1, design["families"][0]), "twice"),
        (lambda design: design["factors"].extend(["x_int8"] * 1300), "twice"),
        (lambda design: design["scales"]["x_int8"].update(deviation=1e-300, mean=1e18), "deviation"),
        (lambda design: design["families"].extend(f"family {number}" for number in range(1300)), "coefficients"),
    ],
)
def test_features_that_would_hang_or_spoil_a_prediction_are_refused(artefact: bytes, forge: object, why: str) -> None:
    with pytest.raises(ArtefactError, match=why):
        CompletionTimePredictor.load(forged(artefact, lambda payload: forge(payload["roofline"]["design"])))  # type: ignore[operator]


def test_a_device_told_from_no_other_is_refused(artefact: bytes) -> None:
    def forge(payload: dict[str, Any]) -> None:
        payload["deviations"].update(devices=[], noise=[])
        for each in payload["deviations"]["workloads"].values():
            each.update(by_device=[], rows="")
        payload["transfer"]["references"] = []
        payload["transfer"]["devices"]["class-004"].update(mixture=[], in_seconds=[], nearest=[])

    with pytest.raises(ArtefactError, match="told from others"):
        CompletionTimePredictor.load(forged(artefact, forge))


def test_rows_that_are_no_counts_are_refused(artefact: bytes) -> None:
    def forge(payload: dict[str, Any]) -> None:
        each = payload["deviations"]["workloads"]["workload-000"]
        each["rows"] = "x" * len(each["rows"])

    with pytest.raises(ArtefactError, match="no counts"):
        CompletionTimePredictor.load(forged(artefact, forge))


def test_a_number_of_thousands_of_digits_is_refused_as_malformed(artefact: bytes) -> None:
    with pytest.raises(ArtefactError):
        CompletionTimePredictor.load(
            forged(artefact, lambda payload: payload["roofline"]["devices"]["class-000"].update(rows=10**400))
        )


def test_the_largest_logarithms_that_are_read_still_give_finite_times(artefact: bytes) -> None:
    def forge(payload: dict[str, Any]) -> None:
        for device in payload["roofline"]["devices"].values():
            device["coefficients"] = [999.0] * len(device["coefficients"])
        payload["transfer"]["devices"]["class-004"].update(
            blend=[0.1, 0.3, 0.3, 0.3], in_seconds=[0.0] * len(payload["transfer"]["references"])
        )

    predictor = CompletionTimePredictor.load(forged(artefact, forge))
    asked, _ = fleet(devices=7, workloads=8, seed=2)
    assert np.isfinite(predictor.predict(asked)).all()
    assert np.isfinite(predictor.predict_interval(asked)).all()
    assert np.isfinite(predictor.explain(asked)).all()


def test_equal_data_give_equal_bytes_in_any_process() -> None:
    """What a process hashes texts by differs from one to the next, and with it the order of sets."""
    program = (
        "import hashlib, numpy as np; from foretide.model.estimator import EnergyModel\n"
        "r = np.random.default_rng(0); kinds = 'abcdef'\n"
        "columns = {'device': ['d'] * 30, 'workload': [f'w{i}' for i in range(30)],"
        " **{f'x_{k}_bytes': r.random(30) * 1e7 for k in kinds}}\n"
        "print(hashlib.sha256(EnergyModel().fit(columns, r.random(30) + 0.1).predictor_.save()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in range(3)
    }
    assert len(digests) == 1


def forged(artefact: bytes, forge: object) -> bytes:
    """The artefact with its payload changed by ``forge``, under a checksum that holds."""
    payload = json.loads(artefact.partition(b"\n")[2])
    forge(payload)  # type: ignore[operator]
    body = json.dumps(payload).encode()
    digest = hashlib.sha256(body).hexdigest()
    header = f'{{"format":"foretide.dev/completion-time-model","version":3,"sha256":"{digest}","bytes":{len(body)}}}\n'
    return header.encode() + body


def test_fifty_devices_and_five_hundred_workloads_fit_a_config_map() -> None:
    plain, seconds = fleet(devices=50, workloads=500, seed=3)
    number = np.array([int(name[-3:]) for name in plain.workload])
    flags = {name: (number % (3 + place) == 0).astype(float) for place, name in enumerate(("x_a", "x_b", "x_c"))}
    families = np.array([f"family-{each % 20}" for each in number], dtype=object)
    table = Table(plain.device, plain.workload, families, {**plain.numbers, **flags})
    some = np.random.default_rng(0).permutation(len(table))[:5000]
    model = CompletionTimeModel(calibrate=False).fit(table.take(some), seconds[some])
    assert len(model.predictor_.save()) < MAX_ARTEFACT_BYTES
