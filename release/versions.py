"""The version, which stands in pyproject.toml; the other files that must name it say the same, and are set with it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMBERS = {
    "foretide": ROOT,
    "foretide-operator": ROOT / "operator",
    "foretide-extender": ROOT / "extender",
    "foretide-profiler": ROOT / "profiler-job",
}
"""The folder of each distribution."""
CHART = ROOT / "charts" / "foretide"

_LINES = {
    **{folder / "pyproject.toml": r'^version = "(?P<version>.*)"$' for folder in MEMBERS.values()},
    CHART / "Chart.yaml": r"^(?:version|appVersion): (?P<version>.*)$",
}


class VersionsDifferError(Exception):
    """Files that name different versions."""


def told() -> dict[str, set[str]]:
    """By file, the versions that it names."""
    return {
        str(path.relative_to(ROOT)): {one["version"] for one in re.finditer(line, path.read_text(), re.MULTILINE)}
        for path, line in _LINES.items()
    }


def version() -> str:
    """The version of all parts; VersionsDifferError where they do not agree."""
    found = set().union(*told().values())
    if len(found) != 1:
        raise VersionsDifferError("; ".join(f"{path}: {', '.join(sorted(one))}" for path, one in told().items()))
    return found.pop()


def write(new: str) -> None:
    """Name ``new`` in every file."""
    for path, line in _LINES.items():
        text = re.sub(line, lambda found: found[0].replace(found["version"], new), path.read_text(), flags=re.MULTILINE)
        path.write_text(text)
