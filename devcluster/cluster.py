"""A cluster from the outside: bring it up, use it, and take it down whatever happens."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from devcluster import (
    binaries,
    cgroups,
    cleanup,
    inotify,
    kubeconfig,
    leftovers,
    netns,
    packages,
    preflight,
    processes,
    relay,
)
from devcluster.api import Api
from devcluster.command import run
from devcluster.controlplane import ADDRESS, PORT, SERVER, ControlPlane
from devcluster.controlplane import PROGRAMS as CONTROL_PLANE_PROGRAMS
from devcluster.errors import ClusterInUseError, ClusterNotFoundError, CommandError, DevclusterError, StartError
from devcluster.images import catalogue, template
from devcluster.locks import Lock
from devcluster.node import PROGRAMS as NODE_PROGRAMS
from devcluster.node import RunningNode
from devcluster.nodeconfig import NodePlace, manifest
from devcluster.paths import ClusterPaths
from devcluster.progress import Progress, timed
from devcluster.spec import ClusterSpec, parse

_READY_SECONDS = 120.0
_RELAY = "relay/api"


class Cluster:
    """A cluster that is up.

    `Cluster.up` makes one and owns it: leaving the `with` block takes it down, also by an exception, Ctrl-C or SIGTERM.
    After a kill -9 the next `up` or `down` of the name removes what is left. `detach` leaves it up for other processes,
    which reach it by `Cluster.attach`.
    """

    def __init__(
        self,
        spec: ClusterSpec,
        programs: Mapping[str, Path],
        *,
        port: int = 0,
        token: str = "",
        lock: Lock | None = None,
        progress: Progress = lambda _line: None,
    ) -> None:
        self.spec = spec
        self.paths = ClusterPaths.of(spec.name)
        self._programs = programs
        self._port = port
        self._token = token
        self._lock = lock
        self._progress = progress
        self._control_plane = ControlPlane(self.paths.control_plane, spec.audit)

    @classmethod
    def up(
        cls,
        spec: ClusterSpec,
        *,
        images: Sequence[str | Path] = (),
        progress: Progress = lambda _line: None,
        replace: bool = False,
    ) -> Self:
        """Bring a cluster up and return it when the API server and every node are ready.

        `images` are names of the catalogue (`operator`, `profiler-onnx`, …), built when the cache has none, or
        archives; every node has them all. `replace` takes down a cluster of the name that was left up on purpose.
        Raises `PreflightError`, `ClusterInUseError`, `BinaryError`, `ImageBuildError` or `StartError`, and leaves
        nothing.
        """
        steps = timed(progress)
        packages.install(preflight.missing_packages(spec), steps)
        inotify.make_room(len(spec.nodes), steps)
        preflight.check(spec)
        lock = Lock(ClusterPaths.of(spec.name).lock)
        if not lock.try_acquire():
            lock.release()
            raise ClusterInUseError(
                f"{spec.name}: another process is using the cluster; end it, or give this one another name"
            )
        try:
            _clear_remains(spec.name, steps, replace=replace)
            names = [*CONTROL_PLANE_PROGRAMS, *(NODE_PROGRAMS if spec.nodes else ())]
            programs = binaries.ensure(names, steps, spec.kubernetes)
            cluster = cls(spec, programs, lock=lock, progress=steps)
            with _terminable():
                try:
                    root = None
                    if spec.nodes:
                        archives = [catalogue.archive(image, steps, spec.kubernetes) for image in ("pause", *images)]
                        root = template.ensure(archives, programs, steps)
                    cluster._start(root)
                except BaseException:
                    cleanup.remove(spec.name)
                    raise
        except BaseException:
            lock.release()
            raise
        return cluster

    @classmethod
    def attach(cls, name: str) -> Self:
        """Return a cluster that another process has brought up, without owning it; raises `ClusterNotFoundError`."""
        paths = ClusterPaths.of(name)
        try:
            record: dict[str, Any] = json.loads(paths.record.read_text())
            spec = parse(record["spec"])
        except (FileNotFoundError, ValueError, KeyError) as error:
            raise ClusterNotFoundError(
                f"{name}: no cluster of this name is up; python -m devcluster status lists them"
            ) from error
        programs = {program: Path(path) for program, path in record["programs"].items()}
        return cls(spec, programs, port=record["port"], token=record["token"])

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.spec.name

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for programs on the host."""
        return self.paths.kubeconfig

    @property
    def audit_log(self) -> Path:
        """The API server's audit log, one JSON object a line; written where the description says `audit: true`."""
        return self._control_plane.audit_log

    @property
    def detached(self) -> bool:
        """Whether the cluster was left up on purpose."""
        record: dict[str, Any] = json.loads(self.paths.record.read_text())
        return bool(record["detached"])

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout_seconds: float | None = 120) -> str:
        """Run kubectl on the host and return its stdout; raises `CommandError` with its stderr."""
        return run([*self.kubectl_argv(), *arguments], stdin=stdin, timeout_seconds=timeout_seconds)

    def kubectl_argv(self) -> list[str]:
        """Return the words that start kubectl for this cluster."""
        return [str(self._programs["kubectl"]), "--kubeconfig", str(self.kubeconfig)]

    def helm(self, *arguments: str, program: str = "helm", timeout_seconds: float | None = 300) -> str:
        """Run helm, or `helm4`, on the host and return its stdout; raises `CommandError` with its stderr."""
        helm = binaries.ensure([program], self._progress)[program]
        return run([helm, "--kubeconfig", self.kubeconfig, *arguments], timeout_seconds=timeout_seconds)

    def exec_argv(self, *argv: str) -> list[str]:
        """Return the words that run a command inside the cluster's network, where pods have their addresses."""
        return [*netns.enter(self.name), *argv]

    def write_kubeconfig(self, path: Path, token: str = "") -> None:
        """Write a kubeconfig for programs inside the cluster's network; without a token, the administrator's."""
        kubeconfig.write(path, SERVER, self._control_plane.authority, token or self._token, self.name)

    @contextmanager
    def running(self, component: str, argv: Sequence[str | Path], **environment: str) -> Iterator[None]:
        """Run a program inside the cluster's network while the block lasts; `component` names it and its log."""
        processes.spawn(
            [*self.exec_argv(), *argv],
            cluster=self.name,
            component=component,
            log=self._log(component),
            environment=environment,
        )
        try:
            yield
        finally:
            _end(self.name, component)

    @contextmanager
    def forward(self, address: str, port: int) -> Iterator[int]:
        """Relay a free port of 127.0.0.1 to an address inside (a pod's) while the block lasts; yield the port."""
        component = f"relay/{address}:{port}/{os.getpid()}-{time.monotonic_ns()}"
        near = self._relay(component, address, port)
        try:
            yield near
        finally:
            _end(self.name, component)

    @contextmanager
    def without(self, component: str) -> Iterator[None]:
        """End a part of the control plane at once and start it again after the block; all else goes on.

        `component` is `kube-apiserver`, `kube-controller-manager` or `kube-scheduler`; etcd keeps the state.
        """
        _end(self.name, component)
        try:
            yield
        finally:
            self._spawn(component, self._control_plane.commands(self._programs)[component])
            if component == "kube-apiserver":
                self._wait_for_api()

    @contextmanager
    def frozen(self, component: str) -> Iterator[None]:
        """Stop a part of the control plane while the block lasts, as if it hung."""
        with processes.frozen(processes.find(self.name, component)):
            yield

    def node(self, name: str) -> RunningNode:
        """Return one of the cluster's nodes; raises `DevclusterError` where there is none of the name."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise DevclusterError(
            f"{name}: not a node of {self.name}; its nodes are {', '.join(n.name for n in self.nodes)}"
        )

    @property
    def nodes(self) -> list[RunningNode]:
        """All nodes, in the order of the description."""
        return [
            RunningNode(NodePlace.of(self.paths, node, i), self._control_plane, self._programs, self.paths.logs)
            for i, node in enumerate(self.spec.nodes, start=1)
        ]

    def ready_nodes(self) -> set[str]:
        """Return the names of the nodes that the API calls Ready."""
        return {
            node["metadata"]["name"]
            for node in self._api().get("/api/v1/nodes")["items"]
            if any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", []))
        }

    def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Wait until every node is Ready; raises `StartError` with the logs of those that are not."""
        self._wait_for_nodes(timeout_seconds)

    def detach(self) -> None:
        """Leave the cluster up when this process ends."""
        self._record(detached=True)
        if self._lock:
            self._lock.release()
            self._lock = None

    def down(self) -> None:
        """Take the cluster down; safe to repeat. Raises `DevclusterError` with what remains, if anything does."""
        try:
            cleanup.remove(self.name)
        finally:
            if self._lock:
                self._lock.release()
                self._lock = None
        self._progress(f"{self.name}: down, nothing left")

    def __enter__(self) -> Self:
        self._terminable = _terminable()
        self._terminable.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._lock:
                self.down()
        finally:
            self._terminable.__exit__(None, None, None)

    def _start(self, root: Path | None) -> None:
        self.paths.run.mkdir(mode=0o711, parents=True)
        names = [node.name for node in self.spec.nodes]
        addresses = [ADDRESS, *(node.place.address for node in self.nodes)]
        netns.create(self.name, addresses)
        self._token = self._control_plane.prepare(names)
        self._port = self._relay(_RELAY, ADDRESS, PORT)
        kubeconfig.write(
            self.kubeconfig, f"https://127.0.0.1:{self._port}", self._control_plane.authority, self._token, self.name
        )
        self._record(detached=False)
        commands = self._control_plane.commands(self._programs)
        for component in ("etcd", "kube-apiserver"):
            self._spawn(component, commands[component])
        if root:
            cgroups.create_cluster(self.name)
            machine = preflight.machine()
            for node in self.nodes:
                node.prepare(root, machine)
                node.start_containerd()
        self._wait_for_api()
        for component in ("kube-controller-manager", "kube-scheduler"):
            self._spawn(component, commands[component])
        self._progress(f"{self.name}: control plane ready")
        self._wait_for_default_account()
        for node in self.nodes:
            self._api().create("/api/v1/nodes", manifest(node.place.node))
            node.start_kubelet()
        if self.spec.nodes:
            self._wait_for_nodes(_READY_SECONDS)
            self._progress(f"{self.name}: {len(self.spec.nodes)} nodes ready")

    def _api(self) -> Api:
        return Api(self._port, self._control_plane.authority, self._token)

    def _spawn(self, component: str, argv: list[str]) -> None:
        """Start a part of the control plane, which elsewhere has a machine of its own."""
        pid = processes.spawn(
            [*netns.enter(self.name), *argv], cluster=self.name, component=component, log=self._log(component)
        )
        processes.favour(pid)

    def _log(self, component: str) -> Path:
        return self.paths.logs / f"{component}.log"

    def _relay(self, component: str, host: str, port: int) -> int:
        listening: socket.socket = relay.listen()
        with listening:
            near: int = listening.getsockname()[1]
            processes.spawn(
                [*netns.enter(self.name), *relay.argv(listening.fileno(), host, port)],
                cluster=self.name,
                component=component,
                log=self._log("relay"),
                pass_descriptors=[listening.fileno()],
            )
        return near

    def _wait_for_api(self) -> None:
        api = self._api()
        end = time.monotonic() + _READY_SECONDS
        while not api.ready():
            for component in ("etcd", "kube-apiserver"):
                if not processes.alive(self.name, component):
                    raise StartError(f"{component}: has ended\n{processes.tail(self._log(component))}")
            if time.monotonic() > end:
                log = processes.tail(self._log("kube-apiserver"))
                raise StartError(f"kube-apiserver: not ready after {_READY_SECONDS:.0f} s\n{log}")
            time.sleep(0.1)

    def _wait_for_default_account(self) -> None:
        """Wait until pods can be made: the namespace `default` has its service account."""
        end = time.monotonic() + _READY_SECONDS
        path = "/api/v1/namespaces/default/serviceaccounts"
        while not self._api().get(path)["items"]:
            if time.monotonic() > end or not processes.alive(self.name, "kube-controller-manager"):
                log = processes.tail(self._log("kube-controller-manager"))
                raise StartError(f"kube-controller-manager: has not made the default service account\n{log}")
            time.sleep(0.1)

    def _wait_for_nodes(self, timeout_seconds: float) -> None:
        end = time.monotonic() + timeout_seconds
        names = {node.name for node in self.spec.nodes}
        while missing := names - self.ready_nodes():
            ended = [name for name in missing if not processes.alive(self.name, f"{name}/kubelet")]
            if ended or time.monotonic() > end:
                what = "kubelet has ended" if ended else f"not Ready after {timeout_seconds:.0f} s"
                first = min(ended or missing)
                raise StartError(f"{', '.join(sorted(ended or missing))}: {what}\n{self.node(first).log_tail()}")
            time.sleep(0.2)

    def _record(self, *, detached: bool) -> None:
        self.paths.record.touch(mode=0o600)
        self.paths.record.write_text(
            json.dumps(
                {
                    "detached": detached,
                    "port": self._port,
                    "token": self._token,
                    "spec": _as_yaml(self.spec),
                    "programs": {name: str(path) for name, path in self._programs.items()},
                }
            )
        )


def down(name: str, progress: Progress = lambda _line: None) -> None:
    """Take down a cluster by name, whoever brought it up; raises `ClusterInUseError` while its owner lives."""
    lock = Lock(ClusterPaths.of(name).lock)
    try:
        if not lock.try_acquire():
            raise ClusterInUseError(
                f"{name}: the process that brought it up is still using it; end that one (Ctrl-C takes it down)"
            )
        cleanup.remove(name)
        progress(f"{name}: down, nothing left")
    finally:
        lock.release()


def _clear_remains(name: str, progress: Progress, *, replace: bool) -> None:
    try:
        kept = Cluster.attach(name).detached
    except ClusterNotFoundError:
        kept = False
    if kept and not replace and processes.find(name):
        raise ClusterInUseError(f"{name}: is up already; python -m devcluster down {name} takes it down")
    if leftovers.of(name):
        progress(f"{name}: removing what an earlier run left")
        cleanup.remove(name)


def _end(cluster: str, component: str) -> None:
    def gone() -> bool:
        left = processes.find(cluster, component)
        processes.kill(left)
        return not left

    processes.exhaust(gone, timeout_seconds=5)


@contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into SystemExit while the block lasts, so that it unwinds like Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _as_yaml(spec: ClusterSpec) -> dict[str, Any]:
    """Return a description that `spec.parse` reads back."""
    classes = {
        node.node_class.name: {
            "cpus": node.node_class.cpus,
            "speed": node.node_class.speed,
            "memoryMiB": node.node_class.memory_mib,
            "environment": dict(node.node_class.environment),
            "unlabelled": node.node_class.unlabelled,
            **({"cpuset": node.node_class.cpuset} if node.node_class.cpuset else {}),
        }
        for node in spec.nodes
    }
    nodes = [
        {
            "name": node.name,
            "class": node.node_class.name,
            "labels": dict(node.labels),
            "taints": [f"{taint.key}={taint.value}:{taint.effect}" for taint in node.taints],
        }
        for node in spec.nodes
    ]
    return {
        "name": spec.name,
        "classes": classes,
        "nodes": nodes,
        "audit": spec.audit,
        "kubernetes": spec.kubernetes,
    }


__all__ = ["Cluster", "CommandError", "down"]
