"""`foretide doctor`: gathers, examines, and tells."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, Literal, get_args

import msgspec

from foretide_cli.doctor.examination import Diagnosis, examine, in_brief
from foretide_cli.doctor.finding import Finding
from foretide_cli.doctor.gather import gather
from foretide_cli.extenders import Get
from foretide_cli.tables import table
from foretide_kube.client import KubeClient

Output = Literal["table", "json", "yaml"]


def add_parser(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    words = (
        "Tell what is wrong with an installation, and how each fault is mended; nothing is changed. "
        "docs/cli.md says what is checked, and the rights that it takes."
    )
    command = commands.add_parser(
        "doctor",
        help="what is wrong, and how it is mended",
        description=words,
        epilog="Exit status 1 with an error or a warning, 0 without.",
    )
    command.add_argument("-n", "--namespace", metavar="NS", help="yours, if you may not read all; default: as kubectl")
    command.add_argument(
        "--system-namespace", default="foretide-system", metavar="NS", help="Foretide's; default: foretide-system"
    )
    command.add_argument("-o", "--output", choices=get_args(Output), default="table")


def doctor(
    client: KubeClient,
    namespace: str,
    *,
    system_namespace: str,
    output: Output,
    get: Get,
    clock: Callable[[], float],
    say: Callable[[str], None],
) -> int:
    """Print what is wrong, and how it is mended; 1 if anything is, 0 if nothing of what could be checked.

    ``namespace`` is looked at where all may not be; ``system_namespace`` is where Foretide is if it is found in no
    other alone. ApiError where the API server is out of reach.
    """
    diagnosis = examine(gather(client, namespace, system_namespace, get=get, clock=clock))
    say(_written(diagnosis, output))
    return 0 if diagnosis.is_healthy else 1


def _written(diagnosis: Diagnosis, output: Output) -> str:
    match output:
        case "json":
            return msgspec.json.encode(diagnosis).decode()
        case "yaml":
            return msgspec.yaml.encode(diagnosis).decode().rstrip()
        case "table":
            return in_words(diagnosis)


def in_words(diagnosis: Diagnosis) -> str:
    """What is installed, what each check came to, then each finding with its remedy, which can be copied whole."""
    parts = [
        table(_facts(diagnosis), left=2),
        table([("check", "outcome"), *((each.check, in_brief(each)) for each in diagnosis.checks)], left=2),
    ]
    parts += [_told(finding) for each in diagnosis.checks for finding in each.findings]
    if diagnosis.missing_rights:
        rights = "\n".join(f"  {each}" for each in diagnosis.missing_rights)
        parts.append(f"rights that you lack, for want of which not all was checked (docs/cli.md):\n{rights}")
    return "\n\n".join(parts)


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


def _told(finding: Finding) -> str:
    where = f": {finding.field} = {finding.value}" if finding.value else f": {finding.field}" if finding.field else ""
    lines = [f"{finding.severity} {finding.reason}: {finding.object}{where}", f"  {finding.message}"]
    return "\n".join([*lines, f"  mend: {finding.remedy}"])
