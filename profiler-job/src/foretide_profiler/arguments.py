"""The command line, turned into a checked request; every bad argument names its field and the way out."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Never, cast, get_args

from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import (
    Call,
    DataType,
    InspectCall,
    ModelRequest,
    ProbeCall,
    ProfileCall,
    RunCall,
    ServeCall,
    Source,
)

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
MAX_BATCH_SIZE = 65536
MAX_BATCHES = 8
"""As many as a result has room for (`foretide.results`, which is not imported before there is something to report)."""
MAX_QUEUE = 256
"""As many as a report tells apart (`foretide.service_report`)."""
MAX_INPUT_ELEMENTS = 2**28
"""One billion bytes of float32: beyond it a shape is surely a slip."""

_FIELDS = {
    "source": "model.source",
    "name": "model.name",
    "file": "model.file.path",
    "sha256": "model.file.sha256",
    "input": "input.shape",
    "data-type": "input.dataType",
    "batch-size": "batchSize",
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """A request, and where its result goes (None: the default place)."""

    call: Call
    result: Path | None


def parse(argv: Sequence[str]) -> Arguments:
    """Read the command line (without the program's name).

    Raises ProfilerError InvalidArgument with the field of the AIWorkload that the option stands for.
    """
    options = _parser().parse_args(argv)
    return Arguments(call=_call(options), result=options.result)


def _call(options: argparse.Namespace) -> Call:
    match options.command:
        case "probe":
            return ProbeCall(max_seconds=options.max_seconds)
        case "inspect":
            return InspectCall(model=_model(options))
        case "run":
            return RunCall(model=_model(options), inferences=options.inferences)
        case "serve":
            return ServeCall(model=_model(options), port=options.port, queue=options.queue)
        case _:
            return ProfileCall(
                model=_model(options),
                max_seconds=options.max_seconds,
                min_samples=options.min_samples,
                min_seconds=options.min_seconds,
                batch_sizes=tuple(size for size in options.batch_sizes if size != options.batch_size),
                co_runner=options.co_runner,
            )


def _model(options: argparse.Namespace) -> ModelRequest:
    source = cast("Source", options.source)
    if source == "TorchVision":
        if not options.name:
            raise _invalid("name", "is missing; say which torchvision model, for example --name mobilenet_v3_small")
        if options.file is not None or options.sha256 is not None:
            raise _invalid("file", "belongs to the sources ONNX and TorchExport; drop --file and --sha256")
        if options.input is None:
            raise _invalid("input", "is missing; say the shape of one item, for example --input 3,224,224")
    elif options.file is None:
        raise _invalid("file", f"is missing; say where the {source} file is, for example --file /model/model.onnx")
    elif options.name:
        raise _invalid("name", "belongs to the source TorchVision; drop --name")
    return ModelRequest(
        source=source,
        name=options.name or "",
        file=options.file,
        sha256=options.sha256,
        input_shape=options.input,
        data_type=cast("DataType", options.data_type),
        batch_size=options.batch_size,
        precision=options.precision,
    )


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing and exiting."""

    def error(self, message: str) -> Never:
        option = re.search(r"--([a-z0-9-]+)", message)
        raise ProfilerError("InvalidArgument", message, _field(option.group(1)) if option else "")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="foretide_profiler", description=__doc__, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    inspect = commands.add_parser("inspect", help="count a model's operations and parameters", allow_abbrev=False)
    profile = commands.add_parser("profile", help="measure a model on this machine", allow_abbrev=False)
    run = commands.add_parser("run", help="run a task of many inferences", allow_abbrev=False)
    serve = commands.add_parser("serve", help="answer requests over HTTP until stopped", allow_abbrev=False)
    probe = commands.add_parser("probe", help="probe this machine with small tasks", allow_abbrev=False)
    for command in (inspect, profile, run, serve):
        _add_model(command)
    for command, seconds in ((profile, 30.0), (probe, 20.0)):
        command.add_argument("--max-seconds", type=_seconds, default=seconds)
    profile.add_argument("--min-samples", type=_integer(3, 1_000_000), default=64)
    profile.add_argument("--min-seconds", type=_seconds, default=5.0)
    profile.add_argument("--batch-sizes", type=_batch_sizes, default=(), help="others to measure, for example 2,8,32")
    profile.add_argument("--co-runner", action="store_true", help="also measure beside a co-runner on a CPU of its own")
    run.add_argument("--inferences", type=_integer(1, 10**12), required=True)
    serve.add_argument("--port", type=_integer(0, 65535), default=8080, help="0: any that is free")
    serve.add_argument("--queue", type=_integer(1, MAX_QUEUE), default=16, help="requests that wait at most")
    for command in (inspect, profile, run, serve, probe):
        command.add_argument("--result", type=Path, help="where the result is written (also to stdout)")
    return parser


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--source", required=True, choices=get_args(Source))
    command.add_argument("--name")
    command.add_argument("--file", type=Path)
    command.add_argument("--sha256", type=_digest)
    command.add_argument("--input", type=_shape, help="one item without the batch dimension, for example 3,224,224")
    command.add_argument("--data-type", choices=get_args(DataType), default="float32")
    command.add_argument("--batch-size", type=_integer(1, MAX_BATCH_SIZE), default=1)
    command.add_argument("--precision", choices=PRECISIONS, default="fp32")


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d{1,9}(,\d{1,9}){0,7}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shape; write one to eight sizes, such as 3,224,224")
    shape = tuple(int(size) for size in text.split(","))
    elements = 1
    for size in shape:
        elements *= size
    if not 0 < elements <= MAX_INPUT_ELEMENTS:
        raise argparse.ArgumentTypeError(f"{text!r} has {elements} elements; 1 to {MAX_INPUT_ELEMENTS} are allowed")
    return shape


def _batch_sizes(text: str) -> tuple[int, ...]:
    read_size = _integer(1, MAX_BATCH_SIZE)
    sizes = tuple(dict.fromkeys(read_size(size) for size in text.split(",")))
    if len(sizes) > MAX_BATCHES:
        raise argparse.ArgumentTypeError(f"{text!r} are {len(sizes)} batch sizes; at most {MAX_BATCHES} are measured")
    return sizes


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a SHA-256; write 64 hexadecimal digits")
    return text.lower()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration; write seconds above 0 and up to 86400")
    return seconds


def _integer(low: int, high: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not re.fullmatch(r"\d{1,18}", text) or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return convert


def _field(option: str) -> str:
    head, *tail = option.split("-")
    return _FIELDS.get(option, head + "".join(word.title() for word in tail))


def _invalid(option: str, what: str) -> ProfilerError:
    return ProfilerError("InvalidArgument", f"argument --{option} {what}", _field(option))
