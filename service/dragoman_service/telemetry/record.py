"""The log record of a call: filled in while the call is served, written as one line at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dragoman_service.contract import Trace


@dataclass(slots=True)
class CallRecord:
    """Facts about one call. The guard, the delivery and the metering filter fill it in.

    Times are in seconds, by `time.perf_counter`. Empty strings and zeros are left out of the log line.
    """

    service: str
    method: str
    kind: str
    """`unary`, `server_stream`, `client_stream` or `bidi_stream`."""
    call_id: str
    caller: str = ""
    peer: str = ""
    user_agent: str = ""
    deadline: float | None = None
    """Seconds that the caller allowed when the call began; None: no deadline."""
    hops: int = 0
    """Number of Dragoman services that the request has passed through."""
    routine: bool = False
    """A probe: its line is written at level debug, because probes come every few seconds."""
    started: float = field(default_factory=time.perf_counter)
    first_token: float | None = None
    """Seconds from the start of the call to the first piece of the answer; None: there was none."""
    upstream: float = 0.0
    """Seconds spent waiting for the provider."""
    stalled: float = 0.0
    """Seconds spent waiting for the caller to read."""
    received: int = 0
    """Messages received from the caller, over gRPC."""
    sent: int = 0
    """Messages sent to the caller, over gRPC."""
    reason: str = ""
    model_requested: str = ""
    model_served: str = ""
    provider: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    finish_reason: str = ""
    left_out: str = ""
    """Names of what was left out of the request, separated by commas."""
    attempts: list[tuple[str, str, str, float]] = field(default_factory=list)
    """Provider, kind, reason of the failure, and milliseconds of each attempt, from the first one that failed on."""
    skipped: list[str] = field(default_factory=list)
    """Targets that were left out, each with the reason."""
    session: str = ""
    """Hash of the session that the request belongs to."""
    operation: str = ""
    """Name of the operation that answers."""
    cancelled_by: str = ""
    queued: float = 0.0
    """Seconds that it waited for a slot."""
    band: str = ""
    """Its priority band, if it waited or was refused."""
    shed: str = ""
    """Why it was not admitted."""
    reserved: int = 0
    """Tokens that were reserved for it."""
    cost_nano_usd: int = 0
    """Billionths of a US dollar that its attempts cost, as far as prices are known."""
    estimated: bool = False
    """The provider told no usage for one of its attempts."""
    limit: str = ""
    """The limit that refused it, or would have if it were enforced."""
    trace: Trace | None = None
    """Its span. None: there are no traces."""
    underway: Callable[[], None] | None = None
    """Fills in the progress of the completion that is under way; None: no completion is."""
