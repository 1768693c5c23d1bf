"""Starts the command: `foretide`, or ``python -m foretide_cli``; failures are one line each."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Final, get_args

from foretide.placement.order import Order
from foretide_cli.doctor.command import add_parser as add_doctor
from foretide_cli.doctor.command import doctor
from foretide_cli.explain import explain
from foretide_cli.export.command import add_parsers, of_cluster, of_file
from foretide_cli.export.document import ExportError
from foretide_cli.export.document import read as read_export
from foretide_cli.export.importing import import_profiles
from foretide_cli.manifests import ManifestError, read_workloads
from foretide_cli.predict import predict
from foretide_cli.profile import profile
from foretide_cli.release import release
from foretide_cli.terminal import Parser, Terminal, add_output
from foretide_kube.client import ApiError
from foretide_kube.connecting import NoWayError, connect, own_namespace
from foretide_kube.forwarding import get_in_pod

_NAME: Final = "foretide"
_FEW: Final = 10
"""So many nodes a table shows if nothing else is asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do as ``arguments`` say; 0 if it was done, 1 if not, 2 for a wrong call or without a way to the API server."""
    parser = command_line(_program())
    options = parser.parse_args(arguments)
    terminal = Terminal(getattr(options, "output", "table"))
    logging.basicConfig(level=logging.ERROR, format="foretide: %(message)s", stream=sys.stderr)
    try:
        status = _done(options, parser, terminal)
        print(end="", flush=True)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads has enough, as head; what is flushed at the end must go somewhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    finally:
        terminal.progress("")
    return status


def _done(options: argparse.Namespace, parser: argparse.ArgumentParser, terminal: Terminal) -> int:
    """What the command comes to; each thing that it cannot do without is one line where that is missing."""
    try:
        return _do(options, parser, terminal)
    except (ExportError, ManifestError, NoWayError) as error:
        return terminal.complain(str(error), status=2)
    except ApiError as error:
        return terminal.complain(_in_words(error))


def _do(options: argparse.Namespace, parser: argparse.ArgumentParser, terminal: Terminal) -> int:
    match options.command:
        case "simulate":
            return _simulate(options, terminal)
        case "predict":
            return _predict(options, terminal)
        case "profile":
            return profile(
                read_workloads(options.file, None, sys.stdin.read),
                models=options.models,
                max_seconds=options.max_seconds,
                show=terminal.show,
                progress=terminal.progress,
                complain=terminal.complain,
            )
        case "explain":
            return _explain(options, terminal)
        case "doctor":
            return _doctor(options, terminal)
        case "completion":
            return _completion(options.shell, terminal)
        case "import":
            return _import(options, terminal)
        case "export" | "report":
            return _report(options, parser, terminal)
        case _:
            return _release(options, parser, terminal)


def _simulate(options: argparse.Namespace, terminal: Terminal) -> int:
    try:
        from foretide_cli.simulate import audit, simulate  # noqa: PLC0415  what the other commands do without
    except ImportError as error:
        missing = f"{error.name} is missing: pip install '.[simulate]' in the checkout of Foretide"
        return terminal.complain(missing, status=2)
    do = audit if options.audit else simulate
    return do(
        options.scenario,
        options.policy,
        show=terminal.show,
        progress=terminal.progress,
        complain=lambda problem: terminal.complain(problem, status=2),
    )


def _release(options: argparse.Namespace, parser: argparse.ArgumentParser, terminal: Terminal) -> int:
    if options.names and (options.all_namespaces or len(options.namespace or ()) > 1):
        parser.error("names of Pods need one namespace: leave out --all-namespaces and others, or the names")
    client = connect()

    def in_one(namespace: str | None) -> int:
        try:
            return release(
                client,
                namespace,
                options.names,
                is_trial=options.dry_run,
                say=terminal.say,
                complain=terminal.complain,
            )
        except ApiError as error:
            if error.status != HTTPStatus.FORBIDDEN:
                raise
            return terminal.complain(_in_words(error))  # in others one may, where this one is gone for example

    return max(map(in_one, [None] if options.all_namespaces else options.namespace or [own_namespace()]))


def _predict(options: argparse.Namespace, terminal: Terminal) -> int:
    workloads = read_workloads(options.file, options.namespace, sys.stdin.read, own_namespace)
    return predict(
        connect(),
        workloads,
        order=options.order,
        most_nodes=options.nodes,
        clock=time.time,
        show=terminal.show,
        complain=terminal.complain,
    )


def _explain(options: argparse.Namespace, terminal: Terminal) -> int:
    return explain(
        connect(),
        options.namespace or own_namespace(),
        options.name,
        system_namespace=options.system_namespace,
        most_nodes=options.nodes,
        get=get_in_pod,
        show=terminal.show,
        complain=terminal.complain,
    )


def _doctor(options: argparse.Namespace, terminal: Terminal) -> int:
    return doctor(
        connect(),
        options.namespace or own_namespace(),
        system_namespace=options.system_namespace,
        get=get_in_pod,
        clock=time.time,
        show=terminal.show,
    )


def _completion(shell: str, terminal: Terminal) -> int:
    try:
        import shtab  # noqa: PLC0415  what the other commands do without
    except ImportError:
        return terminal.complain("shtab is missing: pip install '.[kube]' in the checkout of Foretide", status=2)
    terminal.say(shtab.complete(command_line(_NAME), shell=shell))
    return 0


def _report(options: argparse.Namespace, parser: argparse.ArgumentParser, terminal: Terminal) -> int:
    if options.saved is None:
        return of_cluster(connect(), options, terminal)
    if options.explain or options.namespace:
        parser.error("--from reads a saved export: leave out --explain and --namespace, or --from")
    return of_file(options, terminal)


def _import(options: argparse.Namespace, terminal: Terminal) -> int:
    export = read_export(options.saved)
    return import_profiles(
        export,
        connect(),
        namespace=options.namespace,
        trusts_names=options.trust_names,
        is_trial=options.dry_run,
        say=terminal.say,
        progress=terminal.progress,
        complain=terminal.complain,
    )


def command_line(program: str) -> argparse.ArgumentParser:
    """The parser of all commands; ``program`` is what the command is called."""
    parser = Parser(
        prog=program,
        description="Foretide in the cluster that KUBECONFIG names.",
        epilog="Exit status: 0 on success, 1 on failure, 2 for wrong usage, a file that cannot be used, or no cluster "
        "to connect to, 130 if interrupted, 141 if the reader of the output went away.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")
    words = (
        "Simulate a scenario (YAML) or a trace (JSON) under several policies. docs/simulation.md describes the files."
    )
    command = commands.add_parser("simulate", help="compare policies on a scenario", description=words)
    command.add_argument("scenario", type=Path, metavar="FILE")
    command.add_argument("--policy", action="append", default=[], metavar="NAME", help="this policy only; repeatable")
    command.add_argument("--audit", action="store_true", help="why the plan left nodes idle, and whether it was right")
    add_output(command)
    words = (
        "Predict how long a task of an AIWorkload takes on each node class, and when it would end on each node now; "
        "nothing is created. docs/cli.md says where the figures come from."
    )
    command = commands.add_parser(
        "predict",
        help="how long a workload would take and wait",
        description=words,
        epilog="Exit status 1 also if nothing is predicted for one of the workloads.",
    )
    command.add_argument("-f", "--file", action="append", required=True, metavar="FILE", help="manifest; - for stdin")
    words = "for manifests that name no namespace; default: as kubectl"
    command.add_argument("-n", "--namespace", metavar="NS", help=words)
    command.add_argument(
        "--nodes", type=_count, default=_FEW, metavar="N", help=f"number of nodes to show, or all; default: {_FEW}"
    )
    command.add_argument("--order", choices=get_args(Order), default="Balanced", help="planner.order of the chart")
    add_output(command)
    words = (
        "Measure how long an AIWorkload takes on this machine, without a cluster, with all CPUs that are available "
        "here. docs/cli.md says what it needs."
    )
    command = commands.add_parser("profile", help="how long a workload takes on this machine", description=words)
    command.add_argument("-f", "--file", action="append", required=True, metavar="FILE", help="manifest; - for stdin")
    command.add_argument(
        "--models",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="folder of the model files; spec.model.file.path is relative to it",
    )
    words = "the longest that one measurement lasts, in seconds; default: 30"
    command.add_argument("--max-seconds", type=_seconds, default=30.0, metavar="N", help=words)
    add_output(command)
    words = (
        "Explain why a Pod went where it went: every candidate with its terms, refused nodes with the reason, and the "
        "plan. docs/explain.md describes the columns and the rights needed."
    )
    command = commands.add_parser("explain", help="why a Pod went where it went", description=words)
    command.add_argument("kind", choices=("pod",), metavar="pod")
    command.add_argument("name", metavar="NAME")
    command.add_argument("-n", "--namespace", metavar="NS", help="namespace of the Pod; default: as kubectl")
    command.add_argument(
        "--nodes", type=_count, default=_FEW, metavar="N", help=f"number of nodes to show, or all; default: {_FEW}"
    )
    words = "namespace of Foretide; default: foretide-system"
    command.add_argument("--system-namespace", default="foretide-system", metavar="NS", help=words)
    add_output(command)
    add_doctor(commands)
    add_parsers(commands)
    words = "Open the gate foretide.dev/plan of waiting Pods: they are placed at once, without a plan."
    command = commands.add_parser("release", help="open the gates of waiting Pods", description=words)
    where = command.add_mutually_exclusive_group()
    words = "namespace of the Pods; may be repeated; default: as kubectl"
    where.add_argument("-n", "--namespace", metavar="NS", action="append", help=words)
    where.add_argument("-A", "--all-namespaces", action="store_true", help="Pods in all namespaces")
    command.add_argument("--dry-run", action="store_true", help="show which gates would be opened, and open none")
    command.add_argument("names", nargs="*", metavar="NAME", help="only these Pods; default: all waiting Pods")
    words = "Print a script that completes commands and options in a shell. docs/cli.md says where it goes."
    command = commands.add_parser("completion", help="shell completion", description=words)
    command.add_argument("shell", choices=("bash", "zsh", "fish"))
    return parser


def _program() -> str:
    """The command's name: as a plugin, kubectl's comes first."""
    return "kubectl foretide" if Path(sys.argv[0]).name.startswith("kubectl-") else _NAME


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of nodes; write one, for example 10, or all")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write seconds, above 0 and up to 86400")
    return seconds


def _in_words(error: ApiError) -> str:
    if error.status == 0:
        return f"the API server cannot be reached: {error.message}"
    if error.status == 401:
        return "the API server does not know these credentials (401); check KUBECONFIG"
    if error.is_not_found:
        return f"the cluster lacks what is asked for ({error.message}); is Foretide installed there? docs/install.md"
    return f"the API server refused: {error.message or error.reason}"


if __name__ == "__main__":
    sys.exit(main())
