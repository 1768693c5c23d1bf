"""Stands where the profiler stands, and misbehaves in the way that the model file asks for.

A model file that begins with `SABOTAGE <how>` makes its profile Job do that; its inspection, and every other file,
go to the real profiler.
"""

import hashlib
import sys
import time
from pathlib import Path
from runpy import run_module

MESSAGE = Path("/dev/termination-log")
INSPECTED = (
    '{"kind":"Inspect","schema":"foretide.dev/result/v1","modelSha256":"%s","signature":{"family":"","macs":100000000,'
    '"parameterBytes":1000,"activationBytes":1000,"peakActivationBytes":1000,"operatorCount":3,"inputPixels":10,'
    '"batchSize":1,"byKind":{}}}'
)
IMPOSSIBLE = (
    b'{"kind":"Profile","schema":"foretide.dev/result/v1","processStart":1700000000000,"workBegin":1700000002000,'
    b'"workEnd":1700000001000,"loadMilliseconds":5,"firstInferenceMicroseconds":1,"warmupInferences":1,'
    b'"inference":{"samples":9,"mean":1,"median":1,"interquartileRange":0},"stable":true,"memoryPeakBytes":10,'
    b'"memoryBaseBytes":1,"environment":{"threads":1,"runtime":"none"}}'
)


def sabotage(how: str) -> None:
    """Misbehave; does not return if the behaviour never ends."""
    if how == "garbage":
        MESSAGE.write_bytes(b"\x00\xff not a result {{{")
    elif how == "impossible":
        MESSAGE.write_bytes(IMPOSSIBLE)
    elif how == "megabyte":
        MESSAGE.write_bytes(b'{"kind":"Profile",' + b'"x":1,' * 170_000 + b'"y":1}')
    elif how == "hang":
        time.sleep(100_000)
    elif how == "oom":
        hoard = []
        while True:
            hoard.append(bytearray(16 * 1024 * 1024))
    elif how != "silent":
        sys.exit(f"no such sabotage: {how}")


def main() -> None:
    """Act as `python -m foretide_profiler` would, or not."""
    arguments = sys.argv[1:]
    head, path = b"", Path()
    if "--file" in arguments:
        path = Path(arguments[arguments.index("--file") + 1])
        if path.is_file():
            with path.open("rb") as file:
                head = file.read(64)
    if not head.startswith(b"SABOTAGE "):
        run_module("foretide_profiler", run_name="__main__", alter_sys=True)
    elif arguments[0] == "inspect":
        MESSAGE.write_text(INSPECTED % hashlib.sha256(path.read_bytes()).hexdigest())
    else:
        sabotage(head.split()[1].decode())


if __name__ == "__main__":
    main()
