"""A chart of a version before the present one, as long as none has been released that could be taken.

It is the present chart but for what a release changes: the version, which stands in labels and so makes every Pod of
ours anew; the definition of AIWorkloads, which lacks the newest field that users may give; and the template of the
operator's Deployment, which lacks a field. Its images are the present ones: a former program is not tried.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from tests.chart.rendering import CHART

VERSION = "0.0.1"
NEW_FIELD = "runtimeClassName"
"""Of the template in an AIWorkload's ``spec.run``; the former definition knows nothing of it."""


def former_chart(directory: Path) -> Path:
    """Make it in ``directory``."""
    chart = Path(shutil.copytree(CHART, directory / CHART.name))
    about = chart / "Chart.yaml"
    text, count = re.subn(r"(?m)^(version|appVersion): .*$", rf"\1: {VERSION}", about.read_text())
    assert count == 2
    about.write_text(text)
    for path, head in (
        ("templates/crds/foretide.dev_aiworkloads.yaml", f"{NEW_FIELD}:"),
        ("templates/operator/deployment.yaml", "enableServiceLinks: false"),
    ):
        file = chart / path
        lines = file.read_text().splitlines(keepends=True)
        _remove(lines, head)
        file.write_text("".join(lines))
    return chart


def _remove(lines: list[str], head: str) -> None:
    """Take out the line that is ``head`` and what stands further in below it."""
    (first,) = (at for at, line in enumerate(lines) if line.strip() == head)
    end = first + 1
    while _indent(lines[end]) > _indent(lines[first]):
        end += 1
    del lines[first:end]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
