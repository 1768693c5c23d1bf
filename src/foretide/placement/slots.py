"""What a search over assignments sees of nodes: slots that become free one after the other, by class.

A node has as many slots as tasks of its class's *measure* fit on it: the shape that most waiting tasks have of those
that fit there at all. A task of another shape is as wide as the room that it takes, in measures. This leaves out how
shapes fit together and what shares cores: who commits a task asks its node's `foretide.placement.timeline.Timeline`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from foretide.placement.timeline import Shape, Timeline


class Slot:
    """Room for one task after another; ``sequence`` are the tasks meant for it, in order, and ``cost`` is theirs.

    Its first task can be opened ``ready_seconds`` from now; every task there takes ``slowness`` times its time.
    """

    __slots__ = ("cost", "place", "ready_seconds", "sequence", "slowness")

    def __init__(self, place: int, ready_seconds: float, slowness: float) -> None:
        self.place = place
        self.ready_seconds = ready_seconds
        self.slowness = slowness
        self.sequence: list[int] = []
        self.cost = 0.0


class ClassSlots:
    """The slots of a class, those that are free first in front, and how wide tasks are there, by their shape.

    ``shapes`` says how many tasks there are of each; ``most`` is how many slots are enough.
    """

    def __init__(
        self, timelines: Sequence[Timeline], places: Sequence[int], shapes: Mapping[Shape, int], most: int
    ) -> None:
        model = timelines[places[0]]
        self.gap_seconds = model.lags.release_seconds
        self.lead_seconds = model.lags.open_to_bind_seconds
        self.slots: list[Slot] = []
        self.widths: dict[Shape, float] = {}
        fits = {shape: count for shape in shapes if (count := model.capacity(shape))}
        if not fits:
            return
        measure = max(fits, key=lambda shape: (shapes[shape], fits[shape]))
        self.widths = {shape: fits[measure] / count for shape, count in fits.items()}
        found = []
        for place in places:
            timeline = timelines[place]
            ready = timeline.free_from_seconds(measure, most)
            load = timeline.load
            found += [(seconds, nth, load, place) for nth, seconds in enumerate(ready)]
        found.sort()
        now = model.now_seconds
        slowness = {place: timelines[place].slowness(measure) for place in places}
        self.slots = [Slot(place, seconds - now, slowness[place]) for seconds, _, _, place in found[:most]]
