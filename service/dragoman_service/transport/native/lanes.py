"""The calls that wait to be served: one method, however much it is called, holds up no other for long."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import grpc

from dragoman_service.transport.native.call import Call, Serve
from dragoman_service.transport.native.context import HEADERS, Status
from dragoman_service.transport.native.metadata import Field, encoded, status_fields

TURN = 16
"""Calls of a method that begin in one turn of the loop. A turn is short then, whatever comes."""
MOST = 4096  # lanes that are kept while they are empty; a handler may take any path
KEPT = 0.05  # seconds that a refusal is used again
FULL: Status = (grpc.StatusCode.UNAVAILABLE, "Too many calls are waiting.", ())
UNKNOWN = "Method not found!"


class _Lane:
    """The calls of one method."""

    __slots__ = ("begun", "made", "path", "refusal", "waiting")

    def __init__(self, path: bytes) -> None:
        self.path = path
        self.begun = 0  # in this turn
        self.waiting: deque[Call] = deque()
        self.refusal: list[Field] = []
        self.made = -KEPT  # when the refusal was


class Crowded(NamedTuple):
    """What becomes of calls for which too many wait."""

    status: Callable[[str], Status] = lambda path: FULL
    """By path. It is asked now and then, and what it says stands for many calls."""
    told: Callable[[], object] = lambda: None
    """Called for each."""


class Lanes:
    """Begins calls, a few of each method in a turn of the loop, in the order in which they came. Those beyond
    `max_waiting` of a method are not served."""

    def __init__(self, serve: Serve, max_waiting: int, crowded: Crowded) -> None:
        self._serve, self._max_waiting, self._crowded = serve, max_waiting, crowded
        self._lanes: dict[bytes, _Lane] = {}
        self._used: list[_Lane] = []  # in this turn
        self._turning = False

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return sum(len(lane.waiting) for lane in self._used)

    def refusal(self, path: bytes, now: float) -> list[Field] | None:
        """The response to a call for which there is no room. Under overload most calls get it, so that it is made
        seldom, and before anything else of the call is."""
        lane = self._lanes.get(path)
        if lane is None or len(lane.waiting) < self._max_waiting:
            return None
        self._crowded.told()
        if now - lane.made > KEPT:
            code, message, trailing = self._crowded.status(path.decode("latin-1"))
            lane.refusal = [*HEADERS, *status_fields(code.value[0], message), *encoded(trailing)]
            lane.made = now
        return lane.refusal

    def add(self, call: Call, path: bytes, loop: asyncio.AbstractEventLoop) -> None:
        """Begins a call, now or when it is its turn. Calls of unknown methods share a lane."""
        if call.handler is None:
            path = b""
        lane = self._lanes.get(path)
        if lane is None:
            lane = self._lanes[path] = _Lane(path)
        if not lane.begun and not lane.waiting:
            self._used.append(lane)
            if not self._turning:
                self._turning = True
                loop.call_soon(self._turn, loop)
        if lane.begun < TURN and not lane.waiting:
            lane.begun += 1
            call.start(self._serve)
        elif path or len(lane.waiting) < self._max_waiting:
            lane.waiting.append(call)
        else:
            call.finish(grpc.StatusCode.UNIMPLEMENTED, UNKNOWN)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        used, self._used = self._used, []
        for lane in used:
            lane.begun = 0
            waiting = lane.waiting
            while waiting and lane.begun < TURN:
                call = waiting.popleft()
                if call.still_wanted():
                    lane.begun += 1
                    call.start(self._serve)
            if lane.begun:
                self._used.append(lane)
            elif len(self._lanes) > MOST:
                del self._lanes[lane.path]
        self._turning = bool(self._used)
        if self._turning:
            loop.call_soon(self._turn, loop)
