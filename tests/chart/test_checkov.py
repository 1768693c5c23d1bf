"""What checkov finds in the chart is either mended or has its reason in charts/checkov.yaml."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import ROOT, rendered_text
from tests.chart.snapshot import CASES, DIGEST

PROGRAM = ROOT / "build" / "checkov" / "bin" / "checkov"
ENTRIES: list[dict[str, Any]] = yaml.safe_load((ROOT / "charts" / "checkov.yaml").read_text())
STRICT = [value.replace("DIGEST", DIGEST) for entry in ENTRIES for value in entry.get("until", ())]
RENDERINGS = {
    "default": CASES["default"],
    "several": CASES["several"],
    "external": CASES["external"],
    "strict": STRICT,
    "strict-external": [*CASES["external"], *STRICT],
}

Finding = tuple[str, str, str]
"""The rendering, the check and the object that failed."""


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[Finding]:
    folder = tmp_path_factory.mktemp("rendered")
    for name, values in RENDERINGS.items():
        (folder / f"{name}.yaml").write_text(rendered_text(*values))
    assert PROGRAM.exists(), "make build/checkov/.ready gets checkov"
    words = ["--directory", str(folder), "--framework", "kubernetes", "--skip-download", "--output", "json"]
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 100, done.stderr
    assert report["summary"]["parsing_errors"] == 0
    return [
        (Path(one["file_path"]).stem, one["check_id"], one["resource"]) for one in report["results"]["failed_checks"]
    ]


def excuses(entry: dict[str, Any], finding: Finding) -> bool:
    rendering, check, resource = finding
    if rendering.startswith("strict") and "until" in entry:
        return False
    return bool(entry["check"] == check) and entry.get("of", "") in resource


def test_nothing_is_found_without_a_written_reason(findings: list[Finding]) -> None:
    assert [one for one in findings if not any(excuses(entry, one) for entry in ENTRIES)] == []


def test_every_reason_is_needed(findings: list[Finding]) -> None:
    unneeded = [entry for entry in ENTRIES if not any(excuses(entry, one) for one in findings)]
    assert unneeded == []
    assert [entry["check"] for entry in ENTRIES if len(entry["reason"]) < 40] == []
