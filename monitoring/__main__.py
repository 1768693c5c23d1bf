"""`python -m monitoring` writes what is made from the code; with ``--check`` it says what differs, and exits with 1."""

from __future__ import annotations

import sys
from pathlib import Path

from monitoring.catalogue import components
from monitoring.dashboard import dashboard_json
from monitoring.reference import reference

ROOT = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Write the files, or check them; the exit status."""
    wanted = {
        ROOT / "docs" / "reference" / "metrics.md": reference(components()),
        ROOT / "charts" / "foretide" / "monitoring" / "dashboard.json": dashboard_json(),
    }
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the code says; run make monitoring", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
