"""What a search over assignments sees of nodes: slots that become free one after the other, by *site*.

A site is nodes of one class with equal room that lack the same images. A node there has as many slots as tasks of the
site's *measure* fit on it: the shape that most waiting tasks have of those that fit there. A task of another shape is
as wide as the room that it takes, in measures. This leaves out how shapes fit together and what shares cores: who
commits a task asks its node's `foretide.placement.timeline.Timeline`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

from foretide.placement.pulls import NO_IMAGES, Pulling
from foretide.placement.timeline import Shape, Timeline

MOST_SITES: Final = 6
"""Per class. Beyond, nodes of different room are taken for one, with the least of their room."""
TOLD_APART_BY: Final = 4
"""By how many of the commonest shapes nodes are told apart, by one for each resource that these do not request, and by
how many of the commonest images that some nodes lack."""


class Slot:
    """Room for one task after another; ``sequence`` are the tasks meant for it, in order, and ``cost`` is theirs.

    Its first task can be opened ``ready_seconds`` from now; every task there takes ``slowness`` times its time.
    ``site`` is the site's index, for who keeps several.
    """

    __slots__ = ("cost", "place", "ready_seconds", "sequence", "site", "slowness")

    def __init__(self, place: int, ready_seconds: float, slowness: float) -> None:
        self.place = place
        self.ready_seconds = ready_seconds
        self.slowness = slowness
        self.site = 0
        self.sequence: list[int] = []
        self.cost = 0.0


class Site:
    """The slots of like nodes of a class, those that are free first in front, and how wide tasks are there by shape.

    ``pulls`` has the images that are on none of the nodes, and what each takes to pull.
    """

    def __init__(
        self,
        node_class: str,
        widths: Mapping[Shape, float],
        slots: list[Slot],
        model: Timeline,
        pulls: Mapping[str, float],
    ) -> None:
        self.node_class = node_class
        self.widths = widths
        self.slots = slots
        self.pulls = pulls
        self.gap_seconds = model.lags.release_seconds
        self.lead_seconds = model.lags.open_to_bind_seconds


def sites_of(
    node_class: str,
    timelines: Sequence[Timeline],
    places: Sequence[int],
    shapes: Mapping[Shape, int],
    pulls: Mapping[int, Mapping[str, float]],
    *,
    most: int,
    wanted: frozenset[int],
) -> Iterator[Site]:
    """The sites of a class whose nodes are at ``places``; those where no task fits are left out.

    ``shapes`` says how many tasks there are of each, ``pulls`` which images places lack (`pulls_of`). As many slots as
    ``most`` are enough for a site, and as many more among the places ``wanted``, which some tasks are bound to.
    """
    for members in _alike(timelines, places, shapes, pulls):
        model = timelines[members[0]]
        fits = {shape: count for shape in shapes if (count := model.capacity(shape))}
        if not fits:
            continue
        measure = max(fits, key=lambda shape: (shapes[shape], fits[shape]))
        widths = {shape: fits[measure] / count for shape, count in fits.items()}
        slots = _slots(timelines, members, measure, most, wanted)
        if slots:
            yield Site(node_class, widths, slots, model, _common(pulls, members))


def _common(pulls: Mapping[int, Mapping[str, float]], places: Sequence[int]) -> Mapping[str, float]:
    """The images that all of the places lack."""
    first = pulls.get(places[0], {})
    return {image: seconds for image, seconds in first.items() if all(image in pulls.get(each, ()) for each in places)}


def pulls_of(pulling: Pulling, counts: Mapping[str, int]) -> Mapping[int, Mapping[str, float]]:
    """What places lack of the commonest images that some place lacks, and what each takes to pull there, in seconds.

    ``counts`` says how many tasks need each. What somebody pulls already counts as there; places that lack nothing are
    left out.
    """
    common = sorted(counts, key=lambda image: (-counts[image], image))
    telling = [image for image in common if pulling.concerns(frozenset({image}))][:TOLD_APART_BY]
    return pulling.missing(frozenset(telling)) if telling else {}


def _slots(
    timelines: Sequence[Timeline], places: Sequence[int], measure: Shape, most: int, wanted: frozenset[int]
) -> list[Slot]:
    found = []
    for place in places:
        timeline = timelines[place]
        ready = timeline.free_from_seconds(measure, most)
        load = timeline.load
        found += [(seconds, nth, load, place) for nth, seconds in enumerate(ready)]
    found.sort()
    kept = found[:most]
    if wanted:
        kept += [each for each in found[most:] if each[3] in wanted][:most]
    slowness = {place: timelines[place].slowness(measure) for place in places}
    return [Slot(place, seconds - timelines[place].now_seconds, slowness[place]) for seconds, _, _, place in kept]


def _alike(
    timelines: Sequence[Timeline],
    places: Sequence[int],
    shapes: Mapping[Shape, int],
    pulls: Mapping[int, Mapping[str, float]],
) -> Iterator[Sequence[int]]:
    """The places in groups that have as much room for the commonest shapes and lack the same, the largest first."""
    telling = _telling(shapes)
    groups: dict[tuple[tuple[int, ...], frozenset[str]], list[int]] = defaultdict(list)
    of_room: dict[tuple[tuple[int, ...], frozenset[str]], list[int]] = {}
    for place in places:
        alike = timelines[place].room, frozenset(pulls[place]) if place in pulls else NO_IMAGES
        members = of_room.get(alike)
        if members is None:
            key = tuple(timelines[place].capacity(shape) for shape in telling), alike[1]
            members = of_room[alike] = groups[key]
        members.append(place)
    in_order = sorted(groups.items(), key=lambda each: (-len(each[1]), each[1][0]))
    yield from (members for _, members in in_order[: MOST_SITES - 1])
    rest = sorted(((room, members) for (room, _), members in in_order[MOST_SITES - 1 :]), key=itemgetter(0))
    if rest:
        fitting = [members for room, members in rest if any(room)]
        yield [place for members in fitting for place in members] if fitting else rest[0][1]


def _telling(shapes: Mapping[Shape, int]) -> list[Shape]:
    """The shapes that nodes are told apart by."""
    common = sorted(shapes, key=lambda shape: (-shapes[shape], shape.taken))
    telling = common[:TOLD_APART_BY]
    seen = {axis for shape in telling for axis, _ in shape.needs}
    for shape in common[TOLD_APART_BY:]:
        new = {axis for axis, _ in shape.needs} - seen
        if new:
            telling.append(shape)
            seen |= new
    return telling
