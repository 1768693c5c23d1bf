"""Three tasks a slot at once on a rack, by each scheduler in one cluster, beside the plan with what really occurred.

    python -m bench.burst [--runs 3] [--order Balanced]

Prints a table per round and, as its last line, one JSON object, also written to `bench/results/burst.json`: medians in
the form of `demo.json`, each round under `runs`. The tasks of each round and scheduler are kept as traces for
`foretide simulate` in `bench/results/burst`. Needs root on Linux.
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
            description="Three tasks a slot at once on a rack.",
            scenario=here / "burst.yaml",
            result=here / "results" / "burst.json",
        )
    )
