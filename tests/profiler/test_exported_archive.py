"""What is looked at in a file of torch.export before torch has it; that honest ones pass is tried with torch itself."""

from __future__ import annotations

import io
import json
import struct
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


def _parts(program: object) -> tuple[bytes, bytes, bytes]:
    """Entries, directory and end record of an archive."""
    whole = _archive(program).getvalue()
    offset = int.from_bytes(whole[-6:-2], "little")
    return whole[:offset], whole[offset:-22], whole[-22:]


def test_an_archive_whose_end_points_at_another_directory_than_the_one_before_it_is_refused() -> None:
    """Python's reader takes the one before the end, torch's the one that the end points at."""
    entries, directory, end = _parts({"name": "f(x)"})
    harmless_entries, harmless_directory, _ = _parts({"name": "f_x_"})
    both = io.BytesIO(entries + directory + harmless_entries + harmless_directory + end)
    with zipfile.ZipFile(both) as archive:
        assert b"f_x_" in archive.read(PROGRAM)
    assert "not where it says" in _why_refused(both)


@pytest.mark.parametrize("before", [b"x", bytes(100)])
def test_what_has_anything_before_it_is_refused(before: bytes) -> None:
    entries, directory, end = _parts({"name": "x"})
    assert "not where it says" in _why_refused(io.BytesIO(before + entries + directory + end))
    stream = io.BytesIO(before)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(PROGRAM, "{}")
    assert "not where it says" in _why_refused(stream)


@pytest.mark.parametrize("comment", [b"x", b"PK\5\6" + bytes(18), b"PK\5\6" + bytes(30)])
def test_what_has_a_comment_behind_it_is_refused(comment: bytes) -> None:
    stream = _archive({})
    with zipfile.ZipFile(stream, "a") as archive:
        archive.comment = comment
    _why_refused(stream)


def _large(directory_shift: int = 0, record_shift: int = 0) -> io.BytesIO:
    """An archive with the records of large ones, as newer versions of torch write."""
    entries, directory, end = _parts({"name": "x"})
    where = len(entries) + len(directory)
    sizes = (1, 1, len(directory), len(entries) + directory_shift)
    record = b"PK\6\6" + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, *sizes)
    locator = b"PK\6\7" + struct.pack("<LQL", 0, where + record_shift, 1)
    return io.BytesIO(entries + directory + record + locator + end)


def test_a_large_archive_passes_where_all_is_where_it_says() -> None:
    check(_large())
    assert "not where it says" in _why_refused(_large(record_shift=-8))
    assert "not where it says" in _why_refused(_large(directory_shift=-8))


def test_a_program_is_looked_at_however_its_name_is_spelt() -> None:
    """torch's reader takes no heed of capitals."""
    assert "a name that is none" in _why_refused(_archive({}, {"archive/models/other.JSON": b'{"name": "f(x)"}'}))


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
    with cut.open("rb") as stream, pytest.raises(ProfilerError, match="not such an archive"):
        check(stream)
