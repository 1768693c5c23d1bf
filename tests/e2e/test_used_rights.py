"""What our accounts did in all that the suite went through, its last test: nothing forbidden, no right for nothing.

The account `foretide-explain` is apart: no Pod runs with it, and its rights are what the extender asks about. So are
roles that users are given, and those that Kubernetes keeps for every kube-scheduler.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit import Call, Right, calls, rights
from tests.chart.rendering import render
from tests.chart.rights import OPERATOR, SCHEDULER
from tests.installed import VALUES, Installed

pytestmark = pytest.mark.cluster
ACCOUNTS = {OPERATOR, SCHEDULER}
PROVOKED = ("exceeded quota",)


def given() -> set[Right]:
    """What our own roles give."""
    return rights(render(files=(VALUES,)).all.values(), ACCOUNTS)


def is_of_ours(call: Call) -> bool:
    """Whether another program than kube-scheduler made it."""
    return not call.agent.startswith("kube-scheduler/")


@pytest.fixture(scope="module")
def made(installed: Installed) -> set[Call]:
    """The calls of our accounts."""
    found = calls(installed.cluster.audit_log, ACCOUNTS)
    assert {call.right.account for call in found} == ACCOUNTS
    return found


def test_no_call_was_forbidden_and_none_refused_that_no_test_provoked(made: set[Call]) -> None:
    assert sorted(f"{call.right} by {call.agent}" for call in made if call.is_forbidden) == []
    refused = {f"{call.right}: {call.refusal}" for call in made if call.refusal}
    assert sorted(text for text in refused if not any(words in text for words in PROVOKED)) == []


def test_every_call_of_our_programs_rests_on_a_right_of_ours(made: set[Call]) -> None:
    """Beside kube-scheduler the extender has that one's rights as well, which it has not in external mode."""
    ours = given()
    asked = [call for call in made if is_of_ours(call) and not call.is_forbidden]
    uncovered = [call for call in asked if not any(call.uses(right) for right in ours)]
    assert sorted(f"{call.right} by {call.agent}" for call in uncovered) == []


def test_every_right_was_used(made: set[Call], request: pytest.FixtureRequest) -> None:
    missing = set(Path(__file__).parent.glob("test_*.py")) - {item.path for item in request.session.items}
    if missing:
        pytest.skip(f"the whole suite is what uses them; not run: {', '.join(sorted(path.name for path in missing))}")
    ours = [call for call in made if is_of_ours(call)]
    unused = [right for right in given() if not any(call.uses(right) for call in ours)]
    assert sorted(map(str, unused)) == []
