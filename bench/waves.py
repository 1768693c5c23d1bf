"""Waves of tasks on a rack, by each scheduler in one cluster, beside the plan with the times that really occurred.

    python -m bench.waves [--runs 3] [--order Balanced]

Prints a table per round and, as its last line, one JSON object, also written to `bench/results/waves.json`: medians in
the form of `demo.json`, each round under `runs`. The tasks of each round and scheduler are kept as traces for
`foretide simulate` in `bench/results/waves`. Needs root on Linux.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bench import repeated

if __name__ == "__main__":
    here = Path(__file__).parent
    sys.exit(
        repeated.main(
            sys.argv[1:],
            description="Waves of tasks on a rack.",
            scenario=here / "waves.yaml",
            result=here / "results" / "waves.json",
        )
    )
