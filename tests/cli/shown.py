"""What a command shows: the document that programs get of it, and the words that a person does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from foretide_cli.tables import Part, in_words


class Shown:
    """Takes the place of `foretide_cli.terminal.Terminal.show`, for one result."""

    def __init__(self) -> None:
        self.document: Any = None
        self.words = ""
        self.styled = ""

    def __call__(self, value: object, parts: Sequence[Part]) -> None:
        assert self.document is None
        self.document = json.loads(msgspec.json.encode(value))
        self.words, self.styled = in_words(parts), in_words(parts, is_styled=True)
