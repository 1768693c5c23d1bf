"""The demo's waves, by each scheduler in one cluster, beside the plan with the times that really occurred.

    python -m bench.waves [--runs 3]

Prints a table per round and, as its last line, one JSON object, also written to `bench/results/waves.json`: medians in
the form of `demo.json`, each round under `runs`. Needs root on Linux.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench import repeated
from demo.scenario import ROOT

if __name__ == "__main__":
    sys.exit(
        repeated.main(
            sys.argv[1:],
            description="The demo's waves, several times.",
            scenario=ROOT / "demo" / "scenario.yaml",
            result=Path(__file__).parent / "results" / "waves.json",
        )
    )
