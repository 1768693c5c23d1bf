"""The artefact: a trained model as bytes that are data, never code.

Form, version 3: one line of JSON, the *header*, ended by a newline, then the *payload*, one JSON document of
`foretide.model.parts.Parts`. The header names the format, its version, and the payload's length and SHA-256; it must be
byte for byte what `encode` would write, so no part of an artefact can be changed unnoticed. The checksum guards against
damage, not against a forger who may write the artefact: that is the business of RBAC.

Equal parts give equal bytes. An artefact is at most `MAX_ARTEFACT_BYTES`, so that one ConfigMap holds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
import numpy as np

from foretide.model.design import MAX_MODIFIERS, Design
from foretide.model.parts import Parts
from foretide.model.roofline import expanded
from foretide.model.table import MAX_MAGNITUDE
from foretide.model.transfer import GUESSES

FORMAT: Final = "foretide.dev/completion-time-model"
VERSION: Final = 3
MAX_ARTEFACT_BYTES: Final = 900_000
LEAST_DEVIATION: Final = 1e-9
MAX_BLOCK: Final = 400
MAX_WIDTH: Final = 1200
"""Of a device's coefficients: what a table may have is far below, and a covariance goes with the square."""
DIGITS: Final = frozenset("0123456789")
MAX_LOG: Final = 1e3
"""No logarithm of a sound model is larger."""

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
    _check_numbers(msgspec.to_builtins(parts))
    _check_design(parts.roofline.design)
    _check_roofline(parts)
    _check_deviations(parts)
    _check_transfer(parts)
    _check_residual(parts)
    for regime, scores in parts.intervals.scores.items():
        if scores != sorted(scores):
            raise _malformed(f"the scores of regime {regime!r} are not sorted")


def _check_numbers(value: object) -> None:
    """No number of a model is larger than a size may be, and its logarithms are far smaller."""
    if isinstance(value, dict):
        for each in value.values():
            _check_numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            _check_numbers(each)
    elif isinstance(value, int | float) and not abs(value) <= MAX_MAGNITUDE:
        raise _malformed(f"a number is beyond {MAX_MAGNITUDE:.0e}")


def _check_logs(*logs: Iterable[float]) -> None:
    if any(abs(each) > MAX_LOG for column in logs for each in column):
        raise _malformed(f"a logarithm is beyond {MAX_LOG:.0f}")


def _check_design(design: Design) -> None:
    if "call" not in design.amounts:
        raise _malformed("the amounts have no 'call', which alone is never 0")
    unknown = set(design.modifiers) | set(design.factors)
    if unknown - set(design.scales) or any(scale.deviation < LEAST_DEVIATION for scale in design.scales.values()):
        raise _malformed(f"a feature has no scale, or one whose deviation is below {LEAST_DEVIATION:.0e}")
    named = (design.amounts, design.modifiers, design.factors, design.families, design.flagged)
    if any(len(set(names)) != len(names) for names in named) or len(design.modifiers) > MAX_MODIFIERS:
        raise _malformed(f"a feature occurs twice, or there are more than {MAX_MODIFIERS} modifiers")
    if design.block > MAX_BLOCK or design.width > MAX_WIDTH:
        raise _malformed(
            f"{design.block} coefficients of costs, {design.width} in all: at most {MAX_BLOCK}, {MAX_WIDTH}"
        )
    if {family for family, _ in design.flagged} - set(design.families) or {flag for _, flag in design.flagged} - set(
        design.modifiers
    ):
        raise _malformed("a family or flag is not among the features")
    if min(design.sizes.values(), default=0.0) < 0:
        raise _malformed("a size is negative")


def _check_roofline(parts: Parts) -> None:
    roofline = parts.roofline
    design, view, width = roofline.design, roofline.view, roofline.design.width
    if len(roofline.mean) != width:
        raise _malformed(f"{width} coefficients, but a mean of {len(roofline.mean)}")
    described = len(view.names)
    if any(len(column) != described for column in (view.mean, view.deviation, view.sign, roofline.slopes)):
        raise _malformed(f"{described} device features, but parts of another number")
    if any(len(row) != width for row in roofline.slopes):
        raise _malformed(f"slopes of another number than {width}")
    _check_logs(roofline.mean, *roofline.slopes, *(device.coefficients for device in roofline.devices.values()))
    if min(roofline.noise, roofline.blind_variance, *(device.noise for device in roofline.devices.values())) < 0:
        raise _malformed("a variance is negative")
    _check_covariance(roofline.covariance, design.block, width, "the population")
    for name, device in roofline.devices.items():
        if len(device.coefficients) != width:
            raise _malformed(f"device {name!r} has another number of coefficients than {width}")
        _check_covariance(device.covariance, design.block, width, f"device {name!r}")


def _check_covariance(values: list[float], block: int, width: int, whose: str) -> None:
    try:
        matrix = expanded(values, block, width)
    except ValueError as error:
        raise _malformed(f"the covariance of {whose}: {error}") from error
    costs, factors = matrix[:block, :block], np.diag(matrix)[block:]
    least = min(float(np.linalg.eigvalsh(costs).min()), float(factors.min(initial=0.0)))
    if least < -1e-3 * max(float(np.trace(matrix)), 1e-9):
        raise _malformed(f"the covariance of {whose} is none")


def _check_deviations(parts: Parts) -> None:
    deviations, count = parts.deviations, len(parts.deviations.devices)
    if any((len(each.by_device), len(each.rows)) != (count, count) for each in deviations.workloads.values()):
        raise _malformed(f"a workload's deviations are not {count}")
    if len(deviations.noise) != count or any(set(each.rows) - DIGITS for each in deviations.workloads.values()):
        raise _malformed("a workload's rows or a device's noise are no counts or of another number")
    _check_logs(*([each.common, *each.by_device] for each in deviations.workloads.values()))
    variances = [deviations.unknown_variance, *deviations.noise]
    if min(*variances, *(each.variance for each in deviations.workloads.values()), 0.0) < 0:
        raise _malformed("a variance is negative")


def _check_transfer(parts: Parts) -> None:
    transfer, amounts = parts.transfer, len(parts.roofline.design.amounts)
    if transfer.devices and (transfer.references != parts.deviations.devices or not transfer.references):
        raise _malformed("devices are told from others than the known ones")
    if set(transfer.references) - set(parts.roofline.devices):
        raise _malformed("a device is told from one that is not there")
    count = len(transfer.references)
    for name, each in transfer.devices.items():
        sizes = (len(each.blend), len(each.mixture), len(each.in_seconds), len(each.nearest), len(each.work))
        if sizes != (GUESSES, count, count, count, amounts):
            raise _malformed(f"device {name!r} is told by another number of weights than there are devices")
        _check_logs((each.level, each.shift))
        if min(*each.blend, *each.mixture, *each.in_seconds, *each.nearest, *each.work) < 0:
            raise _malformed(f"device {name!r} is told by a negative weight")


def _check_residual(parts: Parts) -> None:
    residual, design = parts.residual, parts.roofline.design
    if not 0.0 <= residual.belief <= 1.0:
        raise _malformed(f"the trees are believed by {residual.belief}, which is not between 0 and 1")
    widths = {len(traits) for traits in residual.traits.values()}
    if len(widths) > 1:
        raise _malformed("devices have different numbers of traits")
    features = len(design.amounts) + 1 + len(design.modifiers) + design.factor_count + max(widths, default=0)
    if not all(trees.is_sound(features) for trees in residual.ensembles):
        raise _malformed("a tree's nodes do not form a tree")
    if residual.ensembles and any(not 0 <= fold < len(residual.ensembles) for fold in residual.folds.values()):
        raise _malformed("a workload names an ensemble that is not there")
