from foretide.placement.resources import Resources
from foretide.simulate.cluster import SimTask
from foretide.simulate.queue import PodQueue, Queued


def task(key: str, cpu: int) -> SimTask:
    return SimTask(key, "w", 0.0, Resources(cpu, 1, 1), cpu, {}, {})


def keys(queue: PodQueue) -> list[str]:
    return [each.key for each in queue.in_order()]


def filled() -> PodQueue:
    queue = PodQueue()
    for key, cpu in (("large-1", 4000), ("small-1", 500), ("large-2", 4000), ("small-2", 500)):
        queue.put(task(key, cpu))
    return queue


def test_pods_are_tried_in_the_order_in_which_they_came() -> None:
    tried = list[str]()

    def bind(queued: Queued) -> bool:
        tried.append(queued.task.key)
        return True

    queue = filled()
    queue.try_each(bind)
    assert tried == ["large-1", "small-1", "large-2", "small-2"]
    assert keys(queue) == []


def test_who_finds_no_room_is_overtaken_and_not_tried_again_before_a_node_has_more() -> None:
    queue, tried = filled(), list[str]()

    def bind(queued: Queued) -> bool:
        tried.append(queued.task.key)
        return queued.task.requests.cpu_millis < 1000

    queue.try_each(bind)
    assert keys(queue) == ["large-1", "large-2"]
    queue.put(task("large-3", 4000))
    queue.try_each(bind)
    queue.room_grew(lambda requests: requests.cpu_millis <= 1000)
    queue.try_each(bind)
    assert tried == ["large-1", "small-1", "small-2"]
    queue.room_grew(lambda requests: requests.cpu_millis <= 4000)
    queue.try_each(bind)
    assert tried == ["large-1", "small-1", "small-2", "large-1"]
    assert keys(queue) == ["large-1", "large-2", "large-3"]
