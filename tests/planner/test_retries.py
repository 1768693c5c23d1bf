"""The queue of what is to be tried again."""

from __future__ import annotations

from foretide_operator.planner.retries import RetryQueue


def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue: RetryQueue[str] = RetryQueue()
    queue.add("a", 1.0)
    queue.add("a", 2.0)
    assert len(queue) == 1
    assert queue.take(2.0) == "a"
    assert queue.take(2.0) is None


def test_the_oldest_due_key_comes_first() -> None:
    queue: RetryQueue[str] = RetryQueue()
    queue.add("b", 2.0)
    queue.add("a", 1.0)
    assert [queue.take(5.0), queue.take(5.0)] == ["a", "b"]


def test_delays_double_up_to_a_bound_and_end_with_forget() -> None:
    queue: RetryQueue[str] = RetryQueue()
    queue.add("a", 0.0)
    delays = []
    now = 0.0
    for _ in range(12):
        assert queue.take(now) == "a"
        queue.retry("a", now)
        due = queue.next_due_seconds()
        assert due is not None
        assert queue.take(due - 0.01) is None
        delays.append(due - now)
        now = due
    assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
    assert delays[-1] == 30.0
    assert queue.tried_for_seconds("a", now) == now
    queue.forget("a")
    assert queue.next_due_seconds() is None
    assert queue.tried_for_seconds("a", now) == 0.0
    queue.add("a", now)
    queue.take(now)
    queue.retry("a", now)
    assert queue.next_due_seconds() == now + 0.25
