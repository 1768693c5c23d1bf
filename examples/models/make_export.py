# ruff: noqa: INP001 - a program to run by itself
"""Builds the sequence models of the examples as files of torch.export, which `make_onnx.py` builds for onnxruntime.

Batches may be of any size; texts of any length for the encoder, and for the LSTM of the length given, because torch
fixes the steps of a recurrence when it exports. Needs torch: a file is read by that version of it or a newer one.

    python examples/models/make_export.py DIRECTORY [--length 64]
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import torch
from torch import nn
from torch.export import Dim

VOCABULARY = 256
TOKEN_CLASSES = 6
MOST_AT_ONCE = 4096
ENCODER_TOKENS = 128
"""The longest text that the encoder has positions for."""


class TokenLstm(nn.Module):  # type: ignore[misc]
    """An embedding, an LSTM over the tokens, and a classifier of its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 64)
        self.lstm = nn.LSTM(64, 128, batch_first=True)
        self.classifier = nn.Linear(128, TOKEN_CLASSES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of a batch of texts."""
        scores: torch.Tensor = self.classifier(self.lstm(self.embedding(tokens))[0][:, -1])
        return scores


class TokenEncoder(nn.Module):  # type: ignore[misc]
    """An embedding with learned positions, two encoder layers of the same weights, and a classifier of the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, 128)
        self.positions = nn.Parameter(torch.randn(ENCODER_TOKENS, 128) / 100)
        self.layer = nn.TransformerEncoderLayer(128, nhead=4, dim_feedforward=256, batch_first=True)
        self.classifier = nn.Linear(128, TOKEN_CLASSES)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of a batch of texts."""
        value = self.embedding(tokens) + self.positions[: tokens.shape[1]]
        scores: torch.Tensor = self.classifier(self.layer(self.layer(value)).mean(1))
        return scores


def build(directory: Path, length: int) -> dict[str, Path]:
    """Write every model as `directory`/NAME.pt2 and return where each lies."""
    directory.mkdir(parents=True, exist_ok=True)
    batch, tokens = Dim("batch", max=MOST_AT_ONCE), Dim("tokens", max=ENCODER_TOKENS)
    example = torch.zeros(2, length, dtype=torch.int64)
    torch.manual_seed(0)
    paths = {}
    for name, model, sizes in (
        ("token-lstm", TokenLstm(), {0: batch}),
        ("token-encoder", TokenEncoder(), {0: batch, 1: tokens}),
    ):
        program = torch.export.export(model.eval(), (example,), dynamic_shapes=(sizes,), strict=False)
        paths[name] = directory / f"{name}.pt2"
        torch.export.save(program, paths[name])
    return paths


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    _parser.add_argument("directory", type=Path)
    _parser.add_argument("--length", type=int, default=64, help="tokens of a text (64)")
    _options = _parser.parse_args()
    for _path in build(_options.directory, _options.length).values():
        print(f"{hashlib.sha256(_path.read_bytes()).hexdigest()}  {_path}")
