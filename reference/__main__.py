"""Writes the pages: `python -m reference`; with `--check` it only says which are stale, and exits with 1.

A page is a name in docs/reference and the function that gives its text; another one is another line in ``PAGES``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from reference import commands, kinds, metrics, settings

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "reference"
PAGES: Final[Mapping[str, Callable[[Path], str]]] = {
    "cli.md": commands.page,
    "kinds.md": kinds.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
}
"""Each is given the repository's root."""


def main(arguments: Sequence[str]) -> int:
    """Write what is stale, or tell of it; the exit status."""
    wanted = {FOLDER / name: page(ROOT) for name, page in PAGES.items()}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is not what the code says; run make references", file=sys.stderr)
        else:
            path.write_text(wanted[path], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
