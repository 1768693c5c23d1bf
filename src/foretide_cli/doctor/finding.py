"""What a check finds: what is wrong with which object, and what mends it."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from foretide_kube.client import Object

Severity = Literal["Error", "Warning", "Note"]
"""Something does not work; it works, and worse than it could or not for long; to be known."""

INSTALL: Final = "docs/install.md"
LIMITS: Final = "docs/limits.md"
_LONGEST_VALUE: Final = 300


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is wrong, or to be known.

    ``reason`` is CamelCase and stays; ``object`` is kind, namespace and name, as ``Pod team/a``; ``field`` and
    ``value`` say where in it. ``remedy`` is a command, or a section of the documents.
    """

    severity: Severity
    reason: str
    object: str
    field: str = ""
    value: str = ""
    message: str
    remedy: str


def named(kind: str, item: Object) -> str:
    """An object by kind, namespace and name."""
    return f"{kind} {path_of(item)}"


def path_of(item: Object) -> str:
    """An object's namespace and name, or its name alone."""
    metadata = item["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def besides(count: int, what: str) -> str:
    """Words for ``count`` others of the same, to stand at the end of a message; empty for none."""
    return f"; the same for {count} more {what}{'' if count == 1 else 's'}" if count else ""


def one_line(text: object) -> str:
    """What somebody else wrote, in one line of a bounded length."""
    words = " ".join(str(text).split())
    return words if len(words) <= _LONGEST_VALUE else words[: _LONGEST_VALUE - 3] + "..."
