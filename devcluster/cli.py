"""The command line: `python -m devcluster up|down|status|images|kubectl|helm|exec|preflight`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from devcluster import binaries, leftovers, preflight
from devcluster.cluster import Cluster, down
from devcluster.errors import DevclusterError
from devcluster.images.catalogue import CATALOGUE, archive
from devcluster.paths import PACKAGE
from devcluster.progress import timed
from devcluster.spec import ClusterSpec

_DEFAULT_SPEC = PACKAGE / "clusters" / "demo.yaml"


def main(arguments: Sequence[str]) -> int:
    """Carry out one command; return 0, or 1 with the reason and message on stderr."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.action(options)
    except DevclusterError as error:
        print(f"{error.reason}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been removed", file=sys.stderr)
        return 130
    return status


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

    for program, text in (
        ("kubectl", "run kubectl"),
        ("helm", "run helm"),
        ("exec", "run a command in the cluster's network"),
    ):
        command = commands.add_parser(program, help=f"{text}; python -m devcluster {program} [--name NAME] ARGUMENT …")
        command.add_argument("--name", default="demo")
        command.add_argument("words", nargs=argparse.REMAINDER)
        command.set_defaults(action=_run, program=program)

    images = commands.add_parser("images", help="build images, all of the catalogue or those named")
    images.add_argument("images", nargs="*", metavar="IMAGE", help=", ".join(CATALOGUE))
    images.set_defaults(action=_images)

    check = commands.add_parser("preflight", help="say what this machine lacks")
    check.add_argument("--spec", default=_DEFAULT_SPEC)
    check.set_defaults(action=_preflight)
    return parser


def _up(options: argparse.Namespace) -> int:
    cluster = Cluster.up(ClusterSpec.load(options.spec), images=options.image, progress=_say, replace=options.replace)
    cluster.detach()
    _say(f"export KUBECONFIG={cluster.kubeconfig}")
    return 0


def _down(options: argparse.Namespace) -> int:
    names = sorted(leftovers.clusters()) if options.all else [options.name]
    for name in names:
        down(name, _say)
    if not names:
        _say("no cluster is up")
    return 0


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


def _run(options: argparse.Namespace) -> int:
    cluster = Cluster.attach(options.name)
    if options.program == "kubectl":
        argv = [*cluster.kubectl_argv(), *options.words]
    elif options.program == "helm":
        argv = [str(binaries.ensure(["helm"], _say)["helm"]), "--kubeconfig", str(cluster.kubeconfig), *options.words]
    else:
        argv = cluster.exec_argv(*options.words)
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606


def _images(options: argparse.Namespace) -> int:
    steps = timed(_say)
    for name in options.images or CATALOGUE:
        path = archive(name, steps)
        _say(f"{name:<16} {path.stat().st_size >> 20:>5} MiB  {CATALOGUE[name].reference}")
    return 0


def _preflight(options: argparse.Namespace) -> int:
    findings = preflight.findings(ClusterSpec.load(options.spec))
    for finding in findings:
        _say(f"{'missing' if finding.problem else 'ok':<8} {finding.problem or finding.what}")
    return 1 if any(finding.problem for finding in findings) else 0


def _say(line: str) -> None:
    print(line, flush=True)
