"""The artefact: a trained model as bytes that are data, never code.

Form, version 1: one line of JSON, the *header*, ended by a newline, then the *payload*, one JSON document of
`foretide.model.parts.Parts`. The header names the format, its version, and the payload's length and SHA-256; it must be
byte for byte what `encode` would write, so no part of an artefact can be changed unnoticed. The checksum guards against
damage, not against a forger who may write the artefact: that is the business of RBAC.

Equal parts give equal bytes. An artefact is at most `MAX_ARTEFACT_BYTES`, so that one ConfigMap holds it.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal

import msgspec
import numpy as np

from foretide.model.effects import Effects
from foretide.model.parts import Parts

FORMAT: Final = "foretide.dev/completion-time-model"
VERSION: Final = 1
MAX_ARTEFACT_BYTES: Final = 900_000

Reason = Literal["ArtefactChecksumMismatch", "ArtefactVersionUnknown", "ArtefactMalformed", "ArtefactTooLarge"]


class ArtefactError(ValueError):
    """An artefact that is refused; `reason` is the condition's reason."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    version: int
    sha256: str
    bytes: int


def encode(parts: Parts) -> bytes:
    """Parts as bytes; ArtefactTooLarge if they do not fit."""
    payload = msgspec.json.encode(parts, order="deterministic")
    artefact = _header_line(payload) + payload
    if len(artefact) > MAX_ARTEFACT_BYTES:
        raise ArtefactError(
            "ArtefactTooLarge",
            f"the model has {len(artefact)} bytes, a ConfigMap holds {MAX_ARTEFACT_BYTES}: "
            "train on fewer workloads or with fewer trees",
        )
    return artefact


def decode(artefact: bytes) -> Parts:
    """Parts from bytes that nobody vouches for; ArtefactError says why they are refused."""
    if len(artefact) > MAX_ARTEFACT_BYTES:
        raise _malformed(f"{len(artefact)} bytes; at most {MAX_ARTEFACT_BYTES} are read")
    line, newline, payload = artefact.partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _malformed(f"its first line is no header: {error}") from error
    if header.format != FORMAT:
        raise _malformed(f"its format is {header.format!r}, not {FORMAT!r}")
    if header.version != VERSION:
        raise ArtefactError(
            "ArtefactVersionUnknown",
            f"artefact version {header.version}; this program reads version {VERSION}: "
            "train again, or run a matching version",
        )
    if header.sha256 != hashlib.sha256(payload).hexdigest():
        raise ArtefactError(
            "ArtefactChecksumMismatch", "the artefact's payload does not match its checksum: train again"
        )
    if line + newline != _header_line(payload):
        raise _malformed("its header is not in canonical form")
    try:
        parts = msgspec.json.decode(payload, type=Parts)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"its payload is not a model: {error}") from error
    _check(parts)
    return parts


def _header_line(payload: bytes) -> bytes:
    header = _Header(FORMAT, VERSION, hashlib.sha256(payload).hexdigest(), len(payload))
    return msgspec.json.encode(header) + b"\n"


def _malformed(message: str) -> ArtefactError:
    return ArtefactError("ArtefactMalformed", f"the artefact cannot be read: {message}")


def _check(parts: Parts) -> None:
    """Refuse parts whose sizes or indices do not fit each other: they would fail, or hang, at the first prediction."""
    effects = parts.effects
    shape, view = effects.shape, effects.view
    width, described = len(shape.names), len(view.names)
    columns = (shape.median, shape.mean, shape.deviation, shape.low, shape.high, effects.shared)
    if any(len(column) != width for column in columns) or len(effects.prior_variance) != width + 1:
        raise _malformed(f"{width} features of shape, but parts of another number")
    if any(len(column) != described for column in (view.mean, view.deviation, view.sign, effects.description)):
        raise _malformed(f"{described} device features, but parts of another number")
    for name, device in effects.devices.items():
        sizes = {len(device.coefficients), len(device.covariance), *map(len, device.covariance)}
        if sizes != {width + 1}:
            raise _malformed(f"device {name!r} has another number of coefficients than {width + 1}")
    _check_values(parts)
    _check_ensembles(parts, effects, width, described)


def _check_values(parts: Parts) -> None:
    effects = parts.effects
    variances = [effects.noise, effects.blind_variance, effects.workload_variance, *effects.prior_variance]
    variances += [device.noise for device in effects.devices.values()]
    variances += [workload.variance for workload in effects.workloads.values()]
    if min(variances) < 0:
        raise _malformed("a variance is negative")
    for name, device in effects.devices.items():
        covariance = np.asarray(device.covariance)
        if not np.allclose(covariance, covariance.T) or np.linalg.eigvalsh(covariance).min() < -1e-6:
            raise _malformed(f"the covariance of device {name!r} is none")
    if min(parts.base.costs.values(), default=0.0) < 0:
        raise _malformed("a cost is negative")
    if min([*effects.shape.deviation, 1.0]) <= 0:
        raise _malformed("a feature's deviation is not positive")
    for regime, scores in parts.intervals.scores.items():
        if scores != sorted(scores) or (scores and scores[0] < 0):
            raise _malformed(f"the scores of regime {regime!r} are not sorted non-negative numbers")


def _check_ensembles(parts: Parts, effects: Effects, width: int, described: int) -> None:
    ensembles = parts.residual.ensembles
    features = width + 1 + (width + 1) + described
    if not all(trees.is_sound(features) for trees in ensembles):
        raise _malformed("a tree's nodes do not form a tree")
    if ensembles and any(not 0 <= workload.fold < len(ensembles) for workload in effects.workloads.values()):
        raise _malformed("a workload names an ensemble that is not there")
