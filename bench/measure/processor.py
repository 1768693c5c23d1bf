"""Makes what lets a node class be of an older processor (`older_processor.c`), and tries it.

The library must know where the CPUID instructions of other libraries are: `cpuid_addresses` finds them, and a table of
them for the images' libraries lies beside the compiled library.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import capstone

SOURCE: Final = Path(__file__).with_name("older_processor.c")
LIBRARY: Final = "older_processor.so"
TABLE: Final = "older_processor.table"
LEVELS: Final = ("avx2", "sse42")

_CPUID: Final = b"\x0f\xa2"
_BEFORE: Final = range(24, 72)
"""From how many bytes before a candidate it is decoded: enough for x86 code to come into step."""
_LOADED, _EXECUTABLE, _X86_64 = 1, 1, 62
_HEADER: Final = struct.Struct("<16xHHI3QI6H")
_SEGMENT: Final = struct.Struct("<II6Q")


class ProcessorError(RuntimeError):
    """This machine cannot pass for one with an older processor; the message says why."""

    reason: Final = "ProcessorUnsuitable"


def make_library(folder: Path, libraries: Iterable[tuple[str, bytes]]) -> Path:
    """Compile the library into `folder` and write its table; ProcessorError where that is not to be had here.

    `libraries` are names and contents of what programs may load.
    """
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / LIBRARY
    try:
        argv = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        subprocess.run(argv, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise ProcessorError("there is no C compiler here, which older processors need: apt-get install gcc") from None
    except subprocess.CalledProcessError as error:
        message = f"{SOURCE.name} does not compile; it is for x86-64 and Linux alone: {error.stderr}"
        raise ProcessorError(message) from error
    lines = {
        f"{len(content)} {name} {' '.join(f'{address:x}' for address in found)}\n"
        for name, content in libraries
        if (found := cpuid_addresses(content))
    }
    (folder / TABLE).write_text("".join(sorted(lines)), encoding="utf-8")
    return library


def variables(library: Path, level: str) -> dict[str, str]:
    """The environment of a program that shall have an older processor."""
    return {
        **os.environ,
        "LD_AUDIT": str(library),
        "OLDER_PROCESSOR": level,
        "OLDER_PROCESSOR_TABLE": str(library.with_name(TABLE)),
    }


def libraries_of(image: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the shared libraries of an image, a docker-archive."""
    with tarfile.open(image) as archive:
        for layer in json.load(_content(archive, "manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=_content(archive, layer)) as files:
                for entry in files:
                    name = entry.name.rpartition("/")[2]
                    if entry.isfile() and re.search(r"\.so(\.|$)", name) and (content := files.extractfile(entry)):
                        yield name, content.read()


def _content(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise ProcessorError(f"{name} is no file of the image")
    return found


def cpuid_addresses(content: bytes) -> list[int]:
    """Where a shared library has CPUID instructions: addresses before relocation, empty for what is none of x86-64."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    found = []
    for address, code in _code(content):
        at = code.find(_CPUID)
        while at >= 0:
            if _is_instruction(decoder, code, at):
                found.append(address + at)
            at = code.find(_CPUID, at + 1)
    return found


def _is_instruction(decoder: capstone.Cs, code: bytes, at: int) -> bool:
    """Whether most decodings that begin a little before come upon the bytes as an instruction of their own.

    x86 code decoded from anywhere is soon in step; bytes within another instruction are then stepped over.
    """
    came = 0
    for before in _BEFORE:
        begin = max(at - before, 0)
        for offset, size, _, _ in decoder.disasm_lite(code[begin : at + 16], begin):
            if offset >= at:
                came += offset == at and size == len(_CPUID)
                break
    return came > len(_BEFORE) / 2


def _code(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The executable segments of an ELF file of x86-64: each one's address and bytes."""
    if content[:5] != b"\x7fELF\x02":
        return
    _, machine, _, _, first, _, _, _, size, count, *_ = _HEADER.unpack_from(content)
    if machine != _X86_64:
        return
    for number in range(count):
        kind, flags, offset, address, _, length, _, _ = _SEGMENT.unpack_from(content, first + number * size)
        if kind == _LOADED and flags & _EXECUTABLE:
            yield address, content[offset : offset + length]
