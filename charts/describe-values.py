"""Makes of `values.yaml` and its comments what helm checks values by, and the page that describes them.

Every key has a comment above it that says what it is for. The comment's last line may be `@schema` and what the value
must be beyond the type of its default: keywords of JSON Schema, or the name of one of the shapes below. A key that
holds others is a section, unless it has a shape.

`python charts/describe-values.py` writes both files; with `--check` it only says which differ, and exits with 1.
"""

# ruff: noqa: INP001 - a script beside the chart, in no package

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "foretide"
VALUES = CHART / "values.yaml"
SCHEMA = CHART / "values.schema.json"
PAGE = ROOT / "docs" / "reference" / "values.md"

Schema = dict[str, Any]

_QUANTITIES: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
SHAPES: dict[str, Schema] = {
    "Affinity": {"type": "object"},
    "Digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "Labels": _TEXTS,
    "NetworkPolicyPeers": _OBJECTS,
    "NodeSelector": _TEXTS,
    "PullSecrets": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"name": {"type": "string", "minLength": 1}},
            "required": ["name"],
        },
    },
    "ResourceRequirements": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES, "claims": {"type": "array"}},
    },
    "Switch": {"enum": ["auto", True, False]},
    "Tolerations": _OBJECTS,
}
"""What Kubernetes defines itself is checked as far as a slip of the pen goes; the API server does the rest."""

_TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


class UndescribedError(Exception):
    """A value without a comment, or with a shape that there is not."""


@dataclass(frozen=True)
class Value:
    """A key with its path, the text above it, what it must be, and what it is by default; a section holds others."""

    path: str
    text: str
    asked: str
    default: Any
    within: tuple[Value, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    def schema(self) -> Schema:
        """What helm checks it by."""
        if self.within:
            return _section(self.within)
        asked = yaml.safe_load(self.asked) if self.asked else {}
        if isinstance(asked, str):
            if asked not in SHAPES:
                raise UndescribedError(f"{self.path}: no shape is called {asked}")
            return {"$ref": f"#/definitions/{asked}"}
        return {"type": _TYPES[type(self.default)], **asked}


def read(text: str) -> list[Value]:
    """The values of a `values.yaml` with their comments; UndescribedError for one that says nothing of itself."""
    root = yaml.compose(text)
    if not isinstance(root, yaml.MappingNode):
        raise UndescribedError("no values")
    return list(_read(root, text.splitlines(), ""))


def _read(mapping: yaml.MappingNode, lines: list[str], above: str) -> Iterator[Value]:
    for key, node in mapping.value:
        path = f"{above}{key.value}"
        text, asked = _comment(lines, key.start_mark.line, key.start_mark.column)
        if not text:
            raise UndescribedError(f"{path}: no comment stands above it")
        default = yaml.safe_load(yaml.serialize(node))
        is_section = isinstance(node, yaml.MappingNode) and bool(node.value) and not asked
        within = tuple(_read(node, lines, f"{path}.")) if is_section else ()
        yield Value(path, text, asked, default, within)


def _comment(lines: list[str], line: int, column: int) -> tuple[str, str]:
    """The comment right above a line, as one paragraph, and what stands after its `@schema`."""
    head = " " * column + "#"
    first = line
    while first and lines[first - 1].startswith(head):
        first -= 1
    said = [each.removeprefix(head).strip() for each in lines[first:line]]
    asked = said.pop().removeprefix("@schema ") if said and said[-1].startswith("@schema ") else ""
    return " ".join(said), asked


def _section(values: tuple[Value, ...] | list[Value]) -> Schema:
    properties = {each.name: each.schema() for each in values}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def schema_of(values: list[Value]) -> str:
    """`values.schema.json`. A chart that has this one among its dependencies passes `global` down to it."""
    whole = _section(values)
    whole["properties"]["global"] = {"type": "object"}
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the Foretide chart"}
    return json.dumps(head | whole | {"definitions": SHAPES}, indent=1) + "\n"


def page_of(values: list[Value]) -> str:
    """The page of reference, in Markdown: a table for each section of the top."""
    lines = [
        "# Values of the chart",
        "",
        "Made from the comments of [`values.yaml`](../../charts/foretide/values.yaml) by `make charts`. What does not",
        "stand here is refused by name, and so is what is not allowed. A Digest is `sha256:` and 64 hexadecimal",
        "digits; PullSecrets are objects with a `name`; the other names are types of Kubernetes.",
    ]
    alone = [each for each in values if not each.within]
    for title, text, rows in [
        ("On their own", "", alone),
        *((f"`{each.path}`", each.text, list(_leaves(each.within))) for each in values if each.within),
    ]:
        lines += ["", f"## {title}", "", *([text, ""] if text else [])]
        lines += ["| Value | Default | Allowed | |", "|---|---|---|---|"]
        lines += [_row(each) for each in rows]
    return "\n".join(lines) + "\n"


def _leaves(values: tuple[Value, ...]) -> Iterator[Value]:
    """The values of a section in their order; one that holds others comes before them, for what it says."""
    for each in values:
        yield each
        yield from _leaves(each.within)


def _row(value: Value) -> str:
    if value.within:
        return f"| **`{value.path}`** | | | {value.text} |"
    default = json.dumps(value.default) if not isinstance(value.default, str) else value.default
    shown = f"`{default}`" if default else "empty"
    return f"| `{value.path}` | {shown} | {_allowed(value)} | {_escaped(value.text)} |"


def _escaped(text: str) -> str:
    """Text in a cell of a table, where a bar ends the cell and what looks like a tag is one."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _allowed(value: Value) -> str:
    schema = value.schema()
    shape = str(schema.get("$ref", "")).rpartition("/")[2]
    if "enum" in (known := SHAPES.get(shape, schema)):
        return ", ".join(f"`{each if isinstance(each, str) else json.dumps(each)}`" for each in known["enum"])
    if shape:
        return shape
    if "minimum" in schema:
        return f"{schema['minimum']} to {schema['maximum']}"
    return {"boolean": "`true`, `false`", "string": "text", "array": "list", "object": "object"}[str(schema["type"])]


def main(arguments: list[str]) -> int:
    """Write both files, or check them; the exit status."""
    values = read(VALUES.read_text(encoding="utf-8"))
    wanted = {SCHEMA: schema_of(values), PAGE: page_of(values)}
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    if "--check" in arguments:
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs from what values.yaml says; run make charts", file=sys.stderr)
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
