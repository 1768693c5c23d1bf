"""The metrics that the code has."""

from __future__ import annotations

import re

from monitoring.catalogue import components

LABELS = {
    "ending", "file", "kind", "node_class", "outcome", "quantity", "reason", "resource", "source", "status", "verb",
    "workload_kind",
}  # fmt: skip


def test_labels_are_such_as_have_few_values() -> None:
    assert {label for found in components().values() for each in found for label in each.labels} == LABELS


def test_every_metric_has_one_owner_a_unit_where_it_has_one_and_a_sentence_that_says_what_it_is() -> None:
    found = [each for metrics in components().values() for each in metrics]
    assert len({each.name for each in found}) == len(found)
    for each in found:
        assert re.fullmatch(r"foretide_[a-z_]+", each.name)
        assert each.words.endswith(".")
        assert (each.kind == "counter") == each.name.endswith("_total"), each.name
        assert "milliseconds" not in each.name
