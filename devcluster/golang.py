"""Build programs from a committed Go module, with the machine's Go or one from a wheel."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from devcluster import wheels
from devcluster.command import run
from devcluster.errors import BinaryError, CommandError
from devcluster.paths import cache
from devcluster.progress import Progress


def build(
    module: Path,
    packages: dict[str, str],
    directory: Path,
    *,
    tags: str,
    linker_flags: str,
    progress: Progress,
) -> None:
    """Build each of `packages` (program name to Go package) of the module at `module` into `directory`."""
    go = program(module, progress)
    for name, package in packages.items():
        progress(f"{name}: building from source (the first build takes minutes)")
        begin = time.monotonic()
        argv = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-tags", tags, "-ldflags", linker_flags]
        try:
            run([*argv, "-o", directory / name, package], directory=module, environment={"CGO_ENABLED": "0"})
        except CommandError as error:
            raise BinaryError(
                f"{name}: the build failed; go needs its module proxy or a filled module cache\n{error}"
            ) from error
        progress(f"{name}: built in {time.monotonic() - begin:.0f} s")


def program(module: Path, progress: Progress) -> str:
    """Return a Go that is new enough for a module: the machine's, else a wheel's; raises `BinaryError`."""
    match = re.search(r"^go (\d+)\.(\d+)", (module / "go.mod").read_text(), re.MULTILINE)
    wanted = (int(match[1]), int(match[2])) if match else (0, 0)
    if (found := shutil.which("go")) and _version(found) >= wanted:
        return found
    directory = cache() / "bin" / f"go-{wheels.GO.version}"
    if not directory.exists():
        wheels.install(wheels.GO, directory, progress)
    for candidate in sorted(directory.glob("**/bin/go")):
        if _version(str(candidate)) >= wanted:
            return str(candidate)
    raise BinaryError(f"go: {module.name} needs Go {wanted[0]}.{wanted[1]} or newer; install it and run again")


def _version(go: str) -> tuple[int, int]:
    try:
        match = re.search(r"go(\d+)\.(\d+)", run([go, "env", "GOVERSION"]))
    except CommandError:
        return (0, 0)
    return (int(match[1]), int(match[2])) if match else (0, 0)
