"""What headers or metadata say of a request: its priority, and the session that it belongs to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dragoman_service.contract import FieldViolation, Hints, invalid
from dragoman_service.transport.pressure import PRIORITY
from dragoman_service.validation import limits

SESSIONS = ("x-session-id", "x-session-affinity")
"""Headers for the id of a conversation, as other gateways have them. The first that is there counts."""


def read_hints(headers: Mapping[str, Any]) -> Hints | None:
    """The hints; None if there are none, as for most calls. Raises INVALID_FIELD for values that cannot be meant."""
    told, session = headers.get(PRIORITY), next((headers[name] for name in SESSIONS if headers.get(name)), "")
    if told is None and not session:
        return None
    return Hints(_priority(told) if told else 0, _session(session))


def _priority(told: object) -> int:
    text = told.strip() if isinstance(told, str) else ""
    priority = int(text) if re.fullmatch("-?[0-9]{1,3}", text) else limits.PRIORITY + 1
    if abs(priority) > limits.PRIORITY:
        allowed = f"should be a whole number from -{limits.PRIORITY} to {limits.PRIORITY}"
        raise invalid(FieldViolation(PRIORITY, allowed))
    return priority


def _session(told: object) -> str:
    session = told if isinstance(told, str) else ""
    text = session.encode(errors="surrogateescape").decode(errors="replace")
    if len(text) > limits.SESSION:
        raise invalid(FieldViolation(SESSIONS[0], f"should have at most {limits.SESSION} characters"))
    return text
