"""Whether a file of torch.export holds what `torch.export.save` writes and nothing that runs; torch does not ask.

torch makes Python source of the names in a program and evaluates its expressions, so either can be any code; it loads
compiled libraries that come along, and unpacks whatever was packed. All of this is looked at before torch is given the
file, as data.
"""

from __future__ import annotations

import ast
import re
import struct
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from foretide_profiler.failures import ProfilerError

_NAME: Final = re.compile(r"[\w.:+/ -]*")
"""Nothing that Python could call, quote, or end a line with."""

_NOT_NAMES: Final = frozenset({"as_string", "as_strings", "in_spec", "metadata", "out_spec"})
"""What is under these keys becomes no source: arguments that are quoted, forms of containers (JSON), where an operator
came from."""

_EXPRESSIONS: Final = frozenset({"expr_str", "guards_code"})
"""Under these keys are expressions of sizes that a file leaves open, which are evaluated."""

_FUNCTIONS: Final = re.compile(
    "Abs|Add|And|CeilDiv|CeilToInt|CleanDiv|Equality|ExprCondPair|Float|FloatPow|FloatTrueDiv|FloorDiv|FloorToInt"
    "|GreaterThan|Identity|IntTrueDiv|Integer|LShift|LessThan|Max|Min|Mod|ModularIndexing|Mul|Not|Or|Piecewise|Pow"
    "|PowByNatural|PythonMod|RShift|Rational|RoundDecimal|RoundToInt|StrictGreaterThan|StrictLessThan|Symbol|ToFloat"
    "|TruncToFloat|TruncToInt|Unequality|Where|ceiling|floor|OpaqueUnaryFn_[a-z0-9]+"
)
"""Of sympy and of torch's additions to it: what sizes are computed by."""

_OF_TENSORS: Final = frozenset({"shape", "size", "storage_offset", "stride"})
_SYNTAX: Final = (
    *(ast.Expression, ast.Call, ast.keyword, ast.Name, ast.Load, ast.Constant, ast.Attribute, ast.Subscript),
    *(ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop, ast.BoolOp, ast.boolop),
)


_END: Final = struct.Struct("<4s4H2LH")
_END64: Final = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64: Final = struct.Struct("<4sLQL")
"""Records at the end of an archive, the last first: end, its large form, and where that is (APPNOTE 4.3.14 to 16)."""


def check(stream: BinaryIO) -> None:
    """Raise ProfilerError ModelFileInvalid for a file that is no such archive; leave the stream at its beginning."""
    try:
        with zipfile.ZipFile(stream) as archive:
            _check_place(archive.infolist(), stream)
            _check_entries(archive.infolist(), stream.seek(0, 2))
            for name in archive.namelist():
                if name.lower().endswith(".json"):
                    _check_document(name, archive.read(name))
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, msgspec.DecodeError) as error:
        raise _invalid(f"it is not such an archive: {error}") from error
    except RecursionError as error:
        raise _invalid("its program is nested deeper than any model") from error
    stream.seek(0)


def _check_place(entries: list[zipfile.ZipInfo], stream: BinaryIO) -> None:
    """Refuse what has anything before, between or behind: readers differ in where they then take the entries to be.

    Python's looks before the end record for a directory, and torch's where the record says.
    """
    end = stream.seek(0, 2) - _END.size
    signature, _, _, _, count, size, offset, comment_bytes = _read(stream, _END, end)
    if signature != b"PK\5\6" or comment_bytes:
        raise _invalid("something follows its directory")
    locator = end - _LOCATOR64.size
    if locator >= 0:
        signature, _, place, _ = _read(stream, _LOCATOR64, locator)
        if signature == b"PK\6\7":
            end = locator - _END64.size
            if place != end:
                raise _invalid("its end is not where it says")
            signature, *_, count, size, offset = _read(stream, _END64, end)
            if signature != b"PK\6\6":
                raise _invalid("its end is not where it says")
    if offset + size != end or count != len(entries) or min((each.header_offset for each in entries), default=0):
        raise _invalid("its directory or its entries are not where it says")


def _read(stream: BinaryIO, record: struct.Struct, offset: int) -> tuple[Any, ...]:
    stream.seek(offset)
    return record.unpack(stream.read(record.size))


def _check_entries(entries: list[zipfile.ZipInfo], file_bytes: int) -> None:
    names = [entry.filename.lower() for entry in entries]
    if len(set(names)) < len(names):
        raise _invalid("two of its entries have the same name")
    for entry in entries:
        if "aotinductor" in entry.filename.split("/") or entry.filename.endswith((".so", ".o", ".cubin")):
            raise _invalid(f"{entry.filename} is compiled code; save the program alone")
    unpacked_bytes = sum(entry.file_size for entry in entries)
    if unpacked_bytes > file_bytes:
        raise _invalid(f"{file_bytes} bytes hold {unpacked_bytes} packed ones; torch.export.save packs none")


def _check_document(name: str, document: bytes) -> None:
    for key, text in _texts("", msgspec.json.decode(document)):
        if key in _EXPRESSIONS:
            if not _is_arithmetic(text):
                raise _invalid(f"{name} has an expression that computes no size: {text[:80]!r}")
        elif not _NAME.fullmatch(text):
            raise _invalid(f"{name} has a name that is none: {text[:80]!r}")


def _texts(key: str, value: object) -> Iterator[tuple[str, str]]:
    """Each text that may become source, with the key that it is under; keys are names themselves."""
    match value:
        case str():
            yield key, value
        case list():
            for item in value:
                yield from _texts(key, item)
        case dict():
            for name, item in value.items():
                yield "", name
                if name not in _NOT_NAMES:
                    yield from _texts(name, item)


def _is_arithmetic(expression: str) -> bool:
    if not expression.isprintable() or "#" in expression or "\\" in expression:
        return False
    try:
        nodes = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, MemoryError):
        return False
    return all(isinstance(node, _SYNTAX) and _is_harmless(node) for node in nodes)


def _is_harmless(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id=function)):
            return _FUNCTIONS.fullmatch(function) is not None
        case ast.Call(func=ast.Attribute()):
            return True  # of a tensor, as its attribute is
        case ast.Call():
            return False
        case ast.Attribute(attr=name):
            return name in _OF_TENSORS
        case ast.Constant(value=str() as text):
            return _NAME.fullmatch(text) is not None
        case _:
            return True


def _invalid(what: str) -> ProfilerError:
    return ProfilerError("ModelFileInvalid", f"not a file of torch.export to be trusted: {what}", "model.file.path")
