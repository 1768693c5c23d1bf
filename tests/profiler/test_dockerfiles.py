"""The profiler's Dockerfiles as files: what must hold however an image is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCKERFILES = sorted((Path(__file__).parents[2] / "profiler-job").glob("Dockerfile.*"))


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.suffix[1:])
def test_whatever_pip_installs_heeds_the_configuration_that_the_build_is_lent(dockerfile: Path) -> None:
    instructions = re.sub(r"\\\n\s*", "", dockerfile.read_text(encoding="utf-8")).splitlines()
    installs = [line for line in instructions if line.startswith("RUN") and "pip install" in line]
    assert installs
    for line in installs:
        assert line.startswith("RUN --mount=type=secret,id=pip,target=/etc/pip.conf "), line
