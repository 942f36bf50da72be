"""When a connection ends that neither peer closes: silence, idleness, age, a drain. One timer watches all of them."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any, Protocol

import dragoman_http2 as http2

from dragoman_service.transport.native.options import Options

NOTICE = 5.0  # seconds until a drain goes on although its ping was not answered
_NOTICED, _PROBE = b"goingoff", b"areyouok"  # data of pings


class Watched(Protocol):
    """What a lifetime uses of its connection."""

    loop: asyncio.AbstractEventLoop
    session: http2.Session
    calls: Any

    def wake(self) -> None: ...
    def push(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Lifetime:
    """The lifetime of one connection, from its first byte. Times are those of the loop."""

    __slots__ = (
        "_aged",
        "_began",
        "_connection",
        "_ends",
        "_gone",
        "_idle_since",
        "_noticed",
        "_options",
        "_pinged",
        "_timer",
        "heard",
    )

    def __init__(self, connection: Watched, options: Options) -> None:
        now = connection.loop.time()
        self._connection, self._options = connection, options
        self._began = self._idle_since = now
        self._aged = now + options.max_age * random.uniform(0.9, 1.1)  # noqa: S311 - it spreads load
        self._ends = math.inf  # when calls under way are cut off
        self._pinged: float | None = None
        self._noticed: float | None = None
        self._gone = False
        self.heard = 0.0
        """When the peer has sent something last; 0: never."""
        self._timer: asyncio.TimerHandle | None = None
        self._set_timer(now)

    def idle(self) -> None:
        """The last call has ended."""
        self._idle_since = self._connection.loop.time()
        if self._gone:
            self._connection.wake()

    def pong(self, data: bytes) -> None:
        """The peer has answered a ping."""
        if data == _NOTICED and self._noticed is not None and not self._gone:
            self._go()

    def drain(self, grace: float = math.inf) -> None:
        """Takes no further calls: the peer is told first, and calls that it sends until it knows are served. Those
        under way have `grace` seconds."""
        now = self._connection.loop.time()
        self._ends = min(self._ends, now + grace)
        if self._noticed is None:
            self._noticed = now
            self._connection.session.notice()
            self._connection.push()  # a ping would overtake it
            self._connection.session.ping(_NOTICED)
            self._connection.wake()
        self._set_timer(now)

    def stop(self) -> None:
        """The connection is closed."""
        if self._timer is not None:
            self._timer.cancel()

    def _go(self) -> None:
        self._gone = True
        self._connection.session.goaway()
        self._connection.wake()

    def _check(self) -> None:
        now, options, connection = self._connection.loop.time(), self._options, self._connection
        if not self.heard and now >= self._began + options.handshake_timeout:
            connection.abort()
            return
        if now >= self._ends:
            connection.close()
            return
        if self._pinged is not None:
            if self.heard > self._pinged:
                self._pinged = None
            elif now >= self._pinged + options.keepalive_timeout:
                connection.abort()
                return
        if self.heard and self._pinged is None and now >= self.heard + options.keepalive_time:
            self._pinged = now
            connection.session.ping(_PROBE)
            connection.wake()
        if self._noticed is None:
            if now >= self._aged:
                self.drain(options.age_grace)
            elif not connection.calls and now >= self._idle_since + options.max_idle:
                self.drain()
        elif not self._gone and now >= self._noticed + NOTICE:
            self._go()
        self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        """Sets the timer to the next time at which something may be due."""
        options = self._options
        due = [self._ends]
        if not self.heard:
            due.append(self._began + options.handshake_timeout)
        if self._pinged is not None:
            due.append(self._pinged + options.keepalive_timeout)
        else:
            due.append((self.heard or now) + options.keepalive_time)
        if self._noticed is None:
            due.append(self._aged)
            due.append((now if self._connection.calls else self._idle_since) + options.max_idle)
        elif not self._gone:
            due.append(self._noticed + NOTICE)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._connection.loop.call_at(max(min(due), now + 0.001), self._check)
