"""HTML and SVG out of calls: whatever is not made by `tag` is text, and is escaped.

What comes out is well-formed XML as well as HTML, so that any strict parser can judge it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from foretide_cli.tables import UNSEEN

_VOID: Final = frozenset({"meta", "br", "col"})
_HARMFUL: Final = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff{UNSEEN}]")
"""Control characters, those that cannot be seen, and what is no character."""
_ONE_LINE: Final = 40
"""Names of more characters may stand on several lines."""
_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})


class Markup(str):
    """Text that is markup already. Made here alone."""

    __slots__ = ()


Child = str | Iterable["Child"] | None


def text(words: object) -> Markup:
    """Words, whoever wrote them, as text: what a browser would take for markup is escaped."""
    return Markup(_HARMFUL.sub("\ufffd", str(words)).translate(_ESCAPES))


def tag(name: str, /, *children: Child, **attributes: str | bool | None) -> Markup:
    """An element. Of an attribute's name a trailing underscore is dropped, others stand for hyphens.

    None and False leave an attribute out, True gives it no value but its presence; None as a child is nothing.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is not None and value is not False:
            said = "" if value is True else value
            parts.append(f' {key.rstrip("_").replace("_", "-")}="{text(said)}"')
    if name in _VOID:
        return Markup("".join(parts) + "/>")
    return Markup("".join([*parts, ">", join(*children), f"</{name}>"]))


def join(*children: Child) -> Markup:
    """Children one after the other."""
    return Markup("".join(_flat(children)))


def _flat(children: Iterable[Child]) -> Iterable[str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            yield child
        elif isinstance(child, str):
            yield text(child)
        else:
            yield from _flat(child)


def foreign(words: str) -> Markup:
    """Words of a tenant within ours: a name or a message, kept from turning the direction of what follows."""
    return tag("bdi", words, class_="long" if len(words) > _ONE_LINE else None)
