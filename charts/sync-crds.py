"""Copies `crds/*.yaml` into the chart, where they can be switched off and are kept on uninstall.

`python charts/sync-crds.py` writes the copies; with `--check` it only says which differ, and exits with 1.
"""

# ruff: noqa: INP001 - a script beside the chart, in no package

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIES = ROOT / "charts" / "foretide" / "templates" / "crds"
_HEAD = """\
{{- /* A copy of crds/NAME, made by charts/sync-crds.py. */ -}}
{{- if .Values.crds.enabled }}
"""
_METADATA = """\
metadata:
  annotations:
    helm.sh/resource-policy: keep
  labels:
    {{- include "foretide.labels" . | nindent 4 }}
"""


def copy_of(crd: Path) -> str:
    """The template that renders ``crd``; ValueError for a definition that helm would take for a template itself."""
    text = crd.read_text(encoding="utf-8")
    if "{{" in text or text.count("\nmetadata:\n") != 1:
        raise ValueError(f"{crd.name}: needs one top-level metadata and no double braces")
    head, tail = text.split("\nmetadata:\n")
    return f"{_HEAD.replace('NAME', crd.name)}{head}\n{_METADATA}{tail}{{{{- end }}}}\n"


def main(arguments: list[str]) -> int:
    """Write the copies, or check them; the exit status."""
    wanted = {crd.name: copy_of(crd) for crd in sorted((ROOT / "crds").glob("*.yaml"))}
    present = {path.name: path.read_text(encoding="utf-8") for path in COPIES.glob("*.yaml")}
    stale = sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))
    if "--check" in arguments:
        for name in stale:
            print(f"charts/foretide/templates/crds/{name} differs from crds/{name}; run make charts", file=sys.stderr)
        return 1 if stale else 0
    COPIES.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (COPIES / name).write_text(wanted[name], encoding="utf-8")
        else:
            (COPIES / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
