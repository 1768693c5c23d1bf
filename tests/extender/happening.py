"""What may happen to the small cluster between one request and the next."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from foretide_extender.state import ClusterState
from foretide_kube.reduced import facts_of, reduce_node
from tests.extender.cluster_values import (
    CREATED_TIME,
    MIB,
    NODES,
    bind,
    have_workload,
    node_object,
    pod_object,
    workload_object,
)

ALL = list(NODES)


def imaged(images: tuple[str, ...], *arguments: Any, **options: Any) -> dict[str, Any]:
    """A node that lists images."""
    item = node_object(*arguments, **options)
    item["status"]["images"] = [{"names": [image], "sizeBytes": {"x": 400, "base": 1}[image] * MIB} for image in images]
    return item


def begun(phase: str, *arguments: Any, **options: Any) -> dict[str, Any]:
    """A Pod whose container runs where its phase is that."""
    item = pod_object(*arguments, phase=phase, **options)
    if phase == "Running":
        item["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": CREATED_TIME}}}]
    return item


events = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["ADDED", "MODIFIED", "DELETED"]),
            st.builds(
                begun,
                st.sampled_from(["Running", "Pending", "Succeeded"]),
                st.sampled_from("abcdefgh"),
                node=st.sampled_from(ALL),
                workload=st.sampled_from(["resnet", "other", "service", None]),
                cpu=st.sampled_from(["1", "250m", "4"]),
                memory=st.sampled_from(["64Mi", "900Mi"]),
            ),
        ),
        st.builds(
            imaged,
            st.sampled_from([(), ("base",), ("base", "x")]),
            st.sampled_from([*ALL, "new"]),
            st.sampled_from(["fast", "slow", None]),
            cpu=st.sampled_from(["1", "4"]),
            memory=st.sampled_from(["1Gi", "4Gi"]),
        ),
        st.builds(
            workload_object,
            st.sampled_from(["resnet", "other"]),
            classes=st.sampled_from([("fast", "medium", "slow"), ("medium",), ()]),
            inferences=st.sampled_from([10, 1000]),
            contention_permille=st.sampled_from([None, 900]),
            deadline_milliseconds=st.sampled_from([None, 5000]),
            selector=st.sampled_from([None, {"matchLabels": {"tier": "medium"}}]),
        ),
        st.sampled_from(["resnet", "fast-1", "medium"]),  # is gone: a workload, a node, a class
        st.floats(0.1, 30.0),  # seconds pass
    ),
    max_size=20,
)


def have(state: ClusterState, event: Any) -> None:
    """Have one of ``events`` happen."""
    if isinstance(event, tuple):
        bind(state, event[1], event[0])
    elif event == "resnet":
        state.workload_changed(("team", event), None)
    elif event == "medium":
        state.class_changed(event, None)
    elif event == "fast-1":
        state.node_changed("DELETED", facts_of(reduce_node(node_object(event, None))))
    elif "spec" in event:
        have_workload(state, event)
    else:
        state.node_changed("MODIFIED", facts_of(reduce_node(event)))
