"""Tables and paragraphs: how they are aligned, folded into a width, and made to stand out; and whose words command."""

from __future__ import annotations

import json

import pytest

from foretide_cli.tables import Doubtful, Part, Table, Wrong, harmless, in_words

ROWS = [
    ["node", "why it was refused", "seconds", "others there"],
    ["edge-1", "it would miss its deadline by far", "12.5", "1.5 of 2 CPU"],
    ["a-long-name-of-a-node", "ok", "3.0", "-"],
]


def test_words_are_to_the_left_and_figures_to_the_right() -> None:
    assert in_words([Table([["node", "seconds"], ["edge-1", "12.5"], ["b", "3.0"]])]) == (
        "node    seconds\nedge-1     12.5\nb           3.0"
    )


def test_parts_are_apart_and_notes_are_not() -> None:
    parts: list[Part] = ["head", ("one", "two"), Table([["a"], ["b"]], notes=["(1 more)"])]
    assert in_words(parts, width=80) == "head\n\none\ntwo\n\na\nb\n(1 more)"


def test_a_table_folds_its_widest_columns_between_words_until_it_fits() -> None:
    lines = in_words([Table(ROWS, left=2)], width=56).splitlines()
    assert max(map(len, lines)) <= 56
    assert lines[0].split() == ["node", "why", "it", "was", "seconds", "others"]
    assert lines[1].split() == ["refused", "there"]
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "node",
        "edge-1",
        "a-long-name-of-a-node",
    ]
    assert in_words([Table(ROWS, left=2)], width=200) == in_words([Table(ROWS, left=2)])


def test_columns_that_have_no_room_beside_the_others_stand_beneath_with_the_first_again() -> None:
    words = in_words([Table(ROWS, left=2)], width=44)
    first, second = (part.splitlines() for part in words.split("\n\n"))
    assert max(map(len, words.splitlines())) <= 44
    for lines in (first, second):
        names = [line.split()[0] for line in lines if not line.startswith(" ")]
        assert names == ["node", "edge-1", "a-long-name-of-a-node"]
    assert first[0].split()[-1] == "seconds"
    assert second == [
        "node                   others there",
        "edge-1                 1.5 of 2 CPU",
        "a-long-name-of-a-node             -",
    ]
    narrow = in_words([Table(ROWS, left=2)], width=5)
    assert sorted(set(narrow.split())) == sorted({word for row in ROWS for cell in row for word in cell.split()})


def test_what_may_be_copied_out_of_a_paragraph_is_not_folded() -> None:
    remedy = "  remedy: kubectl label node edge-7 foretide.dev/node-class=jetson-orin"
    assert in_words([("Error", remedy)], width=20) == f"Error\n{remedy}"


def test_headings_and_what_is_wrong_stand_out_and_stay_aligned() -> None:
    parts: list[Part] = [
        Table([["check", "ms"], ["nodes", Wrong("5")], ["tasks", Doubtful("12")]]),
        (Wrong("Error"), "it"),
    ]
    styled = in_words(parts, is_styled=True)
    assert styled.splitlines() == [
        "\x1b[1mcheck\x1b[0m  \x1b[1mms\x1b[0m",
        "nodes   \x1b[31m5\x1b[0m",
        "tasks  \x1b[33m12\x1b[0m",
        "",
        "\x1b[31mError\x1b[0m",
        "it",
    ]
    plain = styled
    for code in ("0", "1", "31", "33"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == in_words(parts)


def test_words_of_others_are_shown_and_neither_obeyed_nor_read_as_markup() -> None:
    hostile = "\x1b[31m[red]a\nb\tc\x9b2J"
    shown = "\\u001b[31m[red]a\\u000ab\\u0009c\\u009b2J"
    lines = in_words([Table([["name", "n"], [hostile, "1"]], notes=[hostile]), hostile], is_styled=True).splitlines()
    assert lines[1] == f"{shown}  1"
    assert [line for line in lines[2:] if "\x1b" in line or "\x9b" in line] == []


@pytest.mark.parametrize(
    "unseen", [0x202E, 0x2066, 0x200B, 0x200F, 0xAD, 0xFEFF, 0x2060, 0x61C, 0x3164, 0xE0041], ids=hex
)
def test_what_turns_text_round_or_cannot_be_seen_is_told(unseen: int) -> None:
    name = f"safe{chr(unseen)}gnp.exe"
    told = in_words([Table([["name"], [name]], notes=[name]), name])
    assert told.split() == ["name", *[f"safe{json.dumps(chr(unseen))[1:-1]}gnp.exe"] * 3]


@pytest.mark.parametrize("words", ["می\u200cخواهم", "क्\u200dष", "日本語", "naïve café"])
def test_what_languages_are_written_with_is_left(words: str) -> None:
    assert in_words([Table([["name"], [words]])]).splitlines()[1] == harmless(words) == words
