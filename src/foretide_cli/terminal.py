"""Where a command speaks: its result in the form that is asked for, what it does, what is amiss, what is under way."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Final, Literal, NoReturn, TextIO, get_args

import msgspec
import yaml

from foretide_cli.tables import Part, harmless, in_words

Form = Literal["table", "json", "yaml"]
Show = Callable[[object, Sequence[Part]], None]
"""Prints a result, given as a document for programs and in words for a person."""

_CLEAR_LINE: Final = "\r\x1b[K"


def add_output(command: argparse.ArgumentParser) -> None:
    """Add the option that says in which form a result is printed."""
    words = "json or yaml for programs, with all details"
    command.add_argument("-o", "--output", choices=get_args(Form), default="table", help=words)


class Terminal:
    """Standard output and standard error, of which either, both or none may be a terminal."""

    def __init__(self, form: Form = "table") -> None:
        self._form = form
        is_able, is_printed = os.environ.get("TERM") != "dumb", _is_terminal(sys.stdout)
        is_read = is_able and is_printed
        self._is_styled = is_read and not os.environ.get("NO_COLOR")
        self._width = shutil.get_terminal_size().columns if is_printed else None
        self._is_watched = is_read and _is_terminal(sys.stderr)
        self._is_line_begun = False

    def show(self, value: object, parts: Sequence[Part]) -> None:
        """Print a result: ``value`` as a document, or ``parts``."""
        match self._form:
            case "json":
                self.say(msgspec.json.encode(value).decode())
            case "yaml":
                words = msgspec.yaml.encode(value).decode()
                if harmless(words) != words:  # outside of quotes YAML has no escapes: it puts them where all is ASCII
                    words = yaml.safe_dump(msgspec.to_builtins(value), sort_keys=False)
                self.say(words.rstrip())
            case "table" if parts:
                self.progress("")
                print(in_words(parts, width=self._width, is_styled=self._is_styled))

    def say(self, words: str) -> None:
        """Print a line, or a document."""
        self.progress("")
        print(harmless(words))

    def write(self, data: bytes) -> None:
        """Print what is a file elsewhere."""
        self.progress("")
        if sys.stdout is not None:  # it may have been closed before we began
            sys.stdout.buffer.write(data)

    def complain(self, problem: str, *, status: int = 1) -> int:
        """Tell what is amiss in one line on standard error; ``status``."""
        self.progress("")
        if sys.stderr is not None:  # print would take standard output in its place, among the results
            print(f"foretide: {harmless(' '.join(problem.split()))}", file=sys.stderr)
        return status

    def progress(self, words: str) -> None:
        """Tell what is under way, in one line that the next one takes the place of; empty if nothing is any more.

        Only to a person: nothing where standard error, or what is printed, goes elsewhere than to a terminal.
        """
        if not self._is_watched or not (words or self._is_line_begun):
            return
        line = " ".join(harmless(words).split())[: shutil.get_terminal_size().columns - 1]
        print(f"{_CLEAR_LINE}{line}", end="", file=sys.stderr, flush=True)
        self._is_line_begun = bool(words)


class Parser(argparse.ArgumentParser):
    """Tells of a wrong call in one line, as of anything else that is amiss."""

    def error(self, message: str) -> NoReturn:
        """End with 2."""
        self.exit(2, f"foretide: {harmless(' '.join(message.split()))}; see {self.prog} --help\n")


def _is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads it; None is one that was closed before we began."""
    return stream is not None and stream.isatty()
