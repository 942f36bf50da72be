"""The limits and time-outs of a server."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes are in bytes, times in seconds; `math.inf` means never."""

    max_message: int = 4 * 1024**2
    """Of a request message, also after decompression; larger ones end their call in RESOURCE_EXHAUSTED."""
    max_metadata: int = 64 * 1024
    """Of the header fields of a request, as HTTP/2 counts them: name, value and 32 for each."""
    max_streams: int = 1000
    """Calls on a connection at a time. Callers hold further ones back until others have ended."""
    max_waiting: int = 1000
    """Calls of a method that wait to be begun; further ones end in UNAVAILABLE at once."""
    max_connections: int = 65_536
    """Further ones are closed at once."""
    share_port: bool = False
    """Several processes may listen on the port (SO_REUSEPORT)."""
    stream_window: int = 256 * 1024
    """What a caller may send on a call before the handler has read it."""
    connection_window: int = 4 * 1024**2
    """The same for all calls of a connection."""
    high_water: int = 64 * 1024
    """`write` waits while more of its call waits to be sent, until it is `low_water` or less."""
    low_water: int = 16 * 1024
    handshake_timeout: float = 10.0
    """For TLS, and again for the first bytes of HTTP/2."""
    keepalive_time: float = 30.0
    """Silence of a peer after which it is sent a ping, with and without calls."""
    keepalive_timeout: float = 10.0
    """Silence after the ping, after which the connection is closed."""
    max_idle: float = 300.0
    """Time without a call after which a connection is told to go away."""
    max_age: float = math.inf
    """Age at which a connection is told to go away, more or less by a tenth, so that not all go together."""
    age_grace: float = math.inf
    """How long the calls of a connection that was too old may go on."""
