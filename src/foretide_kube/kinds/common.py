"""What all kinds share: metadata, conditions, selectors, tolerations, and the way to a form and back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from foretide_kube.quantity import QuantityError, millis, whole

Object = dict[str, Any]
"""A Kubernetes object as plain data, as the client and the caches give it."""

Time = str
"""A moment in RFC 3339 (UTC, whole seconds), as the API writes it."""

DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_SUBDOMAIN: Final = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
"""What names of namespaces, and of most other objects, are made of; how long they may be is theirs to say."""

Count = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
SmallCount = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Permille = SmallCount
Share = Annotated[int, msgspec.Meta(ge=0, le=1000)]
Ratio = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
"""In thousandths: 1000 is one to one."""
CpuMillis = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
Sha256 = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[0-9a-f]{64}$")]
ClassName = Annotated[str, msgspec.Meta(max_length=63)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=253)]
LabelKey = Annotated[str, msgspec.Meta(max_length=317)]
LabelValue = Annotated[str, msgspec.Meta(max_length=63)]
Labels = Annotated[dict[str, LabelValue], msgspec.Meta(max_length=16)]
Quantity = Annotated[str, msgspec.Meta(max_length=32)] | int
Limits = Annotated[dict[str, Quantity], msgspec.Meta(max_length=8)]

ConditionStatus = Literal["True", "False", "Unknown"]


class KindError(ValueError):
    """An object is not of its kind's form.

    ``field`` is its path, ``value`` what stood there, ``problem`` what is wrong.
    """

    def __init__(self, kind: str, name: str, field: str, value: object, problem: str) -> None:
        shown = repr(value)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        super().__init__(f"{kind} {name}: {field}: {problem} (found {shown})")
        self.field = field
        self.value = value
        self.problem = problem


class Metadata(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The part of an object's metadata that we read; written back only when an object is made."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    owner_references: tuple[Object, ...] = ()


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One aspect of an object's state, as in meta/v1."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    status: ConditionStatus
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[A-Z][A-Za-z0-9]*$")]
    message: Annotated[str, msgspec.Meta(max_length=2048)]
    last_transition_time: Time
    observed_generation: Annotated[int, msgspec.Meta(ge=0)] | None = None


Conditions = Annotated[tuple[Condition, ...], msgspec.Meta(max_length=16)]


def find_condition(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """The condition of that type, if it was set."""
    return next((condition for condition in conditions if condition.type == type_), None)


def set_condition(
    conditions: tuple[Condition, ...],
    type_: str,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    observed_generation: int,
    now: datetime,
) -> tuple[Condition, ...]:
    """``conditions`` with one set, in its old place or at the end.

    The time of the last transition stays while the status stays, whatever becomes of reason and message. A message
    that is longer than the schema allows is cut, so that a long cause never costs the whole status write.
    """
    before = find_condition(conditions, type_)
    unchanged = before is not None and before.status == status
    after = Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message if len(message) <= 2048 else message[:2045] + "...",
        last_transition_time=before.last_transition_time if before is not None and unchanged else to_time(now),
        observed_generation=observed_generation,
    )
    if before is None:
        return (*conditions, after)
    return tuple(after if condition is before else condition for condition in conditions)


def to_time(moment: datetime) -> Time:
    """An aware datetime as the API writes it, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class SelectorRequirement(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One requirement on one label."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=317)]
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: Annotated[tuple[LabelValue, ...], msgspec.Meta(max_length=32)] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether ``labels`` meet it; NotIn is also met by a label that is absent, as in Kubernetes."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return self.key not in labels or labels[self.key] not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels


class LabelSelector(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A selection by labels; empty selects everything."""

    match_labels: Labels = msgspec.field(default_factory=dict)
    match_expressions: Annotated[tuple[SelectorRequirement, ...], msgspec.Meta(max_length=16)] = ()

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether ``labels`` meet every requirement."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            requirement.matches(labels) for requirement in self.match_expressions
        )


EVERYTHING: Final = LabelSelector()


class Toleration(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A toleration, as in core/v1."""

    key: LabelKey = ""
    operator: Literal["Exists", "Equal"] = "Equal"
    value: LabelValue = ""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: Annotated[int, msgspec.Meta(ge=0, le=31_536_000)] | None = None


_Form = TypeVar("_Form", bound=msgspec.Struct)
_AT = re.compile(r" - at `(?P<path>.+)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]|\[\.\.\.\]")


def convert(obj: Object, form: type[_Form], kind: str) -> _Form:
    """``obj`` as ``form``, unknown fields left out; KindError names the field and the value that do not fit.

    A null counts as absent, as for the API server.
    """
    metadata = obj.get("metadata")
    parts = (metadata.get("namespace"), metadata.get("name")) if isinstance(metadata, dict) else ()
    name = "/".join(str(each) for each in parts if each)
    found = obj.get("kind", kind)
    if found != kind:
        raise KindError(kind, name or "(no name)", "kind", found, f"must be {kind}")
    try:
        return msgspec.convert(without_nulls(obj), form)
    except msgspec.ValidationError as error:
        text = str(error)
        at = _AT.search(text)
        path = at["path"] if at else "$"
        raise KindError(
            kind,
            name or "(no name)",
            path.removeprefix("$.") or "$",
            _value_at(obj, path),
            text[: at.start()] if at else text,
        ) from error


def _value_at(obj: object, path: str) -> object:
    value: object = obj
    for step in _STEP.finditer(path.removeprefix("$")):
        if step["key"] is not None and isinstance(value, dict):
            value = value.get(step["key"])
        elif step["index"] is not None and isinstance(value, list) and int(step["index"]) < len(value):
            value = value[int(step["index"])]
        else:  # a map's key or value, which the path does not name: the whole map is the best there is
            return value
    return value


def without_nulls(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value without the fields that are null, at every depth."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [without_nulls(item) for item in value]
    return value


def plain(form: msgspec.Struct) -> Object:
    """A form as plain data for the API: camelCase, fields that are None left out."""
    result: Object = without_nulls(msgspec.to_builtins(form))
    return result


def check_limits(limits: dict[str, str | int], kind: str, name: str, field: str) -> None:
    """Refuse limits that are no positive quantities; KindError names the entry."""
    for resource, quantity in limits.items():
        try:
            positive = millis(quantity) > 0
        except QuantityError as error:
            raise KindError(kind, name, f"{field}.{resource}", quantity, str(error)) from error
        if not positive:
            raise KindError(kind, name, f"{field}.{resource}", quantity, "must be greater than 0")


def cpu_millis_of(limits: dict[str, str | int]) -> int:
    """The CPU limit in thousandths of a CPU; KeyError if there is none."""
    return millis(limits["cpu"])


def memory_bytes_of(limits: dict[str, str | int]) -> int:
    """The memory limit in bytes; KeyError if there is none."""
    return whole(limits["memory"])
