"""A small perceptron in torch, run where torch is (`bench.where_torch_is`), on every fold of every target.

    python -m bench.regressors.torch_mlp bench/results/regressors-folds.npz

The file has the inputs as `inputs`, each target as `target NAME` and the rows of each fold as `train NUMBER` and
`asked NUMBER`; the path is relative to the repository's root. Prints one JSON object: predictions by target and fold.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
HIDDEN, EPOCHS, BATCH, RATE = 64, 150, 64, 1e-3


def main(path: str) -> int:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with np.load(ROOT / path, allow_pickle=False) as given:
        targets = [name.removeprefix("target ") for name in given.files if name.startswith("target ")]
        folds = sum(name.startswith("train ") for name in given.files)
        found: dict[str, list[list[float]]] = {}
        for target in targets:
            for label, is_log in ((target, False), (f"log {target}", True)):
                found[label] = [
                    _answer(
                        given["inputs"][given[f"train {fold}"]],
                        given[f"target {target}"][given[f"train {fold}"]],
                        given["inputs"][given[f"asked {fold}"]],
                        is_log=is_log,
                    )
                    for fold in range(folds)
                ]
                print(f"{label}: {folds} folds", file=sys.stderr, flush=True)
    print(json.dumps(found))
    return 0


def _answer(inputs: Any, target: Any, asked: Any, *, is_log: bool) -> list[float]:  # noqa: ANN401
    """Learn one fold; inputs and target are standardised by what is learned from."""
    middle, spread = inputs.mean(axis=0), inputs.std(axis=0)
    spread[spread < 1e-9] = 1.0  # a kind that was not learned from tells nothing, and must not tell it loudly
    aim = np.log(target) if is_log else target
    level, scale = aim.mean(), aim.std()
    x = torch.from_numpy((inputs - middle) / spread).float()
    y = torch.from_numpy((aim - level) / scale).float()[:, None]
    layers: list[torch.nn.Module] = [torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.ReLU()]
    layers += [torch.nn.Linear(HIDDEN, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, 1)]
    module = torch.nn.Sequential(*layers)
    optimiser = torch.optim.Adam(module.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(module(x[rows]), y[rows]).backward()
            optimiser.step()
    with torch.inference_mode():
        told = module(torch.from_numpy((asked - middle) / spread).float())[:, 0].numpy() * scale + level
    # A network is free to say e^100 far from what it has learned; a float has room for less.
    return [float(value) for value in (np.exp(np.minimum(told, 100.0)) if is_log else told)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
