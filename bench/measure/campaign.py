"""Measures on all node classes at once, one thing at a time on each, until nothing is missing.

What is missing is decided from the data set alone. A class's Pods take a few dozen measurements each; if a Pod ends
early, what it had not come to is still missing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from bench.measure.networks import write
from bench.measure.pods import MODELS, Call, PodError, Runner, Said
from bench.measure.rows import DataSet, Key, MeasuredModel, row
from bench.measure.settings import Measurement, Setting, plan, why_not
from devcluster.spec import NodeClass
from foretide.results import Failure, InspectResult, ProbeResult, ProfileResult, Result, ResultError
from foretide.signature import Signature, at_batch_size
from foretide.termination_message import parse
from foretide_kube.client import ApiError
from foretide_profiler.counting import onnx_graph
from foretide_profiler.requests import ModelRequest

PROFILING: Final = ("--max-seconds", "12", "--min-seconds", "3", "--min-samples", "16")
"""Three windows of a second to warm up under a CPU quota must fit into a third of the time."""
PROBING: Final = ("--max-seconds", "20")
PER_POD: Final = 24
ROUNDS: Final = 3
"""How often what failed with its Pod is tried in one run."""
AGAIN_SECONDS: Final = 10.0
"""How long a class waits where the API server does not answer."""


@dataclass(slots=True)
class Progress:
    """Of one class: what it is to measure, what of it is there, and what happened."""

    wanted: int = 0
    there_before: int = 0
    made: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    is_done: bool = False

    @property
    def there(self) -> int:
        """Rows in the data set."""
        return self.there_before + self.made


def signatures(
    settings: Sequence[Setting],
    models: Path,
    inspect: Callable[[list[Call]], Iterator[Said]],
) -> dict[Setting, MeasuredModel]:
    """What each setting asks of any hardware; ``inspect`` performs calls where torch is. Writes the ONNX files.

    Counted with a batch of one, as the profiler's `inspect` does, and scaled to the setting's batch.
    """
    models_of = {(each.network, precision) for each in settings for precision in ("fp32", each.precision)}
    singles = [Setting(network, 1, precision, 1000) for network, precision in sorted(models_of)]
    counted = {each: onnx_graph.count(_request(each, models))[0] for each in singles if each.runtime == "onnx"}
    if of_torch := [each for each in singles if each.runtime == "torch"]:
        counted |= _inspected(of_torch, inspect)
    found = {}
    for setting in settings:
        single = setting._replace(batch_size=1, cpu_millis=1000)
        parameters = counted[single._replace(precision="fp32")].parameter_bytes // 4
        found[setting] = MeasuredModel(at_batch_size(counted[single], setting.batch_size), parameters)
    return found


def _request(setting: Setting, models: Path) -> ModelRequest:
    return ModelRequest(
        source="ONNX",
        name="",
        file=write(setting.network, models),
        sha256=None,
        input_shape=setting.network.input_shape,
        data_type="float32",
        batch_size=setting.batch_size,
        precision=setting.precision,
    )


def _inspected(
    settings: Sequence[Setting], inspect: Callable[[list[Call]], Iterator[Said]]
) -> dict[Setting, Signature]:
    by_key = {each.name: each for each in settings}
    found = {}
    for said in inspect([Call(key, ("inspect", *_model_arguments(each))) for key, each in by_key.items()]):
        result = parse(said.document.encode())
        if not isinstance(result, InspectResult):
            raise PodError(f"{said.key}: inspect said {said.document or said.error}")
        found[by_key[said.key]] = result.signature
    return found


def arguments(setting: Setting) -> tuple[str, ...]:
    """The profiler's call that measures a setting."""
    return ("profile", *_model_arguments(setting), *PROFILING)


def _model_arguments(setting: Setting) -> tuple[str, ...]:
    network = setting.network
    model: tuple[str, ...] = ("--source", "TorchVision", "--name", network.model_type)
    if setting.runtime == "onnx":
        model = ("--source", "ONNX", "--file", f"{MODELS}/{network.name}.onnx")
    shape = ",".join(map(str, network.input_shape))
    return (*model, "--input", shape, "--batch-size", str(setting.batch_size), "--precision", setting.precision)


class Campaign:
    """All classes of a cluster; `run` returns when nothing is missing, but what failed by itself.

    `progress` tells how far each class is, `runtimes` by what was measured, with versions.
    """

    def __init__(
        self,
        runner: Runner,
        classes: Sequence[NodeClass],
        data: DataSet,
        *,
        known: Mapping[Setting, MeasuredModel],
        probed: Mapping[str, ProbeResult],
        varied: int,
        say: Callable[[str], None],
    ) -> None:
        self._runner, self._known, self._data, self._probed, self._say = runner, known, data, probed, say
        self._errors: list[Exception] = []
        self.runtimes: set[str] = set()
        self.progress = {each.name: Progress() for each in classes}
        self._lists = {each.name: self._feasible(each, varied) for each in classes}
        self._classes = classes

    def run(self, *, every_seconds: float = 60.0) -> None:
        """Measure; tells how far it is now and then. Raises what stopped a class beyond the trouble of one Pod."""
        threads = [threading.Thread(target=self._measure, args=(each,), daemon=True) for each in self._classes]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        told = began
        while any(thread.is_alive() for thread in threads):
            time.sleep(1)
            if time.monotonic() - told >= every_seconds:
                told = time.monotonic()
                self._tell(told - began)
        self._tell(time.monotonic() - began)
        if self._errors:
            raise self._errors[0]

    def _feasible(self, node_class: NodeClass, varied: int) -> list[Measurement]:
        progress, out = self.progress[node_class.name], []
        for each in plan(node_class, varied=varied):
            if why := why_not(each.setting, self._known[each.setting].signature, node_class):
                progress.left_out[why] += 1
            else:
                out.append(each)
        progress.wanted = len(out)
        progress.there_before = len(out) - len(self._missing(node_class, out))
        return out

    def _missing(self, node_class: NodeClass, wanted: Sequence[Measurement]) -> list[Measurement]:
        failed = self.progress[node_class.name].failed
        return [
            each for each in wanted if Key(node_class.name, each.key) not in self._data.keys and each.key not in failed
        ]

    def _measure(self, node_class: NodeClass) -> None:
        progress, wanted = self.progress[node_class.name], self._lists[node_class.name]
        try:
            for _ in range(ROUNDS):
                if missing := self._missing(node_class, wanted):
                    self._measure_round(node_class, missing)
        except Exception as error:  # noqa: BLE001 - a thread of its own: `run` raises it
            self._errors.append(error)
        finally:
            progress.is_done = True

    def _measure_round(self, node_class: NodeClass, missing: Sequence[Measurement]) -> None:
        """Try all that is missing once; what was not come to is missing still."""
        try:
            for first in range(0, len(missing), PER_POD):
                for batch in _by_pod(missing[first : first + PER_POD]):
                    self._measure_batch(node_class, batch)
        except ApiError as error:  # the next Pods would fare no better
            self._say(f"{node_class.name}: {error}")
            time.sleep(AGAIN_SECONDS)

    def _measure_batch(self, node_class: NodeClass, batch: Sequence[Measurement]) -> None:
        progress, by_key = self.progress[node_class.name], {each.key: each for each in batch}
        setting = batch[0].setting
        calls = [Call(each.key, arguments(each.setting)) for each in batch]
        try:
            for said in self._runner.run(node_class, setting.runtime, setting.cpu_millis, calls):
                self._store(node_class, by_key[said.key], said, progress)
        except PodError as error:
            self._say(f"{node_class.name}: {error}")

    def _store(self, node_class: NodeClass, measurement: Measurement, said: Said, progress: Progress) -> None:
        model = self._known[measurement.setting]
        result = _result(said, model)
        if isinstance(result, ProfileResult):
            self._data.append(row(node_class.name, measurement, model, self._probed[node_class.name], result))
            self.runtimes.add(result.environment.runtime)
            progress.made += 1
        else:
            progress.failed[measurement.key] = result
            self._say(f"{node_class.name}: {measurement.key}: {result}")

    def _tell(self, seconds: float) -> None:
        made = sum(each.made for each in self.progress.values())
        left = [
            (each.wanted - each.there - len(each.failed)) * seconds / each.made
            for each in self.progress.values()
            if each.made and not each.is_done
        ]
        done, wanted = (sum(getattr(each, name) for each in self.progress.values()) for name in ("there", "wanted"))
        parts = ", ".join(f"{name} {each.there}/{each.wanted}" for name, each in self.progress.items())
        rate, eta = 60 * made / seconds, max(left, default=0) / 60
        self._say(f"{done}/{wanted} rows, {rate:.1f} a minute, {eta:.0f} minutes left: {parts}")


def _by_pod(measurements: Sequence[Measurement]) -> Iterator[list[Measurement]]:
    """Those that one Pod can measure, for it has one image and one CPU limit."""

    def pod(each: Measurement) -> tuple[str, int]:
        return each.setting.runtime, each.setting.cpu_millis

    for _, group in groupby(sorted(measurements, key=pod), key=pod):
        yield list(group)


def _result(said: Said, model: MeasuredModel) -> ProfileResult | str:
    """A profile that can be believed, or why there is none."""
    try:
        result: Result = parse(said.document.encode(), signature=model.signature)
    except ResultError as error:
        return f"{error.reason} (exit status {said.status}): {error} {said.error}"
    if isinstance(result, ProfileResult):
        return result
    return f"{result.reason}: {result.message}" if isinstance(result, Failure) else f"not a profile: {said.document}"


def all_settings(classes: Sequence[NodeClass], *, varied: int) -> list[Setting]:
    """Those of any class, without repetition."""
    return list(dict.fromkeys(each.setting for node_class in classes for each in plan(node_class, varied=varied)))
