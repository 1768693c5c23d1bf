"""`foretide export`, `foretide report` and `foretide import`: a cluster as a file, as a page, and given to another."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

from foretide_cli.asking import Extenders, NotToldError
from foretide_cli.export.document import Export, Task, encode, read
from foretide_cli.export.gathering import gather
from foretide_cli.extenders import Get
from foretide_cli.report.compared import all_compared, worst
from foretide_cli.report.misses import MOST_MISSES
from foretide_cli.report.page import page
from foretide_cli.report.words import count
from foretide_cli.terminal import Terminal
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.connecting import own_cluster, own_namespace
from foretide_kube.forwarding import get_in_pod

STANDARD_OUTPUT: Final = "-"
DEFAULT_PAGE: Final = "foretide-report.html"


def add_parsers(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the three commands."""
    words = (
        "Write one HTML page that needs no network: where workloads run fastest, how good predictions were, what is "
        "known of the worst misses. docs/report.md says how to read it."
    )
    report = commands.add_parser("report", help="an HTML page on how good predictions are", description=words)
    report.add_argument(
        "file", nargs="?", default=DEFAULT_PAGE, metavar="FILE", help=f"- for stdout; default: {DEFAULT_PAGE}"
    )
    words = "read a file of foretide export instead of the cluster"
    report.add_argument("--from", dest="saved", type=Path, metavar="EXPORT", help=words)
    words = "Save the data of the cluster that the report needs, as one JSON document. docs/report.md describes it."
    export = commands.add_parser("export", help="save the data that the report needs", description=words)
    export.add_argument("file", metavar="FILE", help="- for stdout")
    export.set_defaults(saved=None)
    for command in (report, export):
        words = "this namespace only; default: all that you may read"
        command.add_argument("-n", "--namespace", metavar="NS", help=words)
        command.add_argument("--explain", action="store_true", help="ask the extender about the worst misses")
        words = "namespace of Foretide; default: foretide-system"
        command.add_argument("--system-namespace", default="foretide-system", metavar="NS", help=words)

    words = (
        "Create the WorkloadProfiles of an export in this cluster, where the same AIWorkloads exist and node classes "
        "have the same hardware by their probes. docs/report.md has the conditions."
    )
    given = commands.add_parser(
        "import",
        help="import measurements from another cluster",
        description=words,
        epilog="Exit status 0 even if all were left out, 1 if the API server refused one.",
    )
    given.add_argument("saved", type=Path, metavar="FILE", help="file of foretide export")
    given.add_argument("-n", "--namespace", metavar="NS", help="profiles of this namespace only")
    words = "take classes of the same name for the same hardware, without comparing probes"
    given.add_argument("--trust-names", action="store_true", help=words)
    given.add_argument("--dry-run", action="store_true", help="show what would be imported, and import nothing")


def of_cluster(client: KubeClient, options: argparse.Namespace, terminal: Terminal) -> int:
    """Read the cluster and write what is asked for; 1 where nothing may be read, 2 where the file cannot be written.

    ApiError where something else than a right is missing.
    """
    export = gather(
        client,
        [options.namespace] if options.namespace else None,
        own=own_namespace(),
        clock=time.time,
        source=own_cluster(),
        version=metadata.version("foretide"),
        progress=terminal.progress,
    )
    if export.missing:
        terminal.complain(f"not all could be read: missing rights to {'; '.join(export.missing)}")
        if not (export.workloads or export.profiles or export.tasks or export.node_classes):
            return 1
    if options.explain:
        export = explained(
            export,
            client,
            system_namespace=options.system_namespace,
            get=get_in_pod,
            progress=terminal.progress,
            complain=terminal.complain,
        )
    return _write(export, options, terminal)


def of_file(options: argparse.Namespace, terminal: Terminal) -> int:
    """Write what is asked for of what was saved; 2 where a file cannot be written. ExportError where none was saved."""
    terminal.progress(f"reading {options.saved}")
    return _write(read(options.saved), options, terminal)


def explained(
    export: Export,
    client: KubeClient,
    *,
    system_namespace: str,
    get: Get,
    progress: Callable[[str], None],
    complain: Callable[[str], object],
) -> Export:
    """The export with what the extender keeps of its decisions on the worst misses.

    Where it cannot be asked, or does not answer, that is complained of.
    """
    asked: dict[tuple[str, str], Task] = {}
    try:
        extenders = Extenders(client, system_namespace, get)
        for row in worst(all_compared(export.tasks), MOST_MISSES):
            progress(f"asking the extender about {row.task.namespace}/{row.task.pod}")
            told, _ = extenders.ask(row.task.namespace, row.task.pod)
            asked[row.task.namespace, row.task.pod] = msgspec.structs.replace(row.task, explanation=told)
    except NotToldError as error:
        complain(str(error))
    except ApiError as error:
        complain(error.message or error.reason)
    tasks = tuple(asked.get((task.namespace, task.pod), task) for task in export.tasks)
    return msgspec.structs.replace(export, tasks=tasks)


def _write(export: Export, options: argparse.Namespace, terminal: Terminal) -> int:
    terminal.progress(f"making the {'document' if options.command == 'export' else 'page'}")
    data = encode(export) if options.command == "export" else page(export).encode()
    if options.file == STANDARD_OUTPUT:
        terminal.write(data)
        return 0
    try:
        Path(options.file).write_bytes(data)
    except OSError as error:
        return terminal.complain(f"{options.file}: {error.strerror or error}", status=2)
    ended = count(len(export.tasks), "task")
    terminal.say(f"{options.file}: {count(len(export.workloads), 'workload')}, {ended} that ended")
    return 0
