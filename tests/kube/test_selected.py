"""Which classes workloads select, whatever changes in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.kinds.common import EVERYTHING, LabelSelector
from foretide_kube.selected import Selections, selected_classes

SELECTORS = [EVERYTHING, LabelSelector(match_labels={"tier": "a"}), LabelSelector(match_labels={"tier": "b"})]
WORKLOADS = [("team", "one"), ("team", "two"), ("other", "one")]
changes = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(WORKLOADS), st.sampled_from(SELECTORS)),
        st.tuples(st.sampled_from(["x", "y"]), st.sampled_from([None, {}, {"tier": "a"}, {"tier": "b"}])),
    )
)


@given(changes)
def test_what_is_selected_is_what_the_last_labels_and_selectors_say(told: list[tuple[object, object]]) -> None:
    found = Selections()
    selectors: dict[tuple[str, str], LabelSelector] = {}
    labels: dict[str, dict[str, str]] = {}
    for key, value in told:
        if isinstance(key, tuple):
            assert isinstance(value, LabelSelector)
            is_news = selectors.get(key, EVERYTHING) != value
            selectors[key] = value
            assert found.workload_changed(key, value) == is_news
        elif isinstance(key, str):
            assert value is None or isinstance(value, dict)
            labels.pop(key, None)
            if value is not None:
                labels[key] = value
            found.class_changed(key, value)
        expected = {each: selected_classes(selector, labels) for each, selector in selectors.items()}
        assert found.by_workload == {each: classes for each, classes in expected.items() if classes is not None}
