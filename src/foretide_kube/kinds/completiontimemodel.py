"""CompletionTimeModel: the one learned model, its versions, and how well it does."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from foretide.contention import Contention
from foretide.results import Bytes
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


class Version(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One trained model."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    trained_time: Time
    observations: SmallCount
    artefact: Artefact
    errors: Errors


class ClassErrors(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How well the version in use does on one node class, and what tasks do to each other there, by their kind."""

    node_class: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    observations: SmallCount
    error_permille: Permille | None = None
    coverage_permille: Share | None = None
    contention: Annotated[tuple[Contention, ...], msgspec.Meta(max_length=8)] = ()


class CompletionTimeModelStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was learned."""

    observed_generation: Annotated[int, msgspec.Meta(ge=0)] | None = None
    conditions: Conditions = ()
    active_version: Annotated[str, msgspec.Meta(max_length=64)] = ""
    versions: Annotated[tuple[Version, ...], msgspec.Meta(max_length=10)] = ()
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
