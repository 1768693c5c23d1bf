"""`foretide doctor`: gathers, examines, and tells."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Final

from foretide_cli.doctor.examination import Checked, Diagnosis, examine, in_brief
from foretide_cli.doctor.finding import Finding, Severity
from foretide_cli.doctor.gather import gather
from foretide_cli.extenders import Get
from foretide_cli.tables import Doubtful, Part, Table, Wrong
from foretide_cli.terminal import Show, add_output
from foretide_kube.client import KubeClient

_TONES: Final[dict[Severity, type[str]]] = {"Error": Wrong, "Warning": Doubtful, "Note": str}


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    words = (
        "Check an installation, and name the remedy for each fault; nothing is changed. "
        "docs/cli.md says what is checked, and the rights needed."
    )
    command = commands.add_parser(
        "doctor",
        help="what is wrong with an installation, and the remedy",
        description=words,
        epilog="Exit status 1 with an error or a warning, 0 without.",
    )
    words = "your namespace, if you may not read all; default: as kubectl"
    command.add_argument("-n", "--namespace", metavar="NS", help=words)
    words = "namespace of Foretide; default: foretide-system"
    command.add_argument("--system-namespace", default="foretide-system", metavar="NS", help=words)
    add_output(command)


def doctor(
    client: KubeClient,
    namespace: str,
    *,
    system_namespace: str,
    get: Get,
    clock: Callable[[], float],
    show: Show,
) -> int:
    """Print what is wrong, and the remedy; 1 if anything is, 0 if nothing of what could be checked.

    ``namespace`` is looked at where all may not be; ``system_namespace`` is where Foretide is if it is found in no
    other alone. ApiError where the API server is out of reach.
    """
    diagnosis = examine(gather(client, namespace, system_namespace, get=get, clock=clock))
    show(diagnosis, told(diagnosis))
    return 0 if diagnosis.is_healthy else 1


def told(diagnosis: Diagnosis) -> list[Part]:
    """What is installed, what each check came to, then each finding with its remedy, which can be copied whole."""
    parts: list[Part] = [
        Table(_facts(diagnosis), left=2, headed=False),
        Table([("check", "outcome"), *((each.check, _outcome(each)) for each in diagnosis.checks)], left=2),
    ]
    parts += [_finding(finding) for each in diagnosis.checks for finding in each.findings]
    if diagnosis.missing_rights:
        head = "rights that you lack, so that not all was checked (docs/cli.md):"
        parts.append((head, *(f"  {each}" for each in diagnosis.missing_rights)))
    return parts


def _facts(diagnosis: Diagnosis) -> list[tuple[str, str]]:
    calls = "-" if diagnosis.filter_calls is None else f"{diagnosis.filter_calls} filter calls since it was started"
    installed = f"{diagnosis.installed_version or '(none found)'} in namespace {diagnosis.namespace}"
    return [
        ("Foretide", installed),
        ("mode", diagnosis.mode or "-"),
        ("command", diagnosis.command_version or "-"),
        ("Kubernetes", diagnosis.kubernetes_version or "-"),
        *diagnosis.images.items(),
        ("asked", calls),
    ]


def _outcome(checked: Checked) -> str:
    """The outcome of a check in a few words, of the tone of the worst that it found."""
    return _TONES[checked.findings[0].severity if checked.findings else "Note"](in_brief(checked))


def _finding(finding: Finding) -> tuple[str, ...]:
    where = f": {finding.field} = {finding.value}" if finding.value else f": {finding.field}" if finding.field else ""
    head = f"{finding.severity} {finding.reason}: {finding.object}{where}"
    return _TONES[finding.severity](head), f"  {finding.message}", f"  remedy: {finding.remedy}"
