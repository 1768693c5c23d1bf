"""`foretide explain pod`: why a Pod went where it went, as the extender that was asked about it tells it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from foretide_cli.asking import Extenders, NotToldError
from foretide_cli.extenders import Get
from foretide_cli.tables import Part, Table, Wrong, some
from foretide_cli.terminal import Show
from foretide_kube.client import KubeClient
from foretide_kube.explanation import NOW, Candidates, Explanation, Placed, Planned, Step

_NONE: Final = "-"
_FINELY_BELOW_SECONDS: Final = 0.1
"""Requests to services take milliseconds, and these are to be told apart."""


def explain(
    client: KubeClient,
    namespace: str,
    name: str,
    *,
    system_namespace: str,
    most_nodes: int | None,
    get: Get,
    show: Show,
    complain: Callable[[str], int],
) -> int:
    """Print what is known of a Pod; what ``complain`` gives where nothing is.

    Every replica of the extender in ``system_namespace`` is asked, and the latest decision is told. ``most_nodes`` is
    how many candidates a table shows, None for all. ApiError where the API server refuses.
    """
    try:
        best, problems = Extenders(client, system_namespace, get).ask(namespace, name)
    except NotToldError as error:
        return complain(str(error))
    if best.status == "NotFound":
        return complain(best.message)
    show(best, parts_of(best, most_nodes))
    if best.status != "Decided":
        for problem in problems:
            complain(f"another replica may know more: {problem}")
    return 0


def parts_of(told: Explanation, most_nodes: int | None) -> list[Part]:
    """A header of facts, the best candidates with their terms, and the refused nodes by reason."""
    parts: list[Part] = [Table(_facts(told), left=2, headed=False)]
    if told.candidates:
        parts.append(_candidates(told.candidates, most_nodes))
    if told.refused:
        rows = [("refused", "why", "nodes")]
        rows += [(each.reason, each.message, some(each.nodes)) for each in told.refused[:most_nodes]]
        hidden = len(told.refused) - len(rows) + 1
        notes = [f"{hidden} more reasons; --nodes all shows them"] if hidden else []
        parts.append(Table(rows, left=3, notes=notes))
    return parts


def _facts(told: Explanation) -> list[tuple[str, str]]:
    facts = [("Pod", f"{told.namespace}/{told.pod}"), ("", told.message)]
    if told.workload:
        many = "" if told.inferences == 1 else "s"
        size = "" if told.inferences is None else f", {told.inferences} inference{many}"
        cores = "" if told.cpu_millis is None else f", {told.cpu_millis / 1000:g} CPU"
        facts.append(("workload", f"{told.workload}{size}{cores}"))
    if told.as_of:
        facts.append(("decided", "now, not earlier" if told.as_of == NOW else told.as_of))
    return facts + _grounds(told) + _planned(told.planned or Planned()) + _placed(told.placed)


def _grounds(told: Explanation) -> list[tuple[str, str]]:
    """What the decision rests on."""
    facts = []
    if told.percentile is not None:
        facts.append(("compared by", f"the seconds that {told.percentile} % of such tasks keep to"))
    if told.filter is not None:
        facts.append(("filter", _step(told.filter)))
    if told.prioritize is not None:
        scores = _step(told.prioritize)
        if told.prioritize.source:
            scores += "; a point adds 10 × the extender's weight to a node's total"
        facts.append(("scores", scores))
    if told.overruled:
        facts.append(("set aside", f"{', '.join(told.overruled)}: would have refused all nodes"))
    versions = dict.fromkeys(each.model_version for each in told.candidates if each.model_version)
    return [*facts, ("model", ", ".join(versions))] if versions else facts


def _placed(placed: Placed | None) -> list[tuple[str, str]]:
    """Where the Pod went."""
    if placed is None:
        return []
    if placed.regret_seconds is None:
        return [("went to", placed.node)]
    if not placed.regret_seconds:
        return [("went to", f"{placed.node}, the best by these figures")]
    later = f"{placed.regret_seconds:.1f} s later than on {placed.best_node}"
    return [("went to", f"{placed.node}, {later} by these figures")]


def _step(step: Step) -> str:
    return Wrong(f"failed open: {step.failed_open}") if step.failed_open else f"based on {step.source}"


def _planned(planned: Planned) -> list[tuple[str, str]]:
    plan, prediction = planned.plan, planned.prediction
    node = planned.node or (plan.node if plan else "") or (prediction.node if prediction else "")
    facts = [("planned", node)] if node else []
    if plan is not None:
        words = [("start", plan.expected_start_time), ("finish", plan.expected_finish_time)]
        words += [("waits for", plan.waits_for), ("gate opened", plan.opened_time), ("amiss", plan.reason)]
        facts += [("", f"{what} {value}") for what, value in words if value]
    if prediction is not None:
        work = prediction.work_milliseconds
        seconds = (prediction.startup_milliseconds + work.median) / 1e3
        upper = (prediction.startup_milliseconds + work.upper) / 1e3
        facts.append(("", f"expected {seconds:.1f} s on {prediction.node} (95 %: {upper:.1f}), {prediction.source}"))
    return facts


def _candidates(candidates: Sequence[Candidates], most_nodes: int | None) -> Table:
    header = ("node", "class", "source", "score", "seconds", "start-up", "work", "pull", "contention", "sharing")
    rows: list[tuple[str, ...]] = [(*header, "median", "upper", "others there")]
    shown = nodes = 0
    for each in candidates:
        nodes += len(each.nodes)
        if most_nodes is None or shown < most_nodes:
            rows.append(_row(each))
            shown += len(each.nodes)
    hidden = nodes - shown
    return Table(rows, left=3, notes=[f"{hidden} more nodes; --nodes all shows them"] if hidden > 0 else [])


def _row(each: Candidates) -> tuple[str, ...]:
    work = each.alone_seconds if each.startup_seconds is None else each.work_seconds
    others = _NONE
    if each.others_cpu_millis is not None and each.allocatable_cpu_millis:
        others = f"{each.others_cpu_millis / 1000:g} of {each.allocatable_cpu_millis / 1000:g} CPU"
    return (
        some(each.nodes) + (" (planned)" if each.is_planned else ""),
        each.node_class or _NONE,
        each.source,
        _NONE if each.score is None else str(each.score),
        _seconds(each.completion_seconds),
        _seconds(each.startup_seconds),
        _seconds(work),
        _seconds(each.pull_seconds),
        _seconds(each.contention_seconds),
        _seconds(each.sharing_seconds),
        _seconds(each.median_seconds),
        _seconds(each.upper_seconds),
        others,
    )


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return _NONE
    return f"{seconds:.4f}" if 0.0 < seconds < _FINELY_BELOW_SECONDS else f"{seconds:.1f}"
