"""A map of nodes that is changed again and again, and of which many former states are kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, TypeVar

_PAGES: Final = 32
_Value = TypeVar("_Value")


class Pages(Mapping[str, _Value]):
    """Values by name, in pages: of a copy only those pages take memory of their own that are changed later."""

    def __init__(self, pages: Iterable[dict[str, _Value]] = ()) -> None:
        self._pages = list(pages) or [{} for _ in range(_PAGES)]
        self._own: set[int] = set()

    def __getitem__(self, name: str) -> _Value:
        return self._pages[hash(name) % _PAGES][name]

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pages)

    def __len__(self) -> int:
        return sum(map(len, self._pages))

    def put(self, name: str, value: _Value | None) -> None:
        """Have ``value`` from now on; None where there is none any more."""
        number = hash(name) % _PAGES
        if number not in self._own:
            self._pages[number] = self._pages[number].copy()
            self._own.add(number)
        if value is None:
            self._pages[number].pop(name, None)
        else:
            self._pages[number][name] = value

    def copied(self) -> Pages[_Value]:
        """What is known now, never to be changed."""
        self._own = set()
        return Pages(self._pages)

    def pages(self) -> Iterable[Mapping[str, _Value]]:
        """What copies share where they are alike."""
        return self._pages
