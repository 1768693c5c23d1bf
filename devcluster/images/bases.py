"""The images that Dockerfiles start from: pulled where a registry can be reached, else made from Debian's packages."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster import packages
from devcluster.command import run
from devcluster.errors import CommandError, ImageBuildError
from devcluster.images import archive, buildah
from devcluster.locks import held
from devcluster.paths import cache
from devcluster.progress import Progress

_CONNECT_SECONDS = 3.0
_SUITE = "trixie"
_EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_TIDY = (
    'rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED; ln -s python3 "$1/usr/bin/python"; '
    'rm -rf "$1"/var/cache/apt/* "$1"/var/lib/apt/lists/*'
)


@dataclass(frozen=True)
class Base:
    """A base image: the Debian packages that make it, and whether a registry has the like under the same reference."""

    name: str
    reference: str
    packages: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    pullable: bool = False


PYTHON = Base(
    "python",
    "docker.io/library/python:3.13-slim",
    ("python3", "python3-pip", "python3-venv", "ca-certificates"),
    pullable=True,
)
TORCH = Base(
    "torch",
    "localhost/devcluster/python-torch:trixie",
    (*PYTHON.packages, "python3-torch", "python3-torchvision", "libopenblas0-pthread"),
    excluded=("/usr/lib/libtorch-test/*", "/usr/include/*", "/usr/lib/*/*.a"),
)


def ensure(base: Base, progress: Progress) -> str:
    """Have buildah's storage hold the base and return its identity; raises `ImageBuildError`."""
    packages.install(packages.missing(packages.FOR_IMAGES), progress)
    with held(
        cache() / "locks" / f"base-{base.name}",
        lambda: progress(f"base {base.name}: another process makes it; waiting"),
    ):
        if not buildah.has(base.reference) and not (base.pullable and _pulled(base, progress)):
            made = _archive(base, progress)
            buildah.load(made, base.reference)
            made.unlink()
        return buildah.identity(base.reference)


def _pulled(base: Base, progress: Progress) -> bool:
    try:
        registry = base.reference.partition("/")[0]
        socket.create_connection((registry, 443), timeout=_CONNECT_SECONDS).close()
        progress(f"base {base.name}: pulling {base.reference}")
        buildah.pull(base.reference)
    except (OSError, CommandError) as error:
        progress(
            f"base {base.name}: cannot be pulled ({str(error).splitlines()[-1]}); making it from Debian's packages"
        )
        return False
    return True


def _archive(base: Base, progress: Progress) -> Path:
    digest = hashlib.sha256(repr((base, _SUITE, _EXCLUDED, _TIDY)).encode()).hexdigest()[:12]
    target = cache() / "bases" / f"{base.name}-{digest}.tar"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    progress(f"base {base.name}: installing Debian packages (about a minute)")
    layer = target.with_suffix(".layer.tar")
    try:
        run(_mmdebstrap(base, layer))
        archive.write_from_layer(target, base.reference, layer, entrypoint=(), command=["python3"])
    except CommandError as error:
        raise ImageBuildError(
            f"base {base.name}: mmdebstrap failed; it needs Debian's package mirror\n{error}"
        ) from error
    finally:
        layer.unlink(missing_ok=True)
    progress(f"base {base.name}: {target.stat().st_size >> 20} MiB in {time.monotonic() - begin:.0f} s")
    return target


def _mmdebstrap(base: Base, layer: Path) -> Sequence[str | Path]:
    excluded = [f"--dpkgopt=path-exclude={pattern}" for pattern in (*_EXCLUDED, *base.excluded)]
    return [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(base.packages)}",
        *excluded,
        f"--customize-hook={_TIDY}",
        _SUITE,
        layer,
    ]
