"""The versions of Kubernetes that a cluster can be of, the first where nobody asks for another."""

from __future__ import annotations

import os
from typing import Final

from devcluster.errors import SpecError

MODULES: Final = {"1.36.2": "kubernetes", "1.35.4": "kubernetes-1.35"}
"""By version the Go module under `build` that pins what it is built from, and the Go that suits it."""

VARIABLE: Final = "FORETIDE_KUBERNETES"
"""Environment variable with the version of every cluster whose description names none."""


def chosen() -> str:
    """The version where a description names none; raises `SpecError`."""
    return supported(VARIABLE, os.environ.get(VARIABLE) or next(iter(MODULES)))


def supported(where: str, version: object) -> str:
    """The version, if it is one of these; raises `SpecError` with the place it stands at."""
    if not isinstance(version, str) or version not in MODULES:
        raise SpecError(f"{where}: {version!r} is not one of the versions of Kubernetes: {', '.join(MODULES)}")
    return version
