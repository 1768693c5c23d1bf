"""Learns the parts one after the other, each from what those before it leave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from foretide.model.deviations import Deviations
from foretide.model.intervals import Intervals
from foretide.model.parts import Parts
from foretide.model.roofline import cost
from foretide.model.table import Array, Table
from foretide.model.target import Target
from foretide.model.training.companions import Companions, distances
from foretide.model.training.deviations import learn_deviations
from foretide.model.training.residual import learn_residual
from foretide.model.training.roofline import RooflineFit
from foretide.model.training.transfer import MIN_REFERENCES, alone, learn_likeness, reference_work, refit
from foretide.model.transfer import Likeness, Transfer

TRAITS: Final = 4
"""Leading directions in which devices differ, given to the trees beside the device's scale."""


@dataclass(frozen=True, slots=True)
class Settings:
    """As in `foretide.model.estimator.CompletionTimeModel`."""

    trees: int
    depth: int
    learning_rate: float
    with_deviations: bool
    with_transfer: bool
    with_companions: bool
    seed: int
    threads: int


def assemble(table: Table, seconds: Array, target: Target, settings: Settings) -> Parts:
    """All parts but intervals, from positive seconds (or what the target is), one per row."""
    log_seconds = np.log(seconds)
    fit = RooflineFit(table, log_seconds, target)
    base = cost(fit.work, fit.coefficients()).log_seconds
    residual = learn_residual(
        table,
        log_seconds - base,
        fit.work,
        base,
        traits(fit),
        trees=settings.trees,
        depth=settings.depth,
        learning_rate=settings.learning_rate,
        seed=settings.seed,
        threads=settings.threads,
    )
    boosted = residual.predict(fit.work, base, table)
    full = [name for name, is_full in zip(fit.names, fit.is_full, strict=True) if is_full]
    deviations = (
        learn_deviations(table, log_seconds - base - boosted, fit.weight, full)
        if settings.with_deviations
        else Deviations(devices=full, workloads={}, unknown_variance=0.0, noise=[0.0] * len(full))
    )
    errors, accompanied = _refitted(fit, table, deviations, boosted, with_companions=settings.with_companions)
    transfer = Transfer(references=[], devices={})
    if len(full) >= MIN_REFERENCES and settings.with_transfer:
        transfer = Transfer(references=full, devices=_transferred(fit, table, deviations, errors, accompanied))
    return Parts(
        roofline=fit.value(),
        residual=residual,
        deviations=deviations,
        transfer=transfer,
        intervals=Intervals(scores={}),
        families=sorted(set(table.family)),
    )


def traits(fit: RooflineFit) -> dict[str, list[float]]:
    """How far each device is from the mean: in the cost of its first amount, and in the directions that tell most."""
    off = fit.theta - fit.mean
    whitened = np.linalg.solve(np.linalg.cholesky(fit.covariance + 1e-9 * np.eye(fit.width)), off.T).T
    _, _, directions = np.linalg.svd(whitened[fit.is_full], full_matrices=False)
    places = whitened @ directions[:TRAITS].T
    return {
        name: [float(f"{value:.6g}") for value in (off[place, 0], *places[place])]
        for place, name in enumerate(fit.names)
    }


def _refitted(
    fit: RooflineFit, table: Table, deviations: Deviations, boosted: Array, *, with_companions: bool
) -> tuple[dict[int, Array], set[int]]:
    """Fit devices with few rows anew, less what is peculiar to their workloads.

    Their leave-one-out errors by place, and which of them had companions.
    """
    few = {int(place): fit.rows[place] for place in np.flatnonzero(~fit.is_full)}
    left = {
        place: fit.log_seconds[rows] - deviations.common(table.take(rows)) - boosted[rows]
        for place, rows in few.items()
    }
    errors = {place: refit(fit, place, left[place], prior=fit.prior_of(place)) for place in few}
    if not few or not with_companions:
        return errors, set()
    companions = Companions(fit)
    accompanied = {place for place in few if companions.of(place)}
    told = {place: refit(fit, place, left[place], prior=companions.prior_of(place)) for place in sorted(accompanied)}
    return errors | told, accompanied


def _transferred(
    fit: RooflineFit, table: Table, deviations: Deviations, errors: dict[int, Array], accompanied: set[int]
) -> dict[str, Likeness]:
    references = [place for place, is_full in enumerate(fit.is_full) if is_full]
    out: dict[str, Likeness] = {}
    for place, own_errors in errors.items():
        if place in accompanied:  # its companions say more than devices of other hardware
            out[fit.names[place]] = alone(len(references), len(fit.design.amounts))
            continue
        rows = fit.rows[place]
        known = reference_work(fit, rows, references) + deviations.everywhere(table.take(rows))
        distance = distances(fit.described[[place]], fit.described[references])[0]
        out[fit.names[place]] = learn_likeness(
            own_errors, known, fit.work.amounts[rows], fit.log_seconds[rows], distance
        )
    return out
