"""Writes the chart's dashboard: `python -m monitoring`; with `--check` it only says that it is stale, by its status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from monitoring.dashboard import dashboard_json

PATH: Final = Path(__file__).resolve().parent.parent / "charts" / "foretide" / "monitoring" / "dashboard.json"


def main(arguments: Sequence[str]) -> int:
    """Write the dashboard, or check it; the exit status."""
    wanted = dashboard_json()
    is_stale = PATH.read_text(encoding="utf-8") != wanted
    if is_stale and "--check" in arguments:
        print(f"{PATH.name} is not what the code says; run make monitoring", file=sys.stderr)
        return 1
    if is_stale:
        PATH.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
