"""Model versions as ConfigMaps: written under the digest of their bytes, read back and believed only if it agrees.

Beside the artefact lies the report of its training: a version that serves again brings its own errors and contention.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

import msgspec

from foretide.model.artefact import ArtefactError
from foretide.model.predictor import CompletionTimePredictor
from foretide_kube.client import Object
from foretide_kube.kinds.completiontimemodel import MOST_CLASSES, Artefact
from foretide_operator.config_maps import config_map
from foretide_operator.training.protocol import TrainingReport

COMPONENT: Final = "model"
_DATA: Final = "artefact"
_REPORT: Final = "report.json"


def version_of(artefact: bytes) -> str:
    """The name of a version: the start of its digest, so that equal models have equal names."""
    return hashlib.sha256(artefact).hexdigest()[:12]


def to_config_map(
    artefact: bytes, report: TrainingReport, namespace: str, owner: Object | None
) -> tuple[Artefact, Object]:
    """Where the artefact goes, and the ConfigMap that holds it (`foretide.model.artefact` keeps it small enough).

    Of the report it holds what is said of node classes, as far as the status has room for it.
    """
    name = f"foretide-model-{version_of(artefact)}"
    described = Artefact(config_maps=(name,), sha256=hashlib.sha256(artefact).hexdigest(), bytes=len(artefact))
    kept = TrainingReport(observations=report.observations, classes=report.classes[:MOST_CLASSES])
    data = {_DATA: artefact, _REPORT: msgspec.json.encode(kept)}
    return described, config_map(name, namespace, COMPONENT, data, owner)


def report_of(described: Artefact, config_maps: Mapping[str, Object]) -> TrainingReport:
    """The report of a version's training; one that says nothing where it cannot be read."""
    try:
        stored = config_maps[described.config_maps[0]]["binaryData"][_REPORT]
        return msgspec.json.decode(base64.b64decode(stored, validate=True), type=TrainingReport)
    except (KeyError, TypeError, ValueError, RecursionError):
        return TrainingReport(observations=0)


def load(described: Artefact, config_maps: Mapping[str, Object]) -> CompletionTimePredictor:
    """The predictor of a version; ArtefactError if a part is missing, altered, or no model."""
    return CompletionTimePredictor.load(read(described, config_maps))


def read(described: Artefact, config_maps: Mapping[str, Object]) -> bytes:
    """The bytes of a version's artefact; ArtefactError if a part is missing or altered."""
    parts = []
    for name in described.config_maps:
        if name not in config_maps:
            raise ArtefactError("ArtefactMalformed", f"ConfigMap {name} is missing")
        try:
            parts.append(base64.b64decode(config_maps[name].get("binaryData", {}).get(_DATA, ""), validate=True))
        except ValueError as error:
            raise ArtefactError("ArtefactMalformed", f"ConfigMap {name}: {error}") from error
    whole = b"".join(parts)
    digest = hashlib.sha256(whole).hexdigest()
    if digest != described.sha256:
        message = (
            f"ConfigMap {', '.join(described.config_maps)} has sha256 {digest}, the status says {described.sha256}"
        )
        raise ArtefactError("ArtefactChecksumMismatch", message)
    return whole
