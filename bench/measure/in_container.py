"""Runs calls of the profiler one after the other inside a Pod, a process for each, and prints a line of JSON for each.

    python3 -c SOURCE '[["key", ["profile", "--source", …]], …]'

It knows nothing but Python's library, because it is handed to the profiler's image as text.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

LONGEST_SECONDS = 180


def main(calls: str) -> None:
    library = os.environ.get("LD_AUDIT", "")  # which the dynamic linker ignores if it cannot load it
    if library not in Path("/proc/self/maps").read_text(encoding="utf-8"):
        sys.exit(f"{library} is not loaded: this node would pass for a newer one")
    for key, arguments in json.loads(calls):
        began = time.monotonic()
        argv = [sys.executable, "-m", "foretide_profiler", *arguments]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False)
            status, said, error = done.returncode, done.stdout, done.stderr[-400:]
        except subprocess.TimeoutExpired:
            status, said, error = 124, "", f"longer than {LONGEST_SECONDS} s"
        lines = said.splitlines()
        spent = round(time.monotonic() - began, 3)
        line = {"key": key, "status": status, "document": lines[-1] if lines else "", "error": error, "seconds": spent}
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
