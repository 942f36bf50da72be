"""Tells failures that gRPC itself made, such as a refused connection, from those that an upstream sent.

The library has no other sign of it than the text: neither has metadata, and both have the same codes.
"""

from __future__ import annotations

import re

_KINDS = (  # patterns of the library's texts, the first that fits
    (r"name resolution|errors resolving|DNS resolution|Domain name not found", "dns"),
    (r"CERTIFICATE_VERIFY_FAILED|[Hh]ostname [Vv]erification|Peer name .* is not in peer certificate", "certificate"),
    (r"Tls handshake failed|SSL_ERROR|Ssl handshake|TSI_", "tls"),
    (r"Connection refused", "refused"),
    (r"unreachable|No route to host", "unreachable"),
    (r"Failed parsing HTTP/2|http1\.x server|Expected SETTINGS|Received http2 header with status", "not_http"),
    (r"Deadline Exceeded|[Tt]imed? ?out|Timeout|[Kk]eepalive|ping_timeout", "timeout"),
    (r"Socket closed|Connection reset|Broken pipe|End of TCP stream|Stream removed|RST_STREAM|GOAWAY", "broken"),
)
_FOUND = tuple((re.compile(pattern), reason) for pattern, reason in _KINDS)
_OURS = re.compile(
    r"(?:failed to connect to all addresses|errors resolving|DNS resolution failed|name resolution|Deadline Exceeded$"
    r"|Socket closed$|Stream removed|Received RST_STREAM|Received http2 header|GOAWAY received|Cancelling all calls"
    r"|keepalive watchdog|ping timeout|Connection reset by peer|recvmsg:|sendmsg:|Exception (?:serializing|iterating)"
    r"|Internal error from Core|CallArguments|Channel closed|RPC |.*\bipv[46]:)"
)


def local_failure(details: str) -> str:
    """One word for the kind of failure if gRPC itself made it, as the log has it; "" if it is the upstream's."""
    if not _OURS.match(details):
        return ""
    return next((reason for pattern, reason in _FOUND if pattern.search(details)), "broken")
