"""How callers share the slots of a worker: each has its turn, and none has all slots while others wait.

A caller gets a slot only while it runs fewer than `share / (1 - share)` times as many operations as slots are free.
Alone it reaches `share` of the slots. The more callers there are, the less each has, so that some slots stay free for
whoever comes next, without anybody counting the callers (a dynamic threshold, as switches share their buffers).
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Candidate(NamedTuple):
    """A queued operation that may be claimed."""

    id: str
    owner: str
    target: str
    priority: int
    create_time: int


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a worker knows of its callers when it claims."""

    share: float
    """The part of all slots that one caller may have, from 0 to 1. 1 is no bound."""
    running: Mapping[str, int] = field(default_factory=dict)
    """How many operations of each caller the worker runs."""
    served: Mapping[str, int] = field(default_factory=dict)
    """When each caller was served last: the number of a turn, which grows. Callers that are missing come first."""


def in_turn(
    queues: Iterable[Iterator[Candidate]], sharing: Sharing, free: int, has_room: Callable[[str], bool]
) -> list[Candidate]:
    """At most `free` operations: higher priorities first, then the caller who has waited longest for a turn.

    Each queue has the operations of one caller as they are due. `has_room` takes a place of a model, or says that the
    model is full.
    """
    running, served = Counter(sharing.running), dict(sharing.served)
    turns = itertools.count(max(served.values(), default=0) + 1)
    heads: list[tuple[int, int, int, str, Candidate, Iterator[Candidate]]] = []

    def line_up(queue: Iterator[Candidate]) -> None:
        if (first := next(queue, None)) is not None:
            place = (-first.priority, served.get(first.owner, 0), first.create_time, first.id)
            heapq.heappush(heads, (*place, first, queue))

    for queue in queues:
        line_up(queue)
    chosen: list[Candidate] = []
    while heads and len(chosen) < free:
        *_, first, queue = heapq.heappop(heads)
        left = free - len(chosen)
        if running[first.owner] * (1 - sharing.share) >= sharing.share * left:
            continue  # the slots become fewer from here on, so that this caller gets none of them
        if has_room(first.target):
            running[first.owner] += 1
            served[first.owner] = next(turns)
            chosen.append(first)
        line_up(queue)
    return chosen
