"""Which version of the model serves, as pure history."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from foretide_kube.kinds.common import to_time
from foretide_kube.kinds.completiontimemodel import MOST_VERSIONS, Artefact, Errors, Trial, Version
from foretide_operator.training.versions import History, after_training, has_changed_materially, pruned
from tests.operator.cluster_objects import NOW


def version(name: str, *, minute: int = 0, **fields: Any) -> Version:
    time = to_time(NOW + timedelta(minutes=minute))
    return Version(
        **{
            "version": name,
            "trained_time": time,
            "observations": 60,
            "input_rows": 100,
            "errors": Errors(),
            "artefact": Artefact(config_maps=(f"foretide-model-{name}",), sha256="0" * 64, bytes=10),
            **fields,
        }
    )


def trial(verdict: str, against: str, times: str = "HeldBack") -> Trial:
    return msgspec.convert(
        {
            "times": times,
            "against": against,
            "pairs": 12,
            "errorPermille": 200 if verdict == "Worse" else 100,
            "againstErrorPermille": 100,
            "verdict": verdict,
        },
        Trial,
    )


def trained(
    history: History, name: str, *trials: Trial, since: Trial | None = None, new_rows: int = 50
) -> tuple[History, dict[str, str]]:
    """The history after a training, and what became of which version."""
    after, judgements = after_training(history, version(name), trials, since, rows_since=lambda _: new_rows, now=NOW)
    return after, {each.version: each.outcome for each in judgements}


def states(history: History) -> dict[str, str]:
    return {each.version: each.state for each in history.versions}


FIRST, _ = trained(History((), ""), "a")
PROBATION, _ = trained(FIRST, "b", trial("Undecided", "a"))
"""Version b serves on probation, a is proven."""


def test_the_first_version_serves_and_is_the_measure_of_the_next() -> None:
    assert FIRST.active == "a"
    assert FIRST.proven is not None
    assert FIRST.proven.version == "a"


@pytest.mark.parametrize(("verdict", "proven"), [("NotWorse", "b"), ("Undecided", "a")])
def test_a_version_that_is_not_worse_serves_and_is_proven_if_it_was_shown(verdict: str, proven: str) -> None:
    history, became = trained(FIRST, "b", trial(verdict, "a"))
    assert (history.active, became) == ("b", {"b": "Served"})
    assert states(history) == {"a": "Superseded", "b": "Serving"}
    assert history.proven is not None
    assert history.proven.version == proven


def test_a_version_that_nothing_could_be_held_against_serves_on_probation() -> None:
    history, _ = trained(FIRST, "b")
    assert history.active == "b"
    found = history.named("b")
    assert found is not None
    assert (found.reason, found.proven_time) == ("OnProbation", None)


def test_a_worse_version_never_serves_and_is_told_with_its_errors_and_without_artefact() -> None:
    history, became = trained(FIRST, "b", trial("Worse", "a"))
    assert (history.active, became) == ("a", {"b": "Rejected"})
    found = history.named("b")
    assert found is not None
    assert (found.state, found.reason, found.artefact) == ("Rejected", "WorseThanPresent", None)
    assert "20.0 % median error on 12 pairs held back, version a 10.0 %" in found.message
    assert found.trials[0].verdict == "Worse"


def test_small_steps_for_the_worse_are_seen_by_the_proven_version() -> None:
    history, became = trained(PROBATION, "c", trial("Undecided", "b"), trial("Worse", "a"))
    assert (history.active, became) == ("b", {"c": "Rejected"})
    found = history.named("c")
    assert found is not None
    assert found.reason == "WorseThanProven"


def test_a_version_that_turned_out_worse_is_rolled_back_to_the_proven_one() -> None:
    history, became = trained(PROBATION, "c", trial("NotWorse", "a"), since=trial("Worse", "a", "Served"))
    assert became == {"b": "RolledBack", "c": "Served"}
    assert states(history) == {"a": "Superseded", "b": "RolledBack", "c": "Serving"}
    found = history.named("b")
    assert found is not None
    assert (found.reason, found.artefact) == ("WorseThanPredecessor", None)
    assert found.trials[-1].times == "Served"


def test_what_was_trained_on_nearly_the_rows_of_a_version_rolled_back_does_not_follow_it() -> None:
    history, became = trained(PROBATION, "c", trial("Undecided", "a"), since=trial("Worse", "a", "Served"), new_rows=3)
    assert became == {"b": "RolledBack", "c": "Rejected"}
    assert history.active == "a"
    assert states(history) == {"a": "Serving", "b": "RolledBack", "c": "Rejected"}
    found = history.named("c")
    assert found is not None
    assert found.reason == "LikeRolledBack"


def test_what_was_turned_down_does_not_serve_when_it_is_trained_again() -> None:
    rejected, _ = trained(FIRST, "b", trial("Worse", "a"))
    history, became = trained(rejected, "b", trial("NotWorse", "a"))
    assert (history.active, became) == ("a", {})
    rolled_back, _ = trained(PROBATION, "c", trial("NotWorse", "a"), since=trial("Worse", "a", "Served"))
    assert trained(rolled_back, "b")[0].active == "c"


def test_a_version_on_probation_is_proven_by_what_was_observed_since() -> None:
    history, _ = trained(PROBATION, "c", trial("Undecided", "b"), since=trial("NotWorse", "a", "Served"))
    found = history.named("b")
    assert found is not None
    assert found.proven_time is not None
    assert history.active == "c"
    assert history.proven == found


def test_a_judgement_on_a_version_that_serves_no_more_counts_for_nothing() -> None:
    history, became = trained(PROBATION, "c", trial("Worse", "gone"), since=trial("Worse", "gone", "Served"))
    assert (history.active, became) == ("c", {"c": "Served"})


def test_a_version_trained_again_stays_proven() -> None:
    history, _ = trained(FIRST, "a", trial("Undecided", "a"))
    assert len(history.versions) == 1
    assert history.proven is not None


def test_the_proven_version_is_kept_however_many_follow_on_probation() -> None:
    history = FIRST
    for number in range(30):
        history, _ = trained(history, f"v{number}", trial("Undecided", history.active), trial("Undecided", "a"))
        history = pruned(history, 3)
    assert len(history.versions) == MOST_VERSIONS
    kept = [each.version for each in history.versions if each.artefact is not None]
    assert kept == ["a", "v28", "v29"]
    assert history.active == "v29"


def test_with_one_version_kept_there_is_nothing_to_roll_back_to() -> None:
    history = pruned(PROBATION, 1)
    assert [each.version for each in history.versions if each.artefact is not None] == ["b"]
    assert history.proven is None


def test_a_damaged_version_is_no_measure() -> None:
    history = History(PROBATION.versions, "b", frozenset({"a"}))
    assert history.proven is None


@pytest.mark.parametrize(
    ("rows", "new", "is_other"), [(100, 0, False), (103, 3, False), (104, 4, False), (105, 5, True), (80, 0, True)]
)
def test_a_table_is_another_when_one_row_in_twenty_is(rows: int, new: int, *, is_other: bool) -> None:
    assert has_changed_materially(version("a"), rows, new) is is_other
