"""When an upstream wants to be asked again, in all the forms that they say it in."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from datetime import UTC

LONGEST = 86_400.0  # seconds; what is longer is cut to this
_NUMBER = re.compile(r"\s*([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*")
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|[dhms])"
_DURATION = re.compile(rf"(?:{_PART})+")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_LIMITS = ("requests", "tokens")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from 0 to a day; None where nothing sensible is said. `headers` by names in lower case."""
    milliseconds = _NUMBER.fullmatch(headers.get("retry-after-ms", ""))
    if milliseconds:
        return min(float(milliseconds[1]) / 1000, LONGEST)
    waits = [_retry_after(headers.get("retry-after", "")), _reset(headers)]
    wait = next((wait for wait in waits if wait is not None), None)
    return None if wait is None else min(max(wait, 0.0), LONGEST)


def _retry_after(value: str) -> float | None:
    number = _NUMBER.fullmatch(value)
    return float(number[1]) if number else _until(value)


def _until(value: str) -> float | None:
    try:
        moment = email.utils.parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _reset(headers: Mapping[str, str]) -> float | None:
    """Until a limit that is used up is renewed; where none says that it is, the one that is renewed first."""
    waits = {limit: _duration(headers.get(f"x-ratelimit-reset-{limit}", "")) for limit in _LIMITS}
    known = {limit: wait for limit, wait in waits.items() if wait is not None}
    used_up = [wait for limit, wait in known.items() if headers.get(f"x-ratelimit-remaining-{limit}") == "0"]
    return max(used_up) if used_up else min(known.values(), default=None)


def _duration(value: str) -> float | None:
    """Durations such as `2m59.56s` and `120ms`; a plain number is seconds."""
    number = _NUMBER.fullmatch(value)
    if number:
        return float(number[1])
    if not _DURATION.fullmatch(value.strip()):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, value))
