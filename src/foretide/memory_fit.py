"""What a task holds by its signature: counted bytes, each times a coefficient that observed peaks teach.

    bytes = the larger of  load = process + weights·P + convolution·P·c + half·P·h
                     and   work = process + kept·P + activations·X

P are the bytes of parameters, c the share of multiply-adds that are convolutions', whose weights are laid out anew for
the kernels, h is 1 where the model is made fp16 or bf16 when it is loaded, so that its weights were there in float32
first; X the activations that live at once. Coefficients are a runtime's, apart for models that are made int8: the
quantiser holds many times what it makes. They are drawn from what is known of the runtime beforehand (`PRIORS`), and
errors are relative: a Gaussian regression whose rows weigh less the less the others bear them out (Student's t), each
with the moment that is the larger for it. So the first four measurements teach something, and a row beyond belief
teaches nothing.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import mul
from typing import Final, Literal, NamedTuple

import msgspec

from foretide.observation import Subject, namespace_of

Vector = tuple[float, ...]

MemoryKind = Literal["onnx", "onnx-int8", "torch", "torch-int8"]
"""What has coefficients of its own: a runtime, and whether it makes the model int8."""

PRIORS: Final[Mapping[MemoryKind, tuple[Vector, Vector]]] = {
    "onnx": ((30e6, 1.8, 1.5, 0.0, 1.0, 2.0), (10e6, 0.5, 0.5, 0.5, 0.5, 0.7)),
    "onnx-int8": ((50e6, 16.0, 0.0, 0.0, 4.0, 2.0), (12e6, 5.0, 1.0, 0.5, 2.0, 0.7)),
    "torch": ((160e6, 1.2, 0.1, 1.0, 1.1, 1.6), (60e6, 0.3, 0.3, 0.5, 0.3, 0.7)),
    "torch-int8": ((160e6, 6.0, 0.1, 0.0, 2.0, 1.6), (60e6, 2.0, 0.3, 0.5, 1.0, 0.7)),
}
"""Mean and standard deviation of each coefficient, `process` in bytes: of onnxruntime 1.x and torch 2.x on CPUs."""
BELIEVED_FACTOR: Final = 4.0
"""Peaks so many times above or below what the priors make of them tell of something else than the model, or are false:
they are reported by containers that run anyone's model."""
MAX_WORKLOADS: Final = 256
"""As many teach a kind's coefficients, the namespaces by turns: more make them no better, and cost time."""
PRIOR_SPREAD: Final = 0.12
"""Standard deviation of log errors as long as nothing is observed, worth `PRIOR_WORKLOADS`."""
PRIOR_WORKLOADS: Final = 10.0
LOWEST_SPREAD: Final = 0.03
DEGREES_OF_FREEDOM: Final = 4.0
ROUNDS: Final = 4


class Amounts(NamedTuple):
    """What the coefficients are multiplied with when the model is loaded, and while it works."""

    load: Vector
    work: Vector


class Sample(NamedTuple):
    """A workload's peak; ``workload`` is its column of the training table, which begins with its namespace."""

    workload: str
    amounts: Amounts
    peak_bytes: float

    @property
    def namespace(self) -> str:
        """Whose it is."""
        return namespace_of(self.workload)


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that tasks of a kind hold, as a Gaussian: coefficients, their covariance, and the spread of errors.

    Covariances below 0 are left out: with them a larger model could be said to need less.
    """

    coefficients: Vector
    covariance: tuple[Vector, ...]
    spread: float

    def expected_bytes(self, amounts: Amounts) -> float:
        """The mean of the larger moment."""
        return max(_dot(self.coefficients, moment) for moment in amounts)

    def upper_bytes(self, amounts: Amounts, deviations: float) -> float:
        """So many standard deviations above the mean: of the errors, and of what the coefficients leave open."""
        return max(self._upper(moment, deviations) for moment in amounts)

    def _upper(self, amounts: Vector, deviations: float) -> float:
        mean = _dot(self.coefficients, amounts)
        left_open = _dot(amounts, [_dot(row, amounts) for row in self.covariance])
        return mean + deviations * math.sqrt((self.spread * mean) ** 2 + left_open)


def amounts(subject: Subject) -> Amounts:
    """What the coefficients of the subject's kind are multiplied with."""
    signature = subject.signature
    weights, activations = float(signature.parameter_bytes), float(signature.peak_activation_bytes)
    convolved = sum(signature.by_kind[kind].macs for kind in _CONVOLUTIONS if kind in signature.by_kind)
    share = min(convolved / max(signature.macs, 1), 1.0)
    half = float(subject.precision in ("fp16", "bf16"))
    return Amounts(
        load=(1.0, weights, weights * share, weights * half, 0.0, 0.0),
        work=(1.0, 0.0, 0.0, 0.0, weights, activations),
    )


def kind_of(subject: Subject) -> MemoryKind:
    """Whose coefficients hold for the subject."""
    if subject.precision != "int8":
        return subject.runtime
    return "onnx-int8" if subject.runtime == "onnx" else "torch-int8"


def learn(kind: MemoryKind, samples: Sequence[Sample]) -> Need:
    """What observed peaks say of a kind; deterministic whatever their order."""
    means, deviations = PRIORS[kind]
    believed = _by_turns([each for each in samples if _is_believed(each, means)])
    shares = _shares(believed)
    need = Need(coefficients=means, covariance=(), spread=PRIOR_SPREAD)
    weights = [share / PRIOR_SPREAD**2 for share in shares]
    need = _posterior(means, deviations, _rows(need, believed), weights, PRIOR_SPREAD)
    for _ in range(ROUNDS):
        errors = [math.log(each.peak_bytes / need.expected_bytes(each.amounts)) for each in believed]
        trusted = [
            share * (DEGREES_OF_FREEDOM + 1) / (DEGREES_OF_FREEDOM + (error / need.spread) ** 2)
            for share, error in zip(shares, errors, strict=True)
        ]
        squares = sum(weight * error**2 for weight, error in zip(trusted, errors, strict=True))
        spread = math.sqrt((PRIOR_WORKLOADS * PRIOR_SPREAD**2 + squares) / (PRIOR_WORKLOADS + sum(shares)))
        spread = max(spread, LOWEST_SPREAD)
        weights = [weight / spread**2 for weight in trusted]
        need = _posterior(means, deviations, _rows(need, believed), weights, spread)
    return need


_CONVOLUTIONS: Final = ("denseConvolution", "depthwiseConvolution")


def _is_believed(sample: Sample, coefficients: Vector) -> bool:
    foretold = max(_dot(coefficients, moment) for moment in sample.amounts)
    return foretold / BELIEVED_FACTOR <= sample.peak_bytes <= foretold * BELIEVED_FACTOR


def _by_turns(samples: list[Sample]) -> list[Sample]:
    """At most `MAX_WORKLOADS`, of each namespace as many as of any other as far as it has them."""
    turn: Counter[str] = Counter()
    ranked = []
    for sample in sorted(samples, key=lambda each: (zlib.crc32(each.workload.encode()), each)):
        ranked.append((turn[sample.namespace], sample))
        turn[sample.namespace] += 1
    ranked.sort(key=lambda each: each[0])
    return [sample for _, sample in ranked[:MAX_WORKLOADS]]


def _shares(samples: list[Sample]) -> list[float]:
    """The weight of each: a namespace's workloads count together as the square root of their number."""
    count = Counter(each.namespace for each in samples)
    return [1 / math.sqrt(count[each.namespace]) for each in samples] if len(count) > 1 else [1.0] * len(samples)


def _rows(need: Need, samples: list[Sample]) -> list[Vector]:
    """The larger moment of each sample, as shares of its peak."""
    rows = []
    for _, moments, peak in samples:
        larger = max(moments, key=lambda moment: _dot(need.coefficients, moment))
        rows.append(tuple(amount / peak for amount in larger))
    return rows


def _posterior(means: Vector, deviations: Vector, rows: list[Vector], weights: list[float], spread: float) -> Need:
    """The coefficients' Gaussian given the rows, each with the inverse variance of its relative error."""
    size = len(means)
    precision = [[0.0] * size for _ in range(size)]
    moment = [0.0] * size
    for index in range(size):
        precision[index][index] = deviations[index] ** -2
        moment[index] = means[index] * deviations[index] ** -2
    for values, weight in zip(rows, weights, strict=True):
        for row, value in enumerate(values):
            if value == 0.0:
                continue
            scaled = weight * value
            moment[row] += scaled
            for column in range(row + 1):
                precision[row][column] += scaled * values[column]
    covariance = _inverse(precision)
    found = tuple(max(_dot(row, moment), 0.0) for row in covariance)
    positive = tuple(tuple(max(value, 0.0) for value in row) for row in covariance)
    return Need(coefficients=found, covariance=positive, spread=spread)


def _inverse(lower: list[list[float]]) -> tuple[Vector, ...]:
    """Of a symmetric positive matrix given by its lower triangle, by Cholesky's factors."""
    size = len(lower)
    factor = [[0.0] * size for _ in range(size)]
    for row in range(size):
        for column in range(row + 1):
            rest = lower[row][column] - _dot(factor[row][:column], factor[column][:column])
            factor[row][column] = math.sqrt(rest) if row == column else rest / factor[column][column]
    columns = []
    for unit in range(size):
        forward = [0.0] * size
        for row in range(size):
            given = 1.0 if row == unit else 0.0
            forward[row] = (given - _dot(factor[row][:row], forward[:row])) / factor[row][row]
        for row in reversed(range(size)):
            later = sum(factor[below][row] * forward[below] for below in range(row + 1, size))
            forward[row] = (forward[row] - later) / factor[row][row]
        columns.append(tuple(forward))
    return tuple(columns)


def _dot(left: Sequence[float], right: Sequence[float]) -> float:
    return float(sum(map(mul, left, right)))
