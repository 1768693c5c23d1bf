"""A network namespace per cluster: nothing of the cluster reaches the machine's network, and addresses may repeat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from devcluster.command import run

_NAMESPACES = Path("/run/netns")


def name(cluster: str) -> str:
    """Return the namespace's name, as `ip netns` lists it."""
    return f"fd-{cluster}"


def path(cluster: str) -> Path:
    """Return the file that the namespace is entered by."""
    return _NAMESPACES / name(cluster)


def exists(cluster: str) -> bool:
    """Say whether the namespace is there."""
    return path(cluster).exists()


def create(cluster: str, addresses: Sequence[str]) -> None:
    """Make the namespace, with `addresses` on its loopback and forwarding between its bridges."""
    space = name(cluster)
    run(["ip", "netns", "add", space])
    commands = ["link set lo up", *(f"addr add {address}/32 dev lo" for address in addresses)]
    run(["ip", "-n", space, "-batch", "-"], stdin="\n".join(commands) + "\n")
    run([*enter(cluster), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])


def delete(cluster: str) -> None:
    """Remove the namespace; bridges and addresses go with it."""
    if exists(cluster):
        run(["ip", "netns", "del", name(cluster)])


def enter(cluster: str) -> list[str]:
    """Return the words before a command that shall run inside.

    Not `ip netns exec`: that mounts /sys anew and hides the cgroups.
    """
    return ["nsenter", f"--net={path(cluster)}"]
