"""buildah with a storage of its own in the cache: the machine's images stay untouched."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from devcluster.command import run
from devcluster.errors import CommandError, ImageBuildError
from devcluster.images.settings import PipSettings
from devcluster.paths import RUNS, cache

_MOST_MIB = 5 * 1024


def has(reference: str) -> bool:
    """Say whether the storage holds an image."""
    try:
        run([*invocation(), "inspect", "--type", "image", "--format", "{{.FromImageID}}", reference])
    except CommandError:
        return False
    return True


def identity(reference: str) -> str:
    """Return the digest of an image's configuration, which changes with any of its content."""
    return run([*invocation(), "inspect", "--type", "image", "--format", "{{.FromImageID}}", reference]).strip()


def load(archive: Path, reference: str) -> None:
    """Put a docker-archive into the storage under a reference."""
    pulled = run([*invocation(), "pull", "--quiet", f"docker-archive:{archive}"]).strip().splitlines()[-1]
    run([*invocation(), "tag", pulled, reference])


def pull(reference: str) -> None:
    """Pull an image from its registry; raises `CommandError`."""
    run([*invocation(), "pull", "--quiet", reference], timeout_seconds=600)


def build(
    reference: str,
    *,
    dockerfile: Path,
    context: Path,
    arguments: dict[str, str],
    pip: PipSettings,
    log: Path,
) -> None:
    """Build an image; the builder's output goes to `log`, whose end is in the error."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        configuration = Path(scratch) / "pip.conf"
        configuration.write_text(pip.configuration())
        argv: list[str | Path] = [*invocation(), "build", "--pull-never", "--layers", "--isolation", "chroot"]
        argv += ["--format", "docker"]
        for volume in pip.volumes(configuration):
            argv += ["--volume", volume]
        for name, value in arguments.items():
            argv += ["--build-arg", f"{name}={value}"]
        argv += ["--tag", reference, "--file", dockerfile, context]
        with log.open("wb") as output:
            done = subprocess.run([str(word) for word in argv], stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-25:])
        raise ImageBuildError(f"{reference}: {dockerfile.name} cannot be built; the whole output is in {log}\n{end}")


def save(reference: str, archive: Path) -> None:
    """Write an image to a docker-archive, which appears complete or not at all."""
    part = archive.with_name(f".{archive.name}.part")
    part.unlink(missing_ok=True)
    run([*invocation(), "push", "--quiet", reference, f"docker-archive:{part}:{reference}"])
    part.rename(archive)


def prune() -> None:
    """Remove what earlier builds left once the storage is large; until then it is what makes builds quick.

    One build of all images takes about 3 GiB. No other build may be at work: it would lose its layers.
    """
    if int(run(["du", "-sm", cache() / "buildah"]).split()[0]) > _MOST_MIB:
        with contextlib.suppress(CommandError):  # an image that is in use stays for the next time
            run([*invocation(), "rmi", "--prune"])


def invocation() -> Sequence[str | Path]:
    """How buildah is called so that it finds this storage; a verb and its arguments follow."""
    storage = cache() / "buildah"
    return ["buildah", "--root", storage, "--runroot", RUNS / ".buildah", "--storage-driver", "overlay"]
