"""What one namespace's reports do to the predictions of others: `make bench-influence`.

    python -m bench.influence [SEEDS]

Five namespaces of ten workloads on eight classes, half of the pairs measured (`tests.model.fleet`), vetted and learned
from as the operator does; one of them lies (`tests.foretide.lies`). A change is by how much a prediction for a pair of
the others moves, measured or not. What no honest namespace could have reported is held against the model without the
liar, `one class` against that without its rows of that class, other lies against the one to which it tells the truth;
`honest` is what it does by telling that. The last line is one JSON object, also written to
`bench/results/influence.json`: percentages, of medians the least and the most over the seeds. `nonsense_max` is held
against 1 %.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bench.machine import machine
from demo.console import table
from demo.marks import held, marks_table
from foretide.model import CompletionTimeModel
from foretide.observation import Observation, Question, feature_columns, namespace_of, to_columns
from foretide.vetting import vet
from tests.foretide.lies import LIES
from tests.model.fleet import observed

RESULT: Final = Path(__file__).parent / "results" / "influence.json"
SEEDS: Final = 10
LIAR: Final = "team-0"
NONSENSE: Final = ("slow", "fast", "random", "signatures", "one class")
MARKS: Final = {"nonsense_max": 1.0}
Predictions = npt.NDArray[np.float64]


class Neighbours:
    """Namespaces that share classes.

    ``own`` are the liar's true rows, ``truth`` what is predicted for the others with them, ``absent`` without.
    """

    def __init__(self, seed: int) -> None:
        rows, self.devices = observed(devices=8, namespaces=5, per_namespace=10, seed=seed, share=0.5)
        self.own = [row for row in rows if namespace_of(row.workload) == LIAR]
        self.others = [row for row in rows if namespace_of(row.workload) != LIAR]
        self.truth = self.predicted(rows)
        self.absent = self.predicted(self.others)

    def predicted(self, rows: Sequence[Observation], asked: Sequence[Question] = ()) -> Predictions:
        """Seconds by a model that learned from ``rows``, for ``asked`` or else all pairs of the others."""
        vetted = vet(rows, self.devices)
        apart = to_columns(vetted.apart, self.devices) if vetted.apart else None
        model = CompletionTimeModel(calibrate=False).fit(*to_columns(vetted.kept, self.devices), apart=apart)
        return np.asarray(model.predict(feature_columns(asked or self.pairs(self.others), self.devices)))

    def pairs(self, rows: Sequence[Observation]) -> list[Question]:
        """The workloads of these rows on every class."""
        return [
            Question(
                workload=workload,
                node_class=name,
                signature=row.signature,
                precision=row.precision,
                cpu_millis=row.cpu_millis,
                runtime=row.runtime,
            )
            for workload, row in sorted({row.workload: row for row in rows}.items())
            for name in sorted(self.devices)
        ]

    def told(self, lie: str) -> list[Observation]:
        """All rows, those of the liar as this lie has them."""
        return self.others + LIES[lie](self.own)

    def change(self, lie: str) -> Predictions:
        """By which share of itself each prediction for the others moves."""
        if lie not in NONSENSE:
            against = self.truth
        elif lie == "one class":
            against = self.predicted(
                self.others + [row for row in self.own if row.node_class != self.own[0].node_class]
            )
        else:
            against = self.absent
        return np.asarray(np.abs(self.predicted(self.told(lie)) / against - 1.0))

    def left_out(self, lie: str) -> float:
        """The share of the liar's rows that are not believed."""
        return len(vet(self.told(lie), self.devices).apart) / len(self.own)


def measure(seeds: int) -> dict[str, Any]:
    """The figures of every lie over so many seeds, in per cent."""
    changes: dict[str, list[Predictions]] = {name: [] for name in ("honest", *LIES)}
    left_out = dict.fromkeys(LIES, 0.0)
    for seed in range(seeds):
        found = Neighbours(seed)
        changes["honest"].append(np.abs(found.truth / found.absent - 1.0))
        for lie in LIES:
            changes[lie].append(found.change(lie))
            left_out[lie] += found.left_out(lie)
    lies: dict[str, dict[str, float]] = {}
    for name, of_seeds in changes.items():
        medians = [float(np.median(each)) for each in of_seeds]
        lies[name] = {
            "median_least": round(100 * min(medians), 2),
            "median_most": round(100 * max(medians), 2),
            "max": round(100 * max(float(each.max()) for each in of_seeds), 2),
        }
        if name in left_out:
            lies[name]["left_out"] = round(100 * left_out[name] / seeds, 1)
    return {"seeds": seeds, "nonsense_max": max(lies[name]["max"] for name in NONSENSE), "lies": lies}


def main(arguments: list[str]) -> int:
    """Measure, print the table and the JSON line."""
    result = {"machine": machine(), **measure(int(arguments[0]) if arguments else SEEDS)}
    result["marks"] = held(result, MARKS)
    columns = ("left_out", "median_least", "median_most", "max")
    rows = [
        [name, *(f"{figures[column]:.2f}" if column in figures else "" for column in columns)]
        for name, figures in result["lies"].items()
    ]
    print(f"{result['machine']}\n\n{table(['per cent', *columns], rows)}\n\n{marks_table(result['marks'])}\n")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
