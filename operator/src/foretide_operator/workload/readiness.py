"""Ready: the summary of the other conditions, for who looks at one column only."""

from __future__ import annotations

from collections.abc import Sequence

from foretide_operator.actions import Verdict

TYPE = "Ready"


def decide(verdicts: Sequence[Verdict]) -> Verdict:
    """True when predictions are published and some class will do; else what refuses it, or else what is waited for.

    A missing measurement does not make a workload unready: the model predicts what was not measured.
    """
    by_type = {verdict.type: verdict for verdict in verdicts}
    needed = [by_type[type_] for type_ in ("Inspected", "Admissible", "Predicted")]
    run = by_type.get("RunComplete")
    refused = [verdict for verdict in (*needed, run) if verdict is not None and verdict.status == "False"]
    open_ = [verdict for verdict in needed if verdict.status == "Unknown"]
    for verdict in (*refused, *open_):
        return Verdict(TYPE, verdict.status, verdict.reason, f"{verdict.type}: {verdict.message}")
    return Verdict(TYPE, "True", "Predicted", by_type["Predicted"].message)
