"""Ready: the summary of the other conditions, for who looks at one column only."""

from __future__ import annotations

from collections.abc import Sequence

from foretide_operator.actions import Verdict

TYPE = "Ready"


def decide(verdicts: Sequence[Verdict]) -> Verdict:
    """True when predictions are published and some class will do; else what is in the way, the first first.

    A missing measurement does not make a workload unready: the model predicts what was not measured.
    """
    by_type = {verdict.type: verdict for verdict in verdicts}
    for type_ in ("Inspected", "Admissible", "Predicted"):
        verdict = by_type[type_]
        if verdict.status != "True":
            return Verdict(TYPE, verdict.status, verdict.reason, f"{type_}: {verdict.message}")
    run = by_type.get("RunComplete")
    if run is not None and run.status == "False":
        return Verdict(TYPE, "False", run.reason, f"RunComplete: {run.message}")
    return Verdict(TYPE, "True", "Predicted", by_type["Predicted"].message)
