"""Model versions as ConfigMaps: written under the digest of their bytes, read back and believed only if it agrees."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Final

from foretide.model.artefact import ArtefactError
from foretide.model.predictor import CompletionTimePredictor
from foretide_kube.client import Object
from foretide_kube.kinds.completiontimemodel import Artefact
from foretide_operator.config_maps import config_map

COMPONENT: Final = "model"
_DATA: Final = "artefact"


def version_of(artefact: bytes) -> str:
    """The name of a version: the start of its digest, so that equal models have equal names."""
    return hashlib.sha256(artefact).hexdigest()[:12]


def to_config_map(artefact: bytes, namespace: str, owner: Object | None) -> tuple[Artefact, Object]:
    """Where the artefact goes, and the ConfigMap that holds it (`foretide.model.artefact` keeps it small enough)."""
    name = f"foretide-model-{version_of(artefact)}"
    described = Artefact(config_maps=(name,), sha256=hashlib.sha256(artefact).hexdigest(), bytes=len(artefact))
    return described, config_map(name, namespace, COMPONENT, {_DATA: artefact}, owner)


def load(described: Artefact, config_maps: Mapping[str, Object]) -> CompletionTimePredictor:
    """The predictor of a version; ArtefactError if a part is missing, altered, or no model."""
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
    return CompletionTimePredictor.load(whole)
