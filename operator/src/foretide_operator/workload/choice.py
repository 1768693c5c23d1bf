"""Which node classes a workload is to be measured on now, and why not on the others.

What is wanted follows from the policy and, with Auto, from what measuring would gain (`foretide.profiling.gain`). What
is wanted waits until the model has learned from the workload's last measurement, until the class has node time to
spend, and until its turn (`foretide.profiling.turns`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from foretide.prediction import UNSTABLE_RUN_TO_RUN, Prediction
from foretide.profiling.gain import NINETY_PERCENT, Option, gains, spread_of, sure_enough_seconds
from foretide.profiling.turns import Candidate, measuring_seconds, rank
from foretide_kube.names import ROLE_PROFILE
from foretide_kube.times import parse_time, seconds_left
from foretide_operator.attempts import Attempt
from foretide_operator.job_keys import measuring_key
from foretide_operator.line import IN_LINE, WAITING
from foretide_operator.outcome import Done, Running
from foretide_operator.spending import limits_of
from foretide_operator.workload.facts import Facts

SURE_ENOUGH: Final = "SureEnough"
ONE_AFTER_ANOTHER: Final = "OneAfterAnother"
BUDGET_SPENT: Final = "BudgetSpent"
NEXT: Final = "Next"
WAITING_MESSAGE: Final = "waiting for its turn"
LEARNING_SECONDS: Final = 900.0
"""So long the next measurement of a workload waits at most for the model to learn from the last."""
MOST_TASKS: Final = 1000
"""No workload's measurements are worth more for more tasks than these."""
REQUESTS_PER_POD: Final = 1000
"""A Pod of a service counts as a task of so many inferences, as many as a task has by default: how many requests come
is not known before it serves, and later its Pods alone say so."""
STEADY_SHARE: Final = 0.2
"""Figures that move by less stay as they were published: who waits compares his own with what others published."""
DOUBTED_SPREAD: Final = math.log(UNSTABLE_RUN_TO_RUN) / NINETY_PERCENT
"""Deviation of log seconds of a measurement of what has changed since: it is worth no more than an unstable one."""
_MOST_PERMILLE: Final = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Whether a class is measured next: the first reason why not, or `NEXT`; figures as in the AIWorkload's status."""

    reason: str
    message: str = ""
    gain_permille: int
    worth_permille: int

    @property
    def is_wanted(self) -> bool:
        """Whether the class is to be measured, now or later."""
        return self.reason != SURE_ENOUGH

    @property
    def may_start(self) -> bool:
        """Whether it is to be measured now, if it has room."""
        return self.reason == NEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A class of which the checks are asked: what measuring would gain, and what is true of the workload as a whole."""

    facts: Facts
    node_class: str
    gain_seconds: float
    sure_seconds: float
    worth_permille: int
    others: str


def choose(
    facts: Facts, predictions: Sequence[Prediction], *, settled: Collection[str], doubted: Collection[str]
) -> Mapping[str, Choice]:
    """A choice for each class that is predicted and whose measurement is not ``settled``, the one worth most first.

    ``doubted`` are classes that are predicted by a measurement of something that has changed.
    """
    if not predictions:
        return {}
    options = [_option(facts, each, is_doubted=each.node_class in doubted) for each in predictions]
    fastest_seconds = min(option.seconds for option in options)
    gained = gains(options, is_new=not facts.profiles)
    worths = {
        prediction.node_class: _published_or(
            facts, prediction.node_class, "worth_permille", _worth(facts, gain_seconds, prediction)
        )
        for gain_seconds, prediction in zip(gained, predictions, strict=True)
    }
    others = _others(facts)
    out: dict[str, Choice] = {}
    for prediction, gain_seconds in zip(predictions, gained, strict=True):
        name = prediction.node_class
        if name in settled:
            continue
        asked = _Asked(
            facts=facts,
            node_class=name,
            gain_seconds=gain_seconds,
            sure_seconds=sure_enough_seconds(options),
            worth_permille=worths[name],
            others=others,
        )
        reason, message = _reason(asked)
        out[name] = Choice(
            reason=reason,
            message=message,
            gain_permille=_published_or(facts, name, "gain_permille", gain_seconds / fastest_seconds),
            worth_permille=worths[name],
        )
    return dict(sorted(out.items(), key=lambda item: (-item[1].worth_permille, item[0])))


def behind(choices: Mapping[str, Choice], started: str, facts: Facts) -> Mapping[str, Choice]:
    """The choices after the measurement on a class has begun: where the model learns from it, others wait for that."""
    if not learns(facts):
        return choices
    message = _awaiting(f"the measurement on {started}")
    return {
        name: replace(choice, reason=ONE_AFTER_ANOTHER, message=message) if choice.may_start else choice
        for name, choice in choices.items()
    }


def _published_or(facts: Facts, name: str, figure: Literal["gain_permille", "worth_permille"], value: float) -> int:
    """``value`` in thousandths, or what was published of the class if that is about the same."""
    new_permille = min(round(1e3 * value), _MOST_PERMILLE)
    status = facts.workload.status
    rows = status.profiles.classes if status.profiles is not None and status.key == facts.key else ()
    old_permille: int | None = next((getattr(row, figure) for row in rows if row.node_class == name), None)
    if old_permille is not None and abs(new_permille - old_permille) <= STEADY_SHARE * max(new_permille, old_permille):
        return old_permille
    return new_permille


def _reason(asked: _Asked) -> tuple[str, str]:
    """The first of the checks below that refuses, or that the class is next."""
    for check in (_sure_enough, _one_after_another, _budget_spent, _not_first):
        refusal = check(asked)
        if refusal is not None:
            return refusal
    return NEXT, ""


def _sure_enough(asked: _Asked) -> tuple[str, str] | None:
    profiling = asked.facts.workload.spec.profiling
    is_stale = any(profile.spec.node_class == asked.node_class for profile in asked.facts.profiles)
    if profiling.policy == "Always" or is_stale or asked.gain_seconds >= asked.sure_seconds:
        return None
    return SURE_ENOUGH, "measuring would hardly change where tasks run, and when"


def _one_after_another(asked: _Asked) -> tuple[str, str] | None:
    if not asked.others:
        return None
    return ONE_AFTER_ANOTHER, _awaiting(asked.others)


def _awaiting(measurement: str) -> str:
    return f"waits for what the model learns from {measurement}"


def _budget_spent(asked: _Asked) -> tuple[str, str] | None:
    budget_seconds = asked.facts.settings.profile_budget_seconds
    if asked.facts.spent.node_seconds.get(asked.node_class, 0.0) < budget_seconds:
        return None
    return BUDGET_SPENT, f"the {budget_seconds} s of node time a day for measurements on the class are used up"


def _not_first(asked: _Asked) -> tuple[str, str] | None:
    ahead = asked.facts.ahead.get(asked.node_class)
    if ahead is None:
        return None
    metadata = asked.facts.workload.metadata
    own = Candidate(namespace=metadata.namespace, name=metadata.name, worth=_told_permille(asked) / 1e3)
    own_rank, ahead_rank = (
        rank(each, measurements=asked.facts.spent.measurements[asked.node_class, each.namespace])
        for each in (own, ahead)
    )
    return (WAITING, WAITING_MESSAGE) if ahead_rank < own_rank else None


def _told_permille(asked: _Asked) -> int:
    """The worth by which others see the workload in the line; its own figure as long as it is not in it."""
    status = asked.facts.workload.status
    rows = status.profiles.classes if status.profiles is not None and status.key == asked.facts.key else ()
    told = next((row for row in rows if row.node_class == asked.node_class and row.reason in IN_LINE), None)
    return asked.worth_permille if told is None or told.worth_permille is None else told.worth_permille


def _option(facts: Facts, prediction: Prediction, *, is_doubted: bool) -> Option:
    """A task on the class; for a service one request, which comes when the Pod has long been started."""
    spec, work = facts.workload.spec, prediction.work_microseconds_per_inference
    spread = spread_of(lower=max(work.lower, 1), upper=max(work.upper, 1))
    return Option(
        startup_seconds=0.0 if spec.run.is_service else _startup_seconds(prediction),
        work_seconds=max(prediction.work_seconds(spec.inferences_at_a_time), 1e-6),
        spread=max(spread, DOUBTED_SPREAD) if is_doubted else spread,
    )


def _startup_seconds(prediction: Prediction) -> float:
    return prediction.startup_milliseconds / 1e3


def _worth(facts: Facts, gain_seconds: float, prediction: Prediction) -> float:
    """Seconds that the tasks of lately, or the Pods of a service, and one more, would gain for a second of measuring.

    ``gain_seconds`` is what a task gains, or a request.
    """
    cost_seconds = measuring_seconds(
        startup_seconds=_startup_seconds(prediction),
        inference_seconds=prediction.work_seconds(1),
        limits=limits_of(facts.settings),
    )
    per_pod = REQUESTS_PER_POD if facts.workload.spec.run.is_service else 1
    return gain_seconds * per_pod * (1 + min(len(facts.run_pods), MOST_TASKS)) / cost_seconds


def learns(facts: Facts) -> bool:
    """Whether a model is in use, so that what is measured tells of other classes."""
    return bool(facts.considered_time) and facts.workload.spec.profiling.policy == "Auto"


def _others(facts: Facts) -> str:
    """The measurement that the model is to learn from before another of the workload begins; empty if there is none."""
    if not learns(facts):
        return ""
    measured = {profile.spec.node_class for profile in facts.profiles}
    for attempt in facts.attempts:
        if _is_under_way(attempt, measuring_key(facts.workload.spec), measured):
            return f"the measurement on {attempt.node_class}"
    considered = parse_time(facts.considered_time)
    for profile in facts.profiles:
        ended = parse_time(profile.spec.measured_time)
        is_fresh = seconds_left(LEARNING_SECONDS, profile.spec.measured_time, facts.now) > 0.0
        if considered is not None and ended is not None and ended > considered and is_fresh:
            return f"the measurement on {profile.spec.node_class}"
    return ""


def _is_under_way(attempt: Attempt, key: str, measured: set[str]) -> bool:
    if attempt.role != ROLE_PROFILE or attempt.key != key:
        return False
    is_unstored = isinstance(attempt.outcome, Done) and attempt.node_class not in measured
    return is_unstored or (isinstance(attempt.outcome, Running) and not attempt.outcome.blocked_reason)
