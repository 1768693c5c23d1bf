"""The command line: `python -m devcluster up|down|status|images|kubectl|helm|exec|preflight`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from devcluster import binaries, inotify, leftovers, packages, preflight, versions
from devcluster.cluster import Cluster, down
from devcluster.errors import DevclusterError
from devcluster.images.catalogue import CATALOGUE, archive
from devcluster.paths import PACKAGE
from devcluster.progress import timed
from devcluster.spec import ClusterSpec

_DEFAULT_SPEC = PACKAGE / "clusters" / "demo.yaml"
_PROGRAMS = {"kubectl": "run kubectl", "helm": "run helm", "exec": "run a command in the cluster's network"}


def main(arguments: Sequence[str]) -> int:
    """Carry out one command; return 0, or 1 with the reason and message on stderr."""
    own, words = split(arguments)
    options = _parser().parse_args(own)
    try:
        status: int = options.action(options, words) if options.action is _run else options.action(options)
    except DevclusterError as error:
        print(f"{error.reason}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been removed", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read this has seen enough (`status | head`); nothing may be flushed there at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part a call into devcluster's own words and those that kubectl, helm or a command gets as they are.

    Only a leading `--name NAME` is devcluster's own; a `--` after it may stand or not.
    """
    if not arguments or arguments[0] not in _PROGRAMS:
        return list(arguments), []
    own = 1
    if arguments[1:2] == ["--name"]:
        own = 3
    elif arguments[1:] and arguments[1].startswith("--name="):
        own = 2
    words = list(arguments[own:])
    return list(arguments[:own]), words[1:] if words[:1] == ["--"] else words


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devcluster", description="Real Kubernetes on one Linux machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="bring a cluster up and leave it up")
    up.add_argument("--spec", default=_DEFAULT_SPEC, help="cluster description (default: the demo's)")
    up.add_argument("--image", action="append", default=[], help="an image of the catalogue that every node shall have")
    up.add_argument("--replace", action="store_true", help="take down a cluster of the name first")
    up.set_defaults(action=_up)

    take_down = commands.add_parser("down", help="take a cluster down, or remove what a killed run left")
    take_down.add_argument("name", nargs="?", default="demo")
    take_down.add_argument("--all", action="store_true", help="every cluster of this machine")
    take_down.set_defaults(action=_down)

    status = commands.add_parser("status", help="list clusters, their nodes and what they hold")
    status.set_defaults(action=_status)

    for program, text in _PROGRAMS.items():
        usage = f"devcluster {program} [--name NAME] [--] ARGUMENT …"
        command = commands.add_parser(program, help=text, usage=usage)
        command.add_argument("--name", default="demo")
        command.set_defaults(action=_run, program=program)

    images = commands.add_parser("images", help="build images, all of the catalogue or those named")
    images.add_argument("images", nargs="*", metavar="IMAGE", help=", ".join(CATALOGUE))
    images.set_defaults(action=_images)

    check = commands.add_parser("preflight", help="say what this machine lacks")
    check.add_argument("--spec", default=_DEFAULT_SPEC)
    check.add_argument("--install", action="store_true", help="install and set what can be, then check")
    check.add_argument("--for-tests", action="store_true", help="what the tests need as well")
    check.set_defaults(action=_preflight)
    return parser


def _up(options: argparse.Namespace) -> int:
    cluster = Cluster.up(ClusterSpec.load(options.spec), images=options.image, progress=_say, replace=options.replace)
    cluster.detach()
    _say(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def _down(options: argparse.Namespace) -> int:
    if not options.all:
        down(options.name, _say)
        return 0
    names, failures = sorted(leftovers.clusters()), []
    for name in names:
        try:
            down(name, _say)
        except DevclusterError as error:  # the others shall go all the same
            failures.append(f"{error.reason}: {error}")
    if not names:
        _say("no cluster is up")
    for failure in failures:
        print(failure, file=sys.stderr)
    return 1 if failures else 0


def _status(_options: argparse.Namespace) -> int:
    for name in sorted(leftovers.clusters()):
        try:
            cluster = Cluster.attach(name)
            ready = cluster.ready_nodes()
        except (DevclusterError, OSError):
            _say(f"{name}: remains of a run; python -m devcluster down {name}")
            continue
        _say(f"{name}: {'kept' if cluster.detached else 'in use'}, KUBECONFIG={cluster.kubeconfig}")
        for node in cluster.spec.nodes:
            kind = node.node_class
            state = "Ready" if node.name in ready else "NotReady"
            size = f"{kind.cpus} x {kind.speed:.2f} CPU, {kind.memory_mib} MiB"
            _say(f"  {node.name:<20} {state:<9} {kind.name:<14} {size}")
    return 0


def _run(options: argparse.Namespace, words: Sequence[str]) -> int:
    cluster = Cluster.attach(options.name)
    if options.program == "kubectl":
        argv = [*cluster.kubectl_argv(), *words]
    elif options.program == "helm":
        argv = [str(binaries.ensure(["helm"], _say)["helm"]), "--kubeconfig", str(cluster.kubeconfig), *words]
    else:
        argv = cluster.exec_argv(*words)
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606


def _images(options: argparse.Namespace) -> int:
    steps = timed(_say)
    for name in options.images or CATALOGUE:
        path = archive(name, steps)
        reference = CATALOGUE[name].reference.format(kubernetes=versions.chosen())
        _say(f"{name:<16} {path.stat().st_size >> 20:>5} MiB  {reference}")
    return 0


def _preflight(options: argparse.Namespace) -> int:
    spec = ClusterSpec.load(options.spec)
    if options.install:
        packages.install(preflight.missing_packages(spec, for_tests=options.for_tests), _say)
        inotify.make_room(len(spec.nodes), _say)
    findings = preflight.findings(spec, for_tests=options.for_tests)
    for finding in findings:
        _say(f"{'missing' if finding.problem else 'ok':<8} {finding.problem or finding.what}")
    return 1 if any(finding.problem for finding in findings) else 0


def _say(line: str) -> None:
    print(line, flush=True)
