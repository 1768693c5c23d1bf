"""YAML as people write it: what YAML's own loaders would pass over in silence, or die of, is an error of one line."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import yaml

MOST_REPEATED: Final = 100_000
"""So many values aliases may stand for: nine lines of nine aliases each would be more than memory holds."""
_MERGE: Final = "tag:yaml.org,2002:merge"


class YamlError(ValueError):
    """A text cannot be read; the message says where, in one line, and what to do."""


def documents(text: str | bytes) -> list[Any]:
    """All documents of a text; YamlError where it is no YAML, or a key stands twice in a mapping."""
    try:
        return list(yaml.load_all(text, _Loader))
    except YamlError:
        raise
    except RecursionError as error:
        raise YamlError("lists and mappings are nested too deeply; close what is left open") from error
    except (yaml.YAMLError, ValueError) as error:
        raise YamlError(f"this is not YAML: {' '.join(str(error).split())}") from error


def decode(text: str | bytes, *, type: Any) -> Any:  # noqa: A002, ANN401 - as msgspec's own
    """The only document of a text, as ``type``; YamlError, or msgspec.ValidationError where it is of another form."""
    found = documents(text)
    if len(found) != 1:
        raise YamlError(f"there are {len(found)} YAML documents in it; give one")
    return msgspec.convert(found[0], type)


class _Loader(yaml.SafeLoader):
    """Refuses keys that stand twice, of which YAML's own takes the last, and aliases that stand for what has no end.

    Not libyaml's loader: it ends the process where a text is nested deep enough.
    """

    def __init__(self, stream: str | bytes) -> None:
        super().__init__(stream)
        self._values = self._repeated = 0
        self._values_of: dict[str | None, int] = {}

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:  # noqa: ANN401 - as the package has it
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        name, line, before = event.anchor, event.start_mark.line + 1, self._values
        if not isinstance(event, yaml.AliasEvent):
            self._values_of.pop(name, None)
            node = super().compose_node(parent, index)
            self._values += 1
            self._values_of[name] = self._values - before
            return node
        if name in self.anchors and name not in self._values_of:
            raise YamlError(f"line {line}: *{name} is part of what it stands for; write it out")
        node = super().compose_node(parent, index)
        self._values += self._values_of[name]
        self._repeated += self._values_of[name]
        if self._repeated > MOST_REPEATED:
            raise YamlError(f"line {line}: aliases stand for more than {MOST_REPEATED} values; write them out")
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - as the package has it
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                if key.value in seen:
                    raise YamlError(f"line {key.start_mark.line + 1}: {key.value!r} occurs twice; keep one of them")
                seen.add(key.value)
        return node
