"""How `foretide` is called: its commands, arguments and options, as its own parser knows them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from foretide_cli.__main__ import command_line
from reference.markdown import code, table

_HEAD: Final = """\
# Commands of `foretide`

Made from the command's own parser by `make references`; [command line](../cli.md) says what the commands print and how
to read it. As a plugin of kubectl each is called `kubectl foretide …`.
"""


def page(_root: Path) -> str:
    """The page's text."""
    parser = command_line("foretide")
    commands = next(each for each in _actions(parser) if isinstance(each, argparse._SubParsersAction))  # noqa: SLF001 no other name for it
    summaries = {each.dest: each.help or "" for each in commands._choices_actions}  # noqa: SLF001 nor for these
    overview = [[f"[`{name}`](#foretide-{name})", summaries[name]] for name in sorted(commands.choices)]
    parts = [_HEAD, str(parser.epilog), table(["Command", "Does"], overview)]
    parts += [_section(name, commands.choices[name]) for name in sorted(commands.choices)]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    actions = [each for each in _actions(parser) if each.dest != "help"]
    ways = [way._group_actions for way in parser._mutually_exclusive_groups]  # noqa: SLF001 as above
    rows = [[_names(each), _takes(each), _default(each), _helps(each, ways)] for each in actions]
    parts = [
        f"## foretide {name}",
        f"    {' '.join([f'foretide {name}', *_synopsis(actions, ways)])}",
        str(parser.description),
        table(["Argument", "Takes", "Default", ""], rows),
    ]
    return "\n\n".join([*parts, parser.epilog] if parser.epilog else parts)


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 argparse has no other way to list them


def _synopsis(actions: list[argparse.Action], ways: list[list[argparse.Action]]) -> Iterator[str]:
    """Options first, as they are usually given; brackets around what may be left out, bars between what excludes."""
    told: list[argparse.Action] = []
    for each in sorted(actions, key=lambda one: not one.option_strings):
        if each in told:
            continue
        together = next((way for way in ways if each in way), [each])
        told += together
        words = " | ".join(f"{one.option_strings[0]} {_value(one)}".strip() for one in together if one.option_strings)
        words = words or _value(each)
        is_optional = not each.required or each.nargs in {"?", "*"}
        many = "…" if each.nargs == "*" or isinstance(each, argparse._AppendAction) else ""  # noqa: SLF001 as above
        yield f"[{words}]{many}" if is_optional else f"{words}{many}"


def _names(action: argparse.Action) -> str:
    return ", ".join(map(code, action.option_strings)) or code(_value(action))


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return str(action.metavar or action.dest)


def _takes(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return ", ".join(code(str(each)) for each in action.choices)
    many = ", several times" if isinstance(action, argparse._AppendAction) else ""  # noqa: SLF001 as above
    return f"{_value(action)}{many}" if action.option_strings else many.removeprefix(", ")


def _default(action: argparse.Action) -> str:
    default: Any = action.default
    if action.required and action.nargs not in {"?", "*"}:
        return "required"
    return "" if default is None or default is False or default == [] else code(str(default))


def _helps(action: argparse.Action, ways: list[list[argparse.Action]]) -> str:
    others = [each for way in ways if action in way for each in way if each is not action]
    words = action.help or ""
    return f"{words}; not with {' or '.join(code(each.option_strings[-1]) for each in others)}" if others else words
