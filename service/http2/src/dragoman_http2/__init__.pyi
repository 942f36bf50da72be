"""A server-side HTTP/2 session without I/O, on nghttp2.

A `Session` is one connection. What the peer sent goes into `receive`, which gives events; what `take` gives goes to the
peer. Between the two, the caller answers. Events are tuples: the kind, the stream, and what the kind says.

| kind | members after the stream | meaning |
|---|---|---|
| `REQUEST` | headers, ended | A request with its headers, pseudo-headers included |
| `DATA` | data, ended | A piece of its body, empty if only the end came |
| `TRAILERS` | headers | The request has ended, with trailers |
| `RESET` | code | The stream is over, because the peer or an error ended it |
| `WRITABLE` | 0 | What waits of the response was above `high_water`, and is now at or below `low_water` |
| `CLOSED` | 0 | The stream is over in good order: all of the response has been taken |
| `PONG` | data | The answer to `ping`; the stream is 0 |
| `GOAWAY` | code | The peer opens no more streams; the stream is the last of ours that it handled |

`ended` says whether the request is complete. A stream that `reset` ended gives no more events.
"""

from collections.abc import Sequence
from typing import Final, Literal, final

from typing_extensions import Buffer

REQUEST: Final = 0
DATA: Final = 1
TRAILERS: Final = 2
RESET: Final = 3
WRITABLE: Final = 4
CLOSED: Final = 5
PONG: Final = 6
GOAWAY: Final = 7

NGHTTP2_VERSION: Final[str]
"""The nghttp2 that is loaded, for example `1.52.0`."""

Header = tuple[bytes, bytes]
Event = (
    tuple[Literal[0], int, list[Header], bool]
    | tuple[Literal[1], int, bytes, bool]
    | tuple[Literal[2], int, list[Header]]
    | tuple[Literal[3, 4, 5, 7], int, int]
    | tuple[Literal[6], int, bytes]
)

class SessionError(Exception):
    """The connection must be closed, because the peer broke the protocol or a limit.

    `take` still gives the GOAWAY to send first.
    """

    code: int
    """HTTP/2's number of the error."""
    reason: str

@final
class Session:
    """The server's side of a connection.

    Every call works on what is in memory and returns at once. A stream that is over takes calls without an error and
    without effect, because a peer may end it at any time. A session belongs to one thread at a time.
    """

    def __new__(
        cls,
        *,
        max_streams: int = 1000,
        max_header_list: int = 65536,
        stream_window: int = 65535,
        connection_window: int = 1048576,
        high_water: int = 65536,
        low_water: int = 16384,
        max_resets: int = 1000,
        max_pings: int = 100,
        max_settings: int = 32,
        max_empty: int = 10000,
    ) -> Session:
        """A new connection; `take` gives the server's SETTINGS.

        `max_streams` are those that the peer may have open at once. `max_header_list` is in bytes, counted as HTTP/2
        counts them (name, value and 32 for each); a request with more is reset with ENHANCE_YOUR_CALM, and what is
        over the limit is never stored. `stream_window` and `connection_window` are the bytes of requests that may wait
        for `consume`. `high_water` and `low_water` are bytes of one response.

        The rest are floods, each a burst and as many a second: `max_resets` of streams that the peer reset or made
        the server reset, less those that ended in good order; not below `max_streams`, or a peer that cancels all it
        has open is cut off; `max_pings` since the last response frame;
        `max_settings`; `max_empty` of frames that carry nothing, such as DATA without data, CONTINUATION, PRIORITY,
        WINDOW_UPDATE, less two for each response frame. Raises ValueError if a value cannot be.
        """

    def receive(self, data: Buffer, /) -> list[Event]:
        """What these bytes of the peer mean, and what sending has caused since. Raises SessionError."""

    def take(self, limit: int = 65536, /) -> bytes:
        """Bytes to write to the peer now, empty if there are none; at most `limit` and one frame."""

    def events(self) -> list[Event]:
        """The events that sending has caused since the last `receive` or `events`: WRITABLE, CLOSED, RESET."""

    def respond(self, stream: int, headers: Sequence[Header], /) -> None:
        """Starts a response. Raises RuntimeError the second time, ValueError for what HTTP/2 does not allow."""

    def send(self, stream: int, data: Buffer, /) -> int:
        """Adds to the body of a response and returns the bytes of it that wait. A bytes object is kept, not copied."""

    def end(self, stream: int, trailers: Sequence[Header] = (), /) -> None:
        """Ends a response after what waits. If the request is not complete, the rest of it is refused with NO_ERROR."""

    def answer(self, stream: int, headers: Sequence[Header], data: Buffer, trailers: Sequence[Header], /) -> None:
        """`respond`, `send` and `end` in one call."""

    def fail(self, stream: int, headers: Sequence[Header], /) -> None:
        """A response of headers alone, as gRPC sends errors."""

    def reset(self, stream: int, code: int, /) -> None:
        """Ends a stream in both directions."""

    def consume(self, stream: int, size: int, /) -> None:
        """Bytes of a request that the caller has dealt with, so that the peer may send as many more."""

    def ping(self, data: bytes, /) -> None:
        """Sends a PING of 8 bytes; its answer is a PONG."""

    def notice(self) -> None:
        """Tells the peer to open no more streams, but takes those that are on their way: the first step of a drain."""

    def goaway(self, code: int = 0, /) -> None:
        """Takes no more streams: the second step of a drain. The session is finished when those it has are over."""

    def tick(self, seconds: float, /) -> None:
        """Time that has passed, for the limits of floods."""

    @property
    def streams(self) -> int:
        """Streams that are open."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will be read or written, so that the connection can be closed."""
