"""Install the Debian packages whose programs are absent, where this process may; elsewhere the preflight names them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.binaries import search_path
from devcluster.command import run
from devcluster.errors import CommandError, PreflightError
from devcluster.locks import held
from devcluster.paths import cache
from devcluster.progress import Progress

FOR_ALL: Mapping[str, str] = {"ip": "iproute2", "nsenter": "util-linux", "openssl": "openssl"}
FOR_NODES: Mapping[str, str] = {"runc": "runc", "unshare": "util-linux", "mount": "mount"}
FOR_IMAGES: Mapping[str, str] = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
FOR_TESTS: Mapping[str, str] = {"chromium": "chromium", "promtool": "prometheus"}
"""What tests need besides a cluster: they look at the report in a browser, and have Prometheus evaluate our rules."""
NETWORK_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")


def which(program: str) -> str | None:
    """Find a program, also in the directories of system programs that PATH may lack."""
    return shutil.which(program, path=search_path([]))


def has_network_plugins() -> bool:
    """Say whether the CNI plugins that nodes need are there."""
    return any(
        all(Path(directory, plugin).exists() for plugin in ("bridge", "host-local", "loopback"))
        for directory in NETWORK_PLUGINS
    )


def missing(programs: Mapping[str, str]) -> list[str]:
    """Return the packages of those programs (by name) that are absent."""
    return sorted({package for program, package in programs.items() if not which(program)})


def install(packages: Sequence[str], progress: Progress) -> None:
    """Install packages by apt-get, where there is one and this process is root; raises `PreflightError`."""
    if not packages or os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    progress(f"apt-get install {' '.join(packages)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with held(cache() / "locks" / "apt", lambda: progress("apt-get: another process is installing; waiting")):
        try:
            run(["apt-get", "update", "-qq"], environment=quiet)
            run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], environment=quiet)
        except CommandError as error:
            raise PreflightError(
                f"{', '.join(packages)}: cannot be installed; install them by hand\n{error}"
            ) from error
