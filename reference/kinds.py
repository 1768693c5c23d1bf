"""Every field of our kinds, as `crds/*.yaml` defines them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from reference.markdown import code, one_line, table

_HEAD: Final = """\
# Fields of the kinds

Made from `crds/*.yaml` by `make references`; [kinds](../kinds.md) says what they are for. Group `foretide.dev`, version
`v1alpha1`. `[]` stands for each entry of a list, `*` for each key of a map. A *fixed* field cannot be changed once the
object exists. In italics is what the API server answers where a rule is broken. `kubectl explain` shows the same.
"""
_UNITS: Final = {"minLength": "characters", "minItems": "entries", "minProperties": "entries"}
_UNCHANGED: Final = "self == oldSelf"
_SUPERSCRIPT: Final = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Schema = Mapping[str, Any]


def page(root: Path) -> str:
    """The page's text."""
    definitions = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((root / "crds").glob("*.yaml"))]
    return "\n".join([_HEAD, *(_section(each["spec"]) for each in definitions)])


def _section(definition: Mapping[str, Any]) -> str:
    names, (version,) = definition["names"], definition["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    scope = "cluster-scoped" if definition["scope"] == "Cluster" else "namespaced"
    columns = [
        [each["name"], code(each["jsonPath"]), _described(each), "" if each.get("priority", 0) == 0 else "`-o wide`"]
        for each in version["additionalPrinterColumns"]
    ]
    parts = [
        f"## {names['kind']}",
        f"`{names['plural']}`, `{', '.join(names['shortNames'])}`; {scope}. {_text(schema)}",
        f"Columns of `kubectl get {names['shortNames'][0]}`:",
        table(["Column", "From", "Says", "Shown with"], columns),
    ]
    for part in ("spec", "status"):
        rows = _rows(part, schema["properties"][part], is_required=False, is_fixed=False)
        parts += [
            f"### {names['kind']} {part}",
            table(["Field", "Type", "Default", "Allowed", "Description"], rows),
        ]
    return "\n\n".join(parts) + "\n"


def _rows(path: str, schema: Schema, *, is_required: bool, is_fixed: bool) -> Iterator[list[str]]:
    """The field, then what it holds."""
    is_fixed = is_fixed or any(each["rule"] == _UNCHANGED for each in schema.get("x-kubernetes-validations", ()))
    default = "required" if is_required else code(json.dumps(schema["default"])) if "default" in schema else ""
    kind = f"{_type(schema)}, fixed" if is_fixed else _type(schema)
    yield [code(path), kind, default, _allowed(schema), _text(schema)]
    for name, each in schema.get("properties", {}).items():
        yield from _rows(f"{path}.{name}", each, is_required=name in schema.get("required", ()), is_fixed=is_fixed)
    for suffix, held in (("[]", schema.get("items")), (".*", schema.get("additionalProperties"))):
        if held is not None and "properties" in held:
            yield from _rows(f"{path}{suffix}", held, is_required=False, is_fixed=is_fixed)


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return f"map of {_type(schema['additionalProperties'])}"
    if schema.get("format") == "date-time":
        return "time"
    return str(schema["type"])


def _allowed(schema: Schema) -> str:
    """What a value may be; of a list or a map also what each of its entries may be."""
    said = [", ".join(code(str(each)) for each in schema.get("enum", ()))]
    if "minimum" in schema or "maximum" in schema:
        said.append(_between(schema.get("minimum"), schema.get("maximum"), ""))
    for least, unit in _UNITS.items():
        most = least.replace("min", "max")
        if least in schema or most in schema:
            said.append(_between(schema.get(least), schema.get(most), f" {unit}"))
    if "pattern" in schema:
        said.append(code(schema["pattern"]))
    held = schema.get("items", schema.get("additionalProperties"))
    if held is not None and "properties" not in held and (bounds := _allowed(held)):
        said.append(f"each {bounds}")
    return "; ".join(each for each in said if each)


def _between(least: int | None, most: int | None, unit: str) -> str:
    if most is None:
        return f"at least {_number(least or 0)}{unit}"
    if least == most:
        return f"{_number(most)}{unit}"
    return f"at most {_number(most)}{unit}" if least is None else f"{_number(least)} to {_number(most)}{unit}"


def _number(value: int) -> str:
    """With commas; a power of ten from a million on as one."""
    digits = str(value)
    if value >= 10**6 and digits.strip("0") == "1":
        return "10" + str(len(digits) - 1).translate(_SUPERSCRIPT)
    return f"{value:,}"


def _text(schema: Schema) -> str:
    """The description, and what is answered where a rule is broken."""
    rules = [f"*{each['message']}.*" for each in schema.get("x-kubernetes-validations", ())]
    return " ".join([_described(schema), *rules]).strip()


def _described(schema: Schema) -> str:
    return one_line(schema.get("description", ""))
