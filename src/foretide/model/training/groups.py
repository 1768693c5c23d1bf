"""Which rows are left out together, where it is asked how well rows foretell others."""

from __future__ import annotations

import numpy as np

from foretide.model.table import Table, Texts


def architectures(table: Table) -> Texts:
    """Per row the first workload of equal multiply-adds: precisions of one architecture are no news to each other.

    A workload whose multiply-adds are unknown stands for itself; a row without a workload is "".
    """
    first: dict[float | str, str] = {}
    of_workload: dict[str, str] = {}
    for name, amount in zip(table.workload, table.number("macs"), strict=True):
        if name not in of_workload:
            group = float(amount) if np.isfinite(amount) and amount > 0 else name
            of_workload[name] = first.setdefault(group, name) if name else ""
    out = np.empty(len(table), dtype=np.object_)
    out[:] = [of_workload[name] for name in table.workload]
    return out
