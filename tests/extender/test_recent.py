"""What was found out some seconds ago is kept so long, and within its bound."""

from __future__ import annotations

from foretide_extender.recent import Recent


def test_values_are_kept_so_long_and_the_oldest_go_where_they_weigh_too_much() -> None:
    now = [0.0]
    recent: Recent[str, int] = Recent(10.0, 4, clock=lambda: now[0])
    recent.put("a", 1)
    now[0] = 5.0
    recent.put("b", 2, weight=2)
    assert (recent.find("a"), recent.find("b"), recent.find("c")) == (1, 2, None)
    now[0] = 10.5
    assert (recent.find("a"), recent.find("b")) == (None, 2)
    recent.put("c", 3, weight=2)
    recent.put("d", 4)
    assert [recent.find(key) for key in "bcd"] == [None, 3, 4]
    recent.put("c", 5)
    recent.put("e", 6, weight=2)
    assert [recent.find(key) for key in "cde"] == [5, 4, 6]
    recent.put("f", 7, weight=5)
    assert [recent.find(key) for key in "cdef"] == [None] * 4
