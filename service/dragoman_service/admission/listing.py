"""All gates of a process: what operators see of them, and how they close."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from dragoman import v1

from dragoman_service.admission.gate import Gate
from dragoman_service.admission.pools import Group, Pool
from dragoman_service.admission.queue import Band


class Gates:
    """The gates of a process; none if the settings set no limit."""

    def __init__(self, gates: Sequence[Gate] = ()) -> None:
        self._gates = gates

    def queues(self) -> list[v1.Queue]:
        """All pools with a limit, ordered by name."""
        now = asyncio.get_running_loop().time()
        found = (queue for gate in self._gates for queue in _of_group(gate.group, now))
        return sorted(found, key=lambda queue: queue.name)

    def stop(self) -> None:
        """Refuses all that waits with SHUTTING_DOWN, and what would have to wait."""
        for gate in self._gates:
            gate.stop()


def _of_group(group: Group, now: float) -> Iterator[v1.Queue]:
    if group.shared is not None and group.name not in group.pools:
        yield v1.Queue(name=group.name, limit=group.shared.limit, in_flight=group.shared.used)
    for pool in group.pools.values():
        yield _of_pool(group, pool, now)


def _of_pool(group: Group, pool: Pool, now: float) -> v1.Queue:
    slots = pool.slots or group.shared
    queue = v1.Queue(name=pool.name, limit=slots.limit if slots else 0, in_flight=slots.used if slots else 0)
    for band in sorted(Band, reverse=True):
        length, tokens, since = pool.queue.waiting(band)
        one = queue.bands.add(band=band.label, length=length, tokens=tokens)
        if since is not None:
            one.oldest.FromMilliseconds(round(max(0.0, now - since) * 1000))
    return queue
