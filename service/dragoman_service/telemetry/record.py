"""What becomes known of a call while it is served: one line in the log at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class CallRecord:
    """Facts about one RPC. Filled in by whoever learns them; times are of `time.perf_counter`, in seconds."""

    service: str
    method: str
    kind: str
    """`unary`, `server_stream`, `client_stream` or `bidi_stream`."""
    call_id: str
    caller: str = ""
    peer: str = ""
    user_agent: str = ""
    deadline: float | None = None
    """Seconds that the caller allowed; None: did not say."""
    hops: int = 0
    """Services such as this one that the request came through."""
    started: float = field(default_factory=time.perf_counter)
    first_token: float | None = None
    """Seconds from the start of the call."""
    upstream: float = 0.0
    """Seconds spent waiting for the provider."""
    stalled: float = 0.0
    """Seconds spent waiting for the caller to read."""
    received: int = 0
    """Messages received from the caller."""
    sent: int = 0
    """Messages sent to the caller."""
    reason: str = ""
    model_requested: str = ""
    model_served: str = ""
    provider: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    finish_reason: str = ""
    operation: str = ""
    """Name of the operation that answers."""
    cancelled_by: str = ""
    underway: Callable[[], None] | None = None
    """Fills in how far the completion has come, as long as one is under way."""
