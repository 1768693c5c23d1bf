"""CompletionTimeModel: the one learned model, its versions, and how well it does."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from foretide.contention import Contention
from foretide.results import Bytes
from foretide.vetting import Why
from foretide_kube.kinds.common import (
    Conditions,
    KindError,
    Metadata,
    Name,
    Object,
    Permille,
    Share,
    SmallCount,
    Time,
    convert,
    plain,
)
from foretide_kube.names import API_VERSION

KIND: Final = "CompletionTimeModel"
NAME: Final = "default"
"""The only name there is."""
MOST_CLASSES: Final = 64
"""The status has room for so many node classes, the first by name."""


MOST_VERSIONS: Final = 10
"""The status has room for so many versions; of most of them the artefact is gone."""
MOST_TRIALS: Final = 3
MOST_EXCLUDED: Final = 32
"""The status has room for so many namespaces, those with most excluded observations first."""

State = Literal["Serving", "Superseded", "Rejected", "RolledBack"]
VersionName = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class CompletionTimeModelSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """When the model is trained and what is kept."""

    minimum_observations: Annotated[int, msgspec.Meta(ge=2, le=1_000_000)] = 4
    keep_versions: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    retrain_after_seconds: Annotated[int, msgspec.Meta(ge=1, le=2_592_000)] = 30


class Artefact(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a version's data lies: ConfigMaps whose parts are joined in order, the digest and size of the whole."""

    config_maps: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=16)]
    sha256: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[0-9a-f]{64}$")]
    bytes: Bytes


class Errors(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Errors on data held out of the training, in thousandths; None where there was too little."""

    median_absolute_permille: Permille | None = None
    mean_absolute_permille: Permille | None = None
    coverage_permille: Share | None = None


class Trial(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A version held against another on pairs that neither saw (`foretide.comparison`); errors are medians over pairs.

    ``times`` are HeldBack, recent ones kept from a fit like it before it served, or Served, those since its training
    began.
    """

    times: Literal["HeldBack", "Served"]
    against: VersionName
    pairs: SmallCount
    error_permille: Permille
    against_error_permille: Permille
    verdict: Literal["Worse", "Undecided", "NotWorse"]


class Version(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One trained model, and what became of it.

    ``input_sha256`` digests what it was trained on: ``input_rows`` times of ``input_classes`` node classes, of which
    ``observations`` were believed. ``trained_time`` is when its training began: it has seen nothing that was observed
    later. ``proven_time`` is when it was shown to be not worse than the last version that had been; None while it is on
    probation. ``artefact`` is None where it is kept no longer, or never was.
    """

    version: VersionName
    trained_time: Time
    observations: SmallCount
    input_rows: SmallCount = 0
    input_classes: SmallCount = 0
    errors: Errors
    state: State = "Superseded"
    state_time: Time | None = None
    reason: Annotated[str, msgspec.Meta(max_length=64)] = ""
    message: Annotated[str, msgspec.Meta(max_length=512)] = ""
    proven_time: Time | None = None
    input_sha256: Annotated[str, msgspec.Meta(max_length=64)] = ""
    artefact: Artefact | None = None
    trials: Annotated[tuple[Trial, ...], msgspec.Meta(max_length=MOST_TRIALS)] = ()


class ClassErrors(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How well the version in use does on one node class, and what tasks do to each other there, by their kind."""

    node_class: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    observations: SmallCount
    error_permille: Permille | None = None
    coverage_permille: Share | None = None
    contention: Annotated[tuple[Contention, ...], msgspec.Meta(max_length=8)] = ()


class Excluded(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A namespace whose observations, ``whole`` or some of them, were not believed in the newest training, and why."""

    namespace: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    observations: SmallCount
    whole: bool
    reason: Why


class CompletionTimeModelStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was learned.

    ``considered_time`` is when the newest measurement ended of which there is nothing more to be learned now: it was
    learned from, or the table has too little that is new. None where there is none.
    """

    observed_generation: Annotated[int, msgspec.Meta(ge=0)] | None = None
    conditions: Conditions = ()
    active_version: Annotated[str, msgspec.Meta(max_length=64)] = ""
    considered_time: Time | None = None
    versions: Annotated[tuple[Version, ...], msgspec.Meta(max_length=MOST_VERSIONS)] = ()
    excluded: Annotated[tuple[Excluded, ...], msgspec.Meta(max_length=MOST_EXCLUDED)] = ()
    classes: Annotated[tuple[ClassErrors, ...], msgspec.Meta(max_length=MOST_CLASSES)] = ()


class CompletionTimeModel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The model as the cluster knows it."""

    metadata: Metadata
    spec: CompletionTimeModelSpec = CompletionTimeModelSpec()
    status: CompletionTimeModelStatus = CompletionTimeModelStatus()


def parse(obj: Object) -> CompletionTimeModel:
    """A CompletionTimeModel out of a plain object; KindError names the field and the value that do not fit."""
    model = convert(obj, CompletionTimeModel, KIND)
    if model.metadata.name != NAME:
        raise KindError(KIND, model.metadata.name, "metadata.name", model.metadata.name, f"must be {NAME}")
    return model


def to_object(model: CompletionTimeModel) -> Object:
    """A plain object that the API server takes."""
    return {"apiVersion": API_VERSION, "kind": KIND, **plain(model)}
