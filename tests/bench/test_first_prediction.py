"""What the bench of the first prediction makes of what it sees; the run itself needs a cluster and minutes."""

from __future__ import annotations

from typing import Any

import pytest

from bench import first_prediction
from bench.first_prediction import MARKS, Moments, clear, figures, is_informed, lines, variants, wait_for_model
from demo.marks import held
from demo.scenario import ROOT, Scenario
from foretide_kube.kinds import aiworkload
from foretide_kube.names import JOBS

FOUND = {
    "first-00": {"informed_seconds": 4.0004, "placed_seconds": 0.5},
    "first-01": {"informed_seconds": 12.0, "placed_seconds": 0.25},
    "first-02": {"informed_seconds": 6.0, "placed_seconds": 0.0},
}


def workload(*sources: str) -> dict[str, Any]:
    return {"metadata": {"name": "w"}, "status": {"predictions": [{"source": each} for each in sources]}}


def pod(node: str | None, *, role: str = "run", workload: str = "w") -> dict[str, Any]:
    labels = {"foretide.dev/role": role, "foretide.dev/workload": workload}
    return {"metadata": {"name": "p", "labels": labels}, "spec": {"nodeName": node}}


class Clock:
    """Stands in for the module `time`: whoever sleeps sets it forward."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(first_prediction, "time", clock)
    return clock


@pytest.fixture
def moments(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Moments:
    monkeypatch.setattr(first_prediction, "MOST_SECONDS", 0.0)
    return Moments(clock.monotonic)


@pytest.mark.parametrize(
    ("seen", "informed"),
    [
        ({"metadata": {"name": "new"}}, False),
        (workload(), False),
        (workload("Fallback"), False),
        (workload("Fallback", "Learned"), True),
        (workload("Measured"), True),
    ],
)
def test_a_prediction_informs_that_is_no_fallback(seen: dict[str, Any], *, informed: bool) -> None:
    assert is_informed(seen) is informed


def test_a_moment_is_that_at_which_it_was_so_first(moments: Moments, clock: Clock) -> None:
    for source in ("Fallback", "Learned", "Measured"):
        clock.sleep(1.0)
        moments.note_workload("MODIFIED", workload(source))
    for node in (None, "n1", "n2"):
        clock.sleep(1.0)
        moments.note_pod("MODIFIED", pod(node))
    assert (moments.wait("informed", "w"), moments.wait("placed", "w")) == (2.0, 5.0)


def test_measurements_other_workloads_and_what_is_deleted_are_no_news_of_a_task(moments: Moments) -> None:
    moments.note_workload("DELETED", workload("Learned"))
    moments.note_pod("MODIFIED", pod("n1", role="profile"))
    moments.note_pod("DELETED", pod("n1"))
    moments.note_pod("MODIFIED", pod("n1", workload="other"))
    for what in ("informed", "placed"):
        with pytest.raises(TimeoutError, match=f"w was not {what}"):
            moments.wait(what, "w")


def test_variants_are_workloads_of_each_source_in_turn_that_nobody_has_seen() -> None:
    manifests = Scenario.load(ROOT / "demo" / "scenario.yaml").manifests()
    made = variants(manifests, 6)
    specs = [aiworkload.parse(each).spec for each in made]
    assert [spec.model.source for spec in specs] == 3 * ["ONNX", "TorchVision"]
    assert len({each["metadata"]["name"] for each in made}) == 6
    keys = [aiworkload.workload_key(spec) for spec in specs]
    known = [aiworkload.workload_key(aiworkload.parse(each).spec) for each in manifests]
    assert len(set(keys)) == 6
    assert not set(keys) & set(known)
    assert {(spec.run.mode, spec.run.completions) for spec in specs} == {("Job", 1)}
    assert all("profiling" not in each["spec"] for each in made)


def test_a_variant_changes_nothing_of_what_it_was_made_of() -> None:
    manifests = Scenario.load(ROOT / "demo" / "scenario.yaml").manifests()
    variants(manifests, 2)
    assert manifests == Scenario.load(ROOT / "demo" / "scenario.yaml").manifests()


class Client:
    """Answers in turn; once it has no other, its last again."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.deleted: list[str] = []

    def get(self, *_: object) -> Any:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def list_objects(self, resource: object, *_: object, **__: object) -> Any:
        return self.get() if resource == JOBS else []

    def delete(self, _: object, name: str, __: str) -> None:
        self.deleted.append(name)


@pytest.mark.usefixtures("clock")
def test_a_model_is_waited_for_until_a_version_is_in_use() -> None:
    client: Any = Client({}, {"status": {"activeVersion": ""}}, {"status": {"activeVersion": "v1"}})
    wait_for_model(client)
    assert len(client.answers) == 1
    client = Client({})
    with pytest.raises(TimeoutError, match="no model after 300 s"):
        wait_for_model(client)


@pytest.mark.usefixtures("clock")
def test_a_workload_is_gone_when_nothing_of_it_is_left() -> None:
    client: Any = Client([{}], [{}], [])
    clear(client, "w")
    assert (client.deleted, client.answers) == (["w"], [[]])
    client = Client([{}])
    with pytest.raises(TimeoutError, match="jobs of w are still there"):
        clear(client, "w")


def test_figures_are_the_median_and_the_worst_of_each_span() -> None:
    found = figures(FOUND)
    assert found["informed"] == {"median_seconds": 6.0, "worst_seconds": 12.0, "seconds": [4.0, 12.0, 6.0]}
    assert found["placed"]["worst_seconds"] == 0.5
    marks = held(found, MARKS)
    assert {name: mark["met"] for name, mark in marks.items()} == {
        "informed.worst_seconds": False,
        "placed.worst_seconds": True,
    }
    assert [line.split() for line in lines(FOUND).splitlines()][-1] == ["first-02", "6.00", "0.00"]
