"""The long run: ``python -m tests.extender.fuzz [--cases 1000000] [--seed N] [--first 0] [--over-socket 20000]``.

Run by ``make fuzz``. The cases are asked within this process, the last of them again over a socket. A run that was cut
off goes on with ``--seed`` and ``--first`` as it printed them. Bodies that show a fault are kept in
``bench/results/fuzz``, as they were and as small as they get. Exit status 1 where there is any.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.machine import machine
from demo.scenario import ROOT
from tests.extender.fuzz import in_process, over_socket
from tests.extender.fuzz.cases import Cases
from tests.extender.fuzz.running import Found, run

CASES: Final = 1_000_000
OVER_SOCKET: Final = 20_000
RESULTS: Final = ROOT / "bench" / "results" / "fuzz"
_SHOWN_BYTES: Final = 2000


def say(line: str) -> None:
    """One line, at once."""
    print(line, flush=True)


async def within(seed: int, numbers: range) -> Mapping[str, Found]:
    """Ask within this process."""
    async with in_process.in_process() as asking:
        return await run(asking, Cases(seed, in_process.KNOWN), numbers, say)


async def outside(seed: int, numbers: range) -> Mapping[str, Found]:
    """Ask the extender's own process."""
    with TemporaryDirectory() as directory, over_socket.over_socket(Path(directory)) as asking:
        found = await run(asking, Cases(seed, over_socket.KNOWN), numbers, say)
        if asking.errors():
            log = (Path(directory) / "extender.log").read_text(errors="replace")
            raise RuntimeError(f"{asking.errors():g} decisions went wrong in the process:\n{log[-4000:]}")
        return found


def tell(seed: int, found: Mapping[str, Found]) -> None:
    """Print each fault and keep its bodies."""
    for kind, each in found.items():
        path = RESULTS / f"{seed}-{each.case.number}-{each.case.verb}"
        RESULTS.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".body").write_bytes(each.case.body)
        path.with_suffix(".small").write_bytes(each.smallest)
        say(f"\n{kind}: {each.count} times, first in case {each.case.number} of seed {seed}, {each.case.verb}")
        say(f"  {each.fault.detail}")
        say(f"  {path}.body, small: {each.smallest[:_SHOWN_BYTES]!r}")


def main(arguments: list[str]) -> int:
    """Run, and say what was found."""
    parser = argparse.ArgumentParser(description="Mutated bodies for the extender.")
    parser.add_argument("--cases", type=int, default=CASES, help=f"how many ({CASES})")
    parser.add_argument("--seed", type=int, default=secrets.randbits(31), help="what all cases follow from (random)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case (0)")
    parser.add_argument("--over-socket", type=int, default=OVER_SOCKET, help=f"how many once more so ({OVER_SOCKET})")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.CRITICAL)
    say(f"seed {options.seed}, from case {options.first}; {machine()}")
    end = options.first + options.cases
    found = dict(asyncio.run(within(options.seed, range(options.first, end))))
    if options.over_socket:
        say("over a socket:")
        first = max(end - options.over_socket, options.first)
        found |= asyncio.run(outside(options.seed, range(first, end)))
    tell(options.seed, found)
    say(f"{len(found)} kinds of fault in {options.cases:,} cases of seed {options.seed}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
