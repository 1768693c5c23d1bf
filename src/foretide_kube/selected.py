"""The node classes where AIWorkloads may run, by their ``nodeClassSelector``: one rule for planner and extender."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType

from foretide_kube.kinds.common import EVERYTHING, LabelSelector

WorkloadKey = tuple[str, str]
"""Namespace and name."""


def selected_classes(selector: LabelSelector, labels: Mapping[str, dict[str, str]]) -> frozenset[str] | None:
    """The classes that ``selector`` selects, of those whose labels are given; None where it leaves out no node."""
    if selector == EVERYTHING:
        return None
    return frozenset(name for name, each in labels.items() if selector.matches(each))


class Selections:
    """What AIWorkloads select, as these and NodeClasses change. Any thread may tell of a change, and any may read.

    ``by_workload`` is never changed but replaced. A workload that is not in it may run on every node.
    """

    def __init__(self) -> None:
        self.by_workload: Mapping[WorkloadKey, frozenset[str]] = MappingProxyType({})
        self._labels: dict[str, dict[str, str]] = {}
        self._selectors: dict[WorkloadKey, LabelSelector] = {}
        self._changing = threading.Lock()

    def workload_changed(self, key: WorkloadKey, selector: LabelSelector) -> bool:
        """Take note of an AIWorkload's selector, `EVERYTHING` where it is gone; whether that is news."""
        with self._changing:
            if self._selectors.get(key, EVERYTHING) == selector:
                return False
            if selector == EVERYTHING:
                del self._selectors[key]
            else:
                self._selectors[key] = selector
            found = selected_classes(selector, self._labels)
            others = {known: classes for known, classes in self.by_workload.items() if known != key}
            self.by_workload = MappingProxyType(others if found is None else others | {key: found})
            return True

    def class_changed(self, name: str, labels: dict[str, str] | None) -> None:
        """Take note of the labels of a NodeClass, None where it is gone or cannot be read."""
        with self._changing:
            if self._labels.get(name) == labels:
                return
            if labels is None:
                del self._labels[name]
            else:
                self._labels[name] = labels
            found = {key: selected_classes(each, self._labels) for key, each in self._selectors.items()}
            self.by_workload = MappingProxyType({key: each for key, each in found.items() if each is not None})
