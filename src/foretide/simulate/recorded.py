"""Numbers that a scenario takes from a file: a list of them, in YAML or JSON, or a recorded trace that tells them."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from pathlib import Path

import msgspec

from foretide.simulate.parts import ScenarioError
from foretide.simulate.trace import Trace
from foretide.yaml_documents import YamlError, decode


def arrival_seconds(path: Path) -> list[float]:
    """When tasks arrived, in the order of the file; ScenarioError says what is wrong with it."""
    found = _read(path)
    return [task.arrival_seconds for task in found.traced] if isinstance(found, Trace) else found


def log_residuals(path: Path) -> list[float]:
    """Logarithms of actual over predicted times, of a trace one for each workload and class that ran there."""
    found = _read(path)
    if not isinstance(found, Trace):
        return found
    logs: dict[tuple[str, str], list[float]] = defaultdict(list)
    class_of = {node.name: node.node_class for node in found.nodes}
    for task in found.traced:
        predicted = task.predicted.get(class_of.get(task.node, ""))
        if predicted is not None and task.bound_seconds is not None and task.finish_seconds is not None:
            took = max(task.finish_seconds - task.bound_seconds, 1e-3)
            logs[task.workload, class_of[task.node]].append(math.log(took / predicted.median_seconds))
    if not logs:
        raise ScenarioError(f"{path}: no task in it ended where its time was predicted; give a list of residuals")
    return [statistics.median(each) for each in logs.values()]


def _read(path: Path) -> list[float] | Trace:
    read = msgspec.json.decode if path.suffix == ".json" else decode
    try:
        found: list[float] | Trace = read(path.read_bytes(), type=list[float] | Trace)
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read ({error.strerror}); it belongs next to the scenario") from error
    except (YamlError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} is neither a list of numbers nor a trace: {error}") from error
    if found == []:
        raise ScenarioError(f"{path}: the list is empty")
    return found
