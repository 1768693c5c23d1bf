"""All checks, in the order in which faults cause each other, and what they came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

import msgspec

from foretide_cli.doctor.autoscalers import autoscalers
from foretide_cli.doctor.calls import calls, external_scheduler, filter_calls
from foretide_cli.doctor.classes import classes
from foretide_cli.doctor.finding import Finding, Severity
from foretide_cli.doctor.installation import definitions, installation
from foretide_cli.doctor.observed import Mode, Observed
from foretide_cli.doctor.rights import rights
from foretide_cli.doctor.tasks import tasks
from foretide_cli.doctor.versions import installed_images, versions
from foretide_cli.doctor.workloads import workloads

Outcome = Literal["Healthy", "Problems", "NotChecked"]


class Checked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one check came to; ``unread`` names what it could not look at."""

    check: str
    outcome: Outcome
    findings: list[Finding]
    unread: list[str]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What `foretide doctor` tells; ``images`` are by part, ``missing_rights`` those of who asks.

    ``filter_calls`` is how often the extenders were asked since they were started; None where none can be reached.
    """

    namespace: str
    mode: Mode | None
    command_version: str
    installed_version: str
    kubernetes_version: str
    images: dict[str, str]
    filter_calls: int | None
    checks: list[Checked]
    missing_rights: list[str]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is worse than to be known."""
        return all(each.severity == "Note" for one in self.checks for each in one.findings)


@dataclass(frozen=True, slots=True)
class _Check:
    """A check, and the fields of `Observed` without any of which it says nothing, or not all."""

    name: str
    look: Callable[[Observed], Iterator[Finding]]
    looks_at: tuple[str, ...]


_CHECKS: Final = (
    _Check("definitions", definitions, ("fields",)),
    _Check("installation", installation, ("deployments", "parts")),
    _Check("versions", versions, ("deployments",)),
    _Check("rights", rights, ("lacking",)),
    _Check("extender", calls, ("deployments", "extenders", "tasks")),
    _Check("external scheduler", external_scheduler, ("deployments", "cluster_schedulers")),
    _Check("node classes", classes, ("nodes", "classes")),
    _Check("workloads", workloads, ("workloads",)),
    _Check("tasks", tasks, ("deployments", "tasks", "unbound")),
    _Check("autoscalers", autoscalers, ("autoscalers",)),
)
_EXTERNAL_ALONE: Final = frozenset({"external scheduler"})


def examine(observed: Observed) -> Diagnosis:
    """What all checks find, the worst of each first."""
    mode = observed.mode
    reached = [each for each in observed.extenders or () if not each.problem]
    wanted = [each for each in _CHECKS if mode == "external" or each.name not in _EXTERNAL_ALONE]
    return Diagnosis(
        namespace=observed.namespace,
        mode=mode,
        command_version=observed.cli_version,
        installed_version=observed.installed_version,
        kubernetes_version=observed.kubernetes_version,
        images=installed_images(observed),
        filter_calls=filter_calls(reached) if reached else None,
        checks=[_checked(each, observed) for each in wanted],
        missing_rights=list(observed.missing),
    )


def _checked(check: _Check, observed: Observed) -> Checked:
    order = get_args(Severity)
    findings = sorted(check.look(observed), key=lambda each: order.index(each.severity))
    unread = [name for name in check.looks_at if getattr(observed, name) is None]
    if any(each.severity != "Note" for each in findings):
        outcome: Outcome = "Problems"
    else:
        outcome = "NotChecked" if unread else "Healthy"
    return Checked(check=check.name, outcome=outcome, findings=findings, unread=unread)


def in_brief(checked: Checked) -> str:
    """The outcome of a check in a few words."""
    counts = Counter(each.severity.lower() for each in checked.findings)
    words = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items()]
    if checked.unread:
        words.append(f"not all could be checked: {', '.join(each.replace('_', ' ') for each in checked.unread)}")
    return "; ".join(words) or "ok"
