"""A node: a kubelet with its own containerd, mount namespace and cgroup, that can lose its power and get it back."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devcluster import cgroups, netns, nodeconfig, packages, processes
from devcluster.binaries import search_path
from devcluster.controlplane import ControlPlane
from devcluster.errors import DevclusterError, StartError
from devcluster.images import template as images
from devcluster.nodeconfig import Machine, NodePlace
from devcluster.paths import PACKAGE

PROGRAMS = ("kubelet", "containerd", "containerd-shim-runc-v2", "ctr", "runtime", "pause")

_SOCKET_SECONDS = 60.0
_STOP_SECONDS = 60.0


@dataclass(frozen=True)
class RunningNode:
    """A node of a cluster that is up."""

    place: NodePlace
    control_plane: ControlPlane
    programs: Mapping[str, Path]
    logs: Path

    @property
    def name(self) -> str:
        """The node's name in Kubernetes."""
        return self.place.node.name

    def prepare(self, template: Path, machine: Machine) -> None:
        """Write the node's files and give it its images and its cgroup."""
        place = self.place
        for directory in ("kubelet", "cni", "cni-cache", "log", "sysctl", "runtime", "volume-plugins", "pki"):
            (place.disk / directory).mkdir(parents=True, exist_ok=True)
        runc = packages.which("runc")
        if runc is None:
            raise DevclusterError("runc: not found; apt-get install runc")
        images.clone(template, place.containerd_root)
        (place.disk / "containerd.toml").write_text(nodeconfig.containerd(place))
        (place.disk / "kubelet.yaml").write_text(nodeconfig.kubelet(place, machine, self.control_plane.authority))
        (place.disk / "cni" / "10-pods.conflist").write_text(nodeconfig.network(place))
        (place.disk / "runtime" / "node.json").write_text(nodeconfig.runtime(place, Path(runc)))
        (place.disk / "runtime" / "runc").symlink_to(self.programs["runtime"])
        cgroups.create_node(place.cluster, self.name, place.node.node_class)

    def start_containerd(self) -> None:
        """Start containerd; `start_kubelet` waits for it."""
        (self.place.run / "shims").mkdir(mode=0o711, parents=True, exist_ok=True)
        place = self.place
        private: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "sh", PACKAGE / "node-init.sh"]
        self._spawn(
            "containerd", [*netns.enter(place.cluster), *private, place.disk, place.run, self.programs["containerd"]]
        )

    def start_kubelet(self) -> None:
        """Start kubelet in containerd's mount namespace, once containerd listens."""
        end = time.monotonic() + _SOCKET_SECONDS
        while not (self.place.socket.exists() and self._containerd()):
            if time.monotonic() > end:
                raise StartError(f"{self.name}: containerd has not started\n{processes.tail(self._log('containerd'))}")
            time.sleep(0.05)
        place = self.place
        inside = [*netns.enter(place.cluster), f"--mount=/proc/{self._containerd()[0].pid}/ns/mnt"]
        arguments = [
            f"--config={place.disk / 'kubelet.yaml'}",
            f"--kubeconfig={self.control_plane.node_kubeconfig(self.name)}",
            f"--hostname-override={self.name}",
            f"--node-ip={place.address}",
            "--root-dir=/var/lib/kubelet",
            f"--cert-dir={place.disk / 'pki'}",
        ]
        self._spawn("kubelet", [*inside, self.programs["kubelet"], *arguments])

    def power_cut(self) -> None:
        """End everything of the node at once, as a pulled plug does; the API learns of it by silence."""

        def gone() -> bool:
            left = processes.find(self.place.cluster, f"{self.name}/")
            processes.kill(left)
            pods = cgroups.tasks(self.place.cluster, self.name)
            processes.signal_pids(lambda: cgroups.tasks(self.place.cluster, self.name), signal.SIGKILL)
            return not left and not pods

        if not processes.exhaust(gone, _STOP_SECONDS):
            raise DevclusterError(f"{self.name}: processes remain {_STOP_SECONDS:.0f} s after they were killed")
        self.place.socket.unlink(missing_ok=True)

    def power_on(self) -> None:
        """Start the node again after a power cut, with the disk as it was left."""
        shutil.rmtree(self.place.run, ignore_errors=True)
        self.start_containerd()
        self.start_kubelet()

    def signal_container(self, container_id: str, number: signal.Signals) -> None:
        """Send a signal to every process of a container, as nothing inside a pod could.

        `container_id` is as a Pod's status gives it, `containerd://…`. SIGSTOP is what a hang looks like from outside;
        SIGCONT ends it. Raises `DevclusterError` where no process of the container is left.
        """
        identity = container_id.partition("://")[2]
        reached = processes.signal_pids(
            lambda: cgroups.container_tasks(self.place.cluster, self.name, identity), number
        )
        if not reached:
            raise DevclusterError(f"{self.name}: no process of container {container_id!r} is left")

    @contextmanager
    def without(self, part: str) -> Iterator[None]:
        """End `kubelet` or `containerd` at once and start it again after the block; the node's pods go on."""

        def gone() -> bool:
            left = self._processes(part)
            processes.kill(left)
            return not left

        if not processes.exhaust(gone, _STOP_SECONDS):
            raise DevclusterError(f"{self.name}: {part} remains {_STOP_SECONDS:.0f} s after it was killed")
        try:
            yield
        finally:
            if part == "kubelet":
                self.start_kubelet()
            else:
                self._restart_containerd()

    def revive(self) -> None:
        """Start again what has ended by itself, as an init system does: kubelet ends where containerd is away."""
        if not self._processes("containerd"):
            self._restart_containerd()
        if not self._processes("kubelet"):
            self.start_kubelet()

    def restart_kubelet(self) -> None:
        """End kubelet and start it again; the node's pods go on."""
        with self.without("kubelet"):
            pass

    @contextmanager
    def frozen(self, part: str) -> Iterator[None]:
        """Stop `kubelet` or `containerd` while the block lasts, as if it hung; the node's pods go on."""
        with processes.frozen(self._processes(part)):
            yield

    def log_tail(self) -> str:
        """Return the ends of the node's logs."""
        return "\n".join(f"--- {part}\n{processes.tail(self._log(part))}" for part in ("kubelet", "containerd"))

    def _restart_containerd(self) -> None:
        """Start containerd in the mount namespace of what is left of the node, kubelet or a shim."""
        place = self.place
        left = processes.find(place.cluster, f"{self.name}/")
        if not left:
            self.start_containerd()
            return
        inside = [*netns.enter(place.cluster), f"--mount=/proc/{left[0].pid}/ns/mnt"]
        self._spawn("containerd", [*inside, self.programs["containerd"], "--config", place.disk / "containerd.toml"])

    def _containerd(self) -> list[processes.Marked]:
        return self._processes("containerd")

    def _processes(self, part: str) -> list[processes.Marked]:
        """The processes of `kubelet` or `containerd` themselves; a containerd's shims carry its mark."""
        found = processes.find(self.place.cluster, f"{self.name}/{part}")
        return [process for process in found if part != "containerd" or _is_containerd(process.pid)]

    def _log(self, part: str) -> Path:
        return self.logs / f"{self.name}-{part}.log"

    def _spawn(self, part: str, argv: list[str | Path]) -> None:
        processes.spawn(
            argv,
            cluster=self.place.cluster,
            component=f"{self.name}/{part}",
            log=self._log(part),
            environment={"PATH": search_path([self.programs["containerd"]])},
        )


def _is_containerd(pid: int) -> bool:
    """Say whether a process is containerd itself and not one of the shims, which carry its mark."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip() == "containerd"
    except (FileNotFoundError, ProcessLookupError):
        return False
