"""Where a program that needs torch is run: here where torch is installed, else in the profiler's image.

devcluster makes that image of Debian's torch for CPUs (1.3 GB) where no registry can be reached, as for its tests, and
keeps it; nothing of it is installed here. torch of the package index brings CUDA along, 5 GB of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
_SOURCES: Final = ("src", "profiler-job/src", ".")
_MOUNTED: Final = "/repository"

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})

Run = Callable[..., "subprocess.CompletedProcess[str]"]
"""Runs a module of this repository with these arguments."""


@contextmanager
def torch_python(variables: Mapping[str, str] = NO_VARIABLES) -> Iterator[Run]:
    """What runs a module where torch is, with these variables in its environment."""
    if find_spec("torch") is not None:
        yield partial(here, variables=variables)
        return
    from devcluster import command  # noqa: PLC0415 - a machine that has torch may have no more than that
    from devcluster.images import buildah, catalogue  # noqa: PLC0415

    catalogue.archive("profiler-torch", lambda text: print(text, file=sys.stderr))
    image = catalogue.CATALOGUE["profiler-torch"].reference
    container = command.run([*buildah.invocation(), "from", "--pull-never", image]).strip()
    path = ":".join([*(f"{_MOUNTED}/{source}" for source in _SOURCES), "/opt/libraries"])
    options = ["--isolation", "chroot", "--volume", f"{ROOT}:{_MOUNTED}:ro", "--env", f"PYTHONPATH={path}"]
    options += [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
    prefix = [*buildah.invocation(), "run", *options, container, "--", "python3", "-m"]
    try:
        yield lambda *arguments: _run([*map(str, prefix), *arguments], dict(os.environ))
    finally:
        command.run([*buildah.invocation(), "rm", container])


def here(*arguments: str, variables: Mapping[str, str] = NO_VARIABLES) -> subprocess.CompletedProcess[str]:
    """Runs a module of this repository on this machine's Python."""
    path = [*(str(ROOT / source) for source in _SOURCES), os.environ.get("PYTHONPATH", "")]
    return _run([sys.executable, "-m", *arguments], {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(path)})


def _run(argv: list[str], variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)
