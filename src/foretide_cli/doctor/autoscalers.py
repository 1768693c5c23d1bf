"""What an autoscaler of nodes makes of tasks that wait for us."""

from __future__ import annotations

from collections.abc import Iterator

from foretide_cli.doctor.finding import LIMITS, Finding
from foretide_cli.doctor.observed import Observed


def autoscalers(observed: Observed) -> Iterator[Finding]:
    """In external mode it never adds a node for a task; else it sees a task once its gate is open."""
    for name in observed.autoscalers or ():
        is_external = observed.mode == "external"
        yield Finding(
            severity="Warning" if is_external else "Note",
            reason="AutoscalerBlind" if is_external else "AutoscalerSeesOpenedTasks",
            object=name,
            field="spec.containers[0].resources.limits[foretide.dev/task]" if is_external else "spec.schedulingGates",
            message="no node of its groups has this resource, so it adds none for tasks that request it"
            if is_external
            else "it does not see tasks behind the gate: it adds nodes only for those whose gate is open",
            remedy=f"{LIMITS} (External scheduler mode; Autoscalers)",
        )
