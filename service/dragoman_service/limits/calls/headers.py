"""What answers tell of limits: headers over HTTP, trailing metadata over gRPC."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dragoman_service.limits.chain import kind_of
from dragoman_service.limits.pots import Left
from dragoman_service.limits.store.interface import Limit

_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}


def as_vendors_do(known: Sequence[Left]) -> Iterator[tuple[str, str]]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, of the limit of each unit that has the least left."""
    for unit in ("requests", "tokens"):
        mine = [one for one in known if kind_of(one.limit).unit == unit]
        if mine:
            tightest = min(mine, key=lambda one: one.units)
            yield f"x-ratelimit-limit-{unit}", str(tightest.limit.refill or tightest.limit.cap)
            yield f"x-ratelimit-remaining-{unit}", str(tightest.units)
            yield f"x-ratelimit-reset-{unit}", _duration(tightest.reset)


def as_drafted(known: Sequence[Left]) -> Iterator[tuple[str, str]]:
    """`RateLimit-Policy` and `RateLimit`, as in draft-ietf-httpapi-ratelimit-headers-11. Without limits of cost."""
    told = [(_name(one.limit), one) for one in known if kind_of(one.limit).unit != "cost"]
    if told:
        yield "ratelimit-policy", ", ".join(f'"{name}";q={_quota(one.limit)}{_window(one.limit)}' for name, one in told)
        yield "ratelimit", ", ".join(f'"{name}";r={one.units};t={math.ceil(one.reset)}' for name, one in told)


def _name(limit: Limit) -> str:
    """As in `key-requests-minute`. Patterns of models may have characters that a string in a header must not."""
    kind = kind_of(limit)
    plain = "".join(character if character.isalnum() and character.isascii() else "-" for character in kind.pattern)
    return "-".join(part for part in (limit.scope.partition("/")[0], kind.unit, kind.window, plain) if part)


def _quota(limit: Limit) -> int:
    return limit.refill or limit.cap


def _window(limit: Limit) -> str:
    seconds = _SECONDS.get(kind_of(limit).window)
    return f";w={seconds}" if seconds else ""


def _duration(seconds: float) -> str:
    """As in `6m0s`, `1s` and `120ms`."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    whole = math.ceil(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest}s"
