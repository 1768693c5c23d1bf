"""What is looked at in a file of torch.export before torch has it; that honest ones pass is tried with torch itself."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from foretide_profiler.exported_archive import check
from foretide_profiler.failures import ProfilerError

PROGRAM = "archive/models/model.json"


def _archive(
    program: object, others: dict[str, bytes] | None = None, *, compression: int = zipfile.ZIP_STORED
) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.writestr(PROGRAM, json.dumps(program))
        for name, content in (others or {}).items():
            archive.writestr(name, content)
    return stream


def _why_refused(stream: io.BytesIO) -> str:
    with pytest.raises(ProfilerError) as caught:
        check(stream)
    assert (caught.value.reason, caught.value.field) == ("ModelFileInvalid", "model.file.path")
    return caught.value.message


@pytest.mark.parametrize(
    "program",
    [
        {"name": "p_layers_0_weight", "target": "torch.ops.aten.linear.default", "parameter_name": "layers.0 a-b.w"},
        {"sizes": [{"as_expr": {"expr_str": "Mul(Integer(4), Symbol('s0', positive=True, integer=True))"}}]},
        {"as_expr": {"expr_str": "FloorDiv(s0 + 1, 2)*Max(s1, -3)"}},
        {"guards_code": ["L['x'].size()[0] <= 64", "2 <= L['x'].shape[1] and not L['x'].shape[1] == 7"]},
        {"arg": {"as_string": "bhid,bhjd->bhij"}, "in_spec": '[1, {"type": "builtins.tuple"}]'},
        {"metadata": {"stack_trace": 'File "model.py", line 3, in forward\n    return open("x")'}},
        {"device": {"type": "cuda", "index": 0}, "torch_version": "2.6.0+cpu", "rank": 3, "empty": None},
    ],
)
def test_what_torch_writes_passes(program: object) -> None:
    stream = _archive(program)
    check(stream)
    assert stream.tell() == 0


@pytest.mark.parametrize(
    "expression",
    [
        "open('x')",
        "__import__('os').system('x')",
        "().__class__",
        "Max(eval('x'), 1)",
        "Max(*open)",
        "[print for x in y]",
        "lambda: 1",
        "(lambda: 1)()",
        "Symbol('eval(1)')",
        "L['x'].__class__",
        "L['x'].system()",
        "Max(1\n)",
        "1 # 2",
        "Max(1",
        "f'{open}'",
        "(" * 1000 + ")" * 1000,
    ],
)
@pytest.mark.parametrize("key", ["expr_str", "guards_code"])
def test_an_expression_that_computes_anything_but_a_size_is_refused(expression: str, key: str) -> None:
    assert "computes no size" in _why_refused(_archive({"tensors": [{key: [expression]}]}))


@pytest.mark.parametrize("name", ["x, y=open('z')", "x\nimport os", 'a"b', "f(x)", "x;y", "x=y", "x\\", "a[0]", "a@b"])
def test_a_name_that_python_would_take_for_source_is_refused(name: str) -> None:
    assert "a name that is none" in _why_refused(_archive({"nodes": [{"name": name}]}))
    assert "a name that is none" in _why_refused(_archive({"tensor_values": {name: 1}}))


@pytest.mark.parametrize("name", ["archive/data/aotinductor/model/a.cpp", "extra/libmodel.so", "kernel.cubin"])
def test_compiled_code_is_refused(name: str) -> None:
    assert "is compiled code" in _why_refused(_archive({}, {name: b"\x7fELF"}))


def test_more_than_the_file_could_hold_unpacked_is_refused_unread() -> None:
    bomb = _archive({}, {"weights": bytes(50_000_000)}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb.getvalue()) < 100_000
    assert "packs none" in _why_refused(bomb)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", [PROGRAM, PROGRAM.upper()])
def test_two_entries_of_one_name_are_refused_as_readers_differ_in_which_they_take(second: str) -> None:
    assert "same name" in _why_refused(_archive({}, {second: b"{}"}))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not an archive", b"\x80\x04." * 9])
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    _why_refused(io.BytesIO(content))


def test_a_program_that_is_no_json_or_nested_without_end_is_refused() -> None:
    _why_refused(_archive({}, {"other.json": b"{"}))
    _why_refused(_archive({}, {"other.json": b"[" * 100_000}))


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    whole = _archive({"name": "x"}).getvalue()
    cut = tmp_path / "cut.pt2"
    cut.write_bytes(whole[: len(whole) // 2])
    with cut.open("rb") as stream, pytest.raises(ProfilerError, match="no such archive"):
        check(stream)
