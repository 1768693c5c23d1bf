"""Profiled: the workload measured where that is wanted (`choice`), a bounded number of Jobs per class at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from foretide.prediction import Prediction
from foretide.signature import Signature
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import MAX_PREDICTIONS, MAX_PROFILING_MESSAGE, ClassProfiling, Profiles
from foretide_kube.kinds.common import ConditionStatus
from foretide_kube.kinds.workloadprofile import Replaced, WorkloadProfile
from foretide_kube.names import JOBS, ROLE_PROFILE, WORKLOAD_PROFILES
from foretide_operator.actions import Action, Create, Delete, Verdict
from foretide_operator.attempts import STARTING_SECONDS, Attempt, Step, advance, latest, on_class, retire
from foretide_operator.fleet import ClassMembers, is_ready
from foretide_operator.job_keys import measuring_key
from foretide_operator.jobs import profile_job, replaced_by
from foretide_operator.line import NODES_BUSY, WAITING
from foretide_operator.outcome import Done, Failed, Running
from foretide_operator.workload.alone import node_seconds, wait_for_a_node
from foretide_operator.workload.choice import ONE_AFTER_ANOTHER, SURE_ENOUGH, Choice, behind, choose
from foretide_operator.workload.currency import outdated
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.measured import profile_of

TYPE = "Profiled"

TOO_MANY = Failed(
    "TooManyNodeClasses",
    f"only the first {MAX_PREDICTIONS} classes by name are predicted and measured; narrow spec.nodeClassSelector",
)


@dataclass(frozen=True, slots=True)
class Profiling:
    """Where measuring stands: counts of classes with the reason for each, and what to do next."""

    verdict: Verdict
    profiles: Profiles
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _ClassStand:
    name: str
    state: str  # Measured | Sure | Failed | Active | Waiting
    reason: str = ""
    message: str = ""
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None
    has_node: bool = False  # or is about to have one, as soon as there is one without tasks
    node_seconds: int | None = None
    latest_start_time: str | None = None


@dataclass(frozen=True, slots=True)
class _Known:
    """The measurement of a class, what it was replaced for if it is to be made again, and what is said of that."""

    profile: WorkloadProfile
    replaced: Replaced | None = None
    why: str = ""
    is_doubted: bool = False

    @classmethod
    def of(cls, facts: Facts, profile: WorkloadProfile) -> _Known:
        found = outdated(facts, profile)
        if found is None:  # a Job that was begun for a reason that is gone measures no worse for that
            return cls(profile, _begun(facts, profile))
        replaced = Replaced(name=profile.metadata.name, reason=found.reason, cause=found.cause)
        return cls(profile, replaced, f"{found.reason} ({found.message})", found.is_changed)


def _begun(facts: Facts, profile: WorkloadProfile) -> Replaced | None:
    """What the Job under way was made for that is to replace a measurement; None if there is none."""
    key = measuring_key(facts.workload.spec)
    found = [replaced_by(a.job) for a in facts.attempts if a.key == key and not isinstance(a.outcome, Failed)]
    return next((each for each in found if each is not None and each.name == profile.metadata.name), None)


def decide(
    facts: Facts, predictions: Sequence[Prediction], *, signature: Signature | None, inspection_failed: bool
) -> Profiling:
    """The next step towards the measurements that are wanted, given what is predicted for each class."""
    if facts.workload.spec.profiling.policy == "Never":
        return _never(facts, predictions)
    if inspection_failed:
        return _none("False", "NotInspected", "what cannot be inspected is not measured; see Inspected")
    if signature is None:
        return _none("Unknown", "NotInspected", "waiting for the inspection")
    if not facts.classes:
        return _none("False", "NoNodeClass", "spec.nodeClassSelector selects no NodeClass; see kubectl get nclass")
    known = {profile.spec.node_class: _Known.of(facts, profile) for profile in facts.profiles}
    choices = choose(
        facts,
        predictions,
        settled={name for name, each in known.items() if each.replaced is None},
        doubted={name for name, each in known.items() if each.is_doubted},
    )
    # All classes that have nodes are predicted as far as there is room: the others have no use for a measurement.
    beyond = {each.name for each in facts.classes if each.members} if predictions else set()
    beyond -= {prediction.node_class for prediction in predictions}
    stands = _stands(facts, choices, known, predictions, beyond)
    return Profiling(
        _verdict(stands),
        _profiles(stands, choices, predictions),
        actions=tuple(action for stand in stands for action in stand.actions),
        recheck_seconds=min((s.recheck_seconds for s in stands if s.recheck_seconds is not None), default=None),
    )


def _stands(
    facts: Facts,
    choices: Mapping[str, Choice],
    known: Mapping[str, _Known],
    predictions: Sequence[Prediction],
    beyond: Collection[str],
) -> list[_ClassStand]:
    """How it stands with each class, by name; what is worth most has the first chance to begin.

    The classes ``beyond`` are those that a status has no room to predict.
    """
    place = {name: number for number, name in enumerate(choices)}
    stands = []
    for members in sorted(facts.classes, key=lambda each: place.get(each.name, len(place))):
        name = members.name
        stand = _stand(facts, members, choices.get(name), known.get(name), is_beyond=name in beyond)
        if stand.has_node:
            stand = replace(stand, node_seconds=node_seconds(facts, name, predictions))
        stands.append(stand)
        if _begins(stand.actions):
            choices = behind(choices, stand.name, facts)
    return sorted(stands, key=lambda stand: stand.name)


def _stand(
    facts: Facts, members: ClassMembers, choice: Choice | None, known: _Known | None, *, is_beyond: bool
) -> _ClassStand:
    name = members.name
    if known is not None and known.replaced is None:
        return _ClassStand(name, "Measured", actions=_retired(facts, name))
    replaced = None if known is None else known.replaced

    def make(number: int) -> Object:
        return profile_job(
            facts.workload,
            members.node_class,
            attempt=number,
            lost_nodes=members.lost,
            replaced=replaced,
            settings=facts.settings,
        )

    attempt = _attempt_of(facts, name, replaced)
    if is_beyond and (attempt is None or isinstance(attempt.outcome, Failed)):
        return _from_step(facts, name, Step(failed=TOO_MANY), known)
    has_ready_node = any(is_ready(node) for node in members.members)
    if attempt is None and has_ready_node and not members.fits(facts.workload.spec.resources.limits):
        return _ClassStand(name, "Failed", "TooLargeForEveryNode", "no node of the class has room for these limits")
    has_room = facts.measuring.get(name, 0) < facts.settings.profiles_per_class
    attempt_there = on_class(attempt, members.members)
    may_start = has_room and has_ready_node and (choice is None or choice.may_start)
    step = advance(attempt_there, make, may_start=may_start, refusals=facts.refusals, now=facts.now)
    wait = wait_for_a_node(facts, members) if _begins(step.actions) else None
    if wait is not None:
        step = advance(attempt_there, make, may_start=False, refusals=facts.refusals, now=facts.now)
        step = replace(step, recheck_seconds=STARTING_SECONDS)
        if step.reason == WAITING:
            step = replace(step, reason=NODES_BUSY, message=wait.message)
    if step.done is None and step.failed is None and not step.is_active:
        step = _held_back(step, choice, has_ready_node=has_ready_node)
        if choice is not None and not choice.is_wanted:
            return _ClassStand(name, "Sure", choice.reason, choice.message, step.actions)
    if step.failed is not None and attempt is not None and _is_of_another_cause(attempt, replaced):
        # Its name is that of the next one, too: it makes room, and the next look begins anew.
        metadata = attempt.job["metadata"]
        step = Step(reason=WAITING, actions=(Delete(JOBS, metadata["namespace"], metadata["name"]),))
    stand = _from_step(facts, name, step, known)
    return replace(
        stand,
        has_node=wait is not None or (step.is_active and not _is_blocked(attempt_there)),
        latest_start_time=None if wait is None else wait.latest_time,
    )


def _begins(actions: Sequence[Action]) -> bool:
    """Whether a measurement is to begin."""
    return any(isinstance(action, Create) and action.resource == JOBS for action in actions)


def _is_blocked(attempt: Attempt | None) -> bool:
    """Whether what is under way cannot measure for now."""
    return attempt is not None and isinstance(attempt.outcome, Running) and bool(attempt.outcome.blocked_reason)


def _is_of_another_cause(attempt: Attempt, replaced: Replaced | None) -> bool:
    """Whether a measurement is to be made again for something else than what the attempt at it was made for."""
    made_for = replaced_by(attempt.job)
    if replaced is None or made_for is None:
        return False
    return (made_for.reason, made_for.cause) != (replaced.reason, replaced.cause)


def _held_back(step: Step, choice: Choice | None, *, has_ready_node: bool) -> Step:
    """Why nothing is under way: what the class lacks before what the choice says before what became of the last try."""
    if not has_ready_node:
        # Whatever the last attempt was: a node that becomes Ready calls for the next look.
        return Step(actions=step.actions, reason="NoReadyNode", message="the class has no Ready node")
    if step.reason == WAITING and choice is not None and not choice.may_start:
        return replace(step, reason=choice.reason, message=choice.message)
    return step


def _from_step(facts: Facts, name: str, step: Step, known: _Known | None) -> _ClassStand:
    if step.done is not None:
        return _ClassStand(name, "Measured", actions=_stored(facts, name, step.done, known))
    message = step.message if step.failed is None else step.failed.message
    if known is not None and known.why:
        message = f"again, for {known.why}: {message}"
    if step.failed is not None:
        # The measurement that was to be replaced is still there, and in use.
        state = "Failed" if known is None else "Measured"
        return _ClassStand(name, state, step.failed.reason, message, step.actions)
    return _ClassStand(
        name,
        "Measured" if known is not None else "Active" if step.is_active else "Waiting",
        step.reason,
        message,
        step.actions,
        step.recheck_seconds,
    )


def _stored(facts: Facts, name: str, done: Done, known: _Known | None) -> tuple[Action, ...]:
    """Keep a measurement; the one that it replaces goes when it is there, so that the class is never without."""
    if known is None:
        return (Create(WORKLOAD_PROFILES, profile_of(facts, name, done)),)
    old = known.profile.metadata
    profile = profile_of(facts, name, done, known.replaced)
    return (Create(WORKLOAD_PROFILES, profile), Delete(WORKLOAD_PROFILES, old.namespace, old.name))


def _retired(facts: Facts, name: str) -> tuple[Action, ...]:
    """What becomes of the Jobs whose result is stored."""
    ended = [
        a for a in facts.attempts if a.role == ROLE_PROFILE and a.node_class == name and isinstance(a.outcome, Done)
    ]
    return tuple(action for attempt in ended for action in retire(attempt.job))


def _attempt_of(facts: Facts, node_class: str, replaced: Replaced | None) -> Attempt | None:
    """The attempt that counts; where a measurement is to be replaced, of those made to replace it."""
    attempts: Sequence[Attempt] = facts.attempts
    if replaced is not None:
        made_for = [(a, replaced_by(a.job)) for a in attempts]
        attempts = [a for a, other in made_for if other is not None and other.name == replaced.name]
    return latest(attempts, role=ROLE_PROFILE, key=measuring_key(facts.workload.spec), node_class=node_class)


def _verdict(stands: Sequence[_ClassStand]) -> Verdict:
    counts = Counter(stand.state for stand in stands)
    progress = f"{counts['Measured']} of {len(stands)} node classes measured"
    if counts["Sure"]:
        progress += f", {counts['Sure']} known well enough"
    failed = [stand for stand in stands if stand.state == "Failed"]
    if counts["Measured"] + counts["Sure"] == len(stands):
        return Verdict(TYPE, "True", SURE_ENOUGH if counts["Sure"] else "Measured", progress)
    open_stands = [stand for stand in stands if stand.state in {"Active", "Waiting"}]
    details = "; ".join(f"{stand.name}: {stand.reason}: {stand.message}" for stand in [*failed, *open_stands])
    if open_stands:
        return Verdict(TYPE, "Unknown", _common_reason(open_stands, "InProgress"), f"{progress}; {details}")
    return Verdict(TYPE, "False", _common_reason(failed, "SeveralFailures"), f"{progress}; {details}")


def _common_reason(stands: Sequence[_ClassStand], otherwise: str) -> str:
    reasons = {stand.reason for stand in stands} - {WAITING, ONE_AFTER_ANOTHER, "Started"}
    return reasons.pop() if len(reasons) == 1 else otherwise


def _profiles(
    stands: Sequence[_ClassStand], choices: Mapping[str, Choice], predictions: Sequence[Prediction]
) -> Profiles:
    measured = {stand.name for stand in stands if stand.state == "Measured"}
    rows = []
    for stand in stands:
        choice = choices.get(stand.name)
        rows.append(
            ClassProfiling(
                node_class=stand.name,
                reason=stand.reason or stand.state,
                message=stand.message[:MAX_PROFILING_MESSAGE],
                gain_permille=None if choice is None else choice.gain_permille,
                worth_permille=None if choice is None else choice.worth_permille,
                node_seconds=stand.node_seconds,
                latest_start_time=stand.latest_start_time,
            )
        )
    return Profiles.of(
        desired=len(stands),
        measured=len(measured),
        learned=_learned(predictions, measured),
        failed=sum(stand.state == "Failed" for stand in stands),
        classes=tuple(rows),
    )


def _learned(predictions: Sequence[Prediction], measured: Collection[str]) -> int:
    return sum(p.source == "Learned" and p.node_class not in measured for p in predictions)


def _never(facts: Facts, predictions: Sequence[Prediction]) -> Profiling:
    rows = [ClassProfiling(node_class=members.name, reason="PolicyNever") for members in facts.classes]
    verdict = Verdict(
        TYPE, "False", "PolicyNever", "spec.profiling.policy is Never: predictions come from the model alone"
    )
    learned = _learned(predictions, ())
    return Profiling(
        verdict, Profiles.of(desired=len(rows), measured=0, learned=learned, failed=0, classes=tuple(rows))
    )


def _none(status: ConditionStatus, reason: str, message: str) -> Profiling:
    return Profiling(Verdict(TYPE, status, reason, message), Profiles.of(desired=0, measured=0, learned=0, failed=0))
