"""The limits that apply to a call: those of its key, of the key's team and of the service. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, NamedTuple

from dragoman_service.limits.store.interface import Limit, Period
from dragoman_service.settings.limits import Amounts, Budgets, LimitsSettings, ScopeLimits

Unit = Literal["requests", "tokens", "cost"]
UNITS: tuple[Unit, ...] = ("requests", "tokens", "cost")
REST = "*"
_RATES = {"minute": 60_000, "hour": 3_600_000}  # milliseconds
_PERIODS: tuple[Period, ...] = ("day", "month")


class Kind(NamedTuple):
    """What a limit counts: `Limit.kind`, as in `tokens/minute/small-*`. No pattern: all models together."""

    unit: str
    window: str
    pattern: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in self if part)


def kind_of(limit: Limit) -> Kind:
    """The parts of `limit.kind`."""
    return _parsed(limit.kind)


@lru_cache(maxsize=4096)
def _parsed(kind: str) -> Kind:
    return Kind(*kind.split("/", 2))


class Chain:
    """Finds limits. `teams` maps callers to their teams.

    A key or team that is not named in the settings has the limits of `*` for itself.
    """

    def __init__(self, settings: LimitsSettings, teams: Mapping[str, str]) -> None:
        self._settings, self._teams = settings, teams
        self.of = lru_cache(maxsize=4096)(self._of)
        """`of(caller, names)`: the limits for a call, where `names` are the names of its model; the key's first."""

    def team(self, caller: str) -> str:
        """The caller's team; empty if it has none."""
        return self._teams.get(caller, "")

    def all_of(self, caller: str) -> Sequence[Limit]:
        """The limits of a caller, whatever the model."""
        return tuple(limit for _, limit, _ in self._limits(caller))

    def warnings(self) -> Sequence[tuple[Limit, Sequence[float]]]:
        """The budgets of scopes with names that are watched, each with the parts of it that are worth a warning."""
        named = [("service", self._settings.service)]
        named += [(f"team/{name}", scope) for name, scope in self._settings.teams.items() if name != REST]
        named += [(f"key/{name}", scope) for name, scope in self._settings.keys.items() if name != REST]
        found = (one for name, scope in named if scope for one in _scope(name, scope, self._settings.timezone))
        return tuple((limit, parts) for _, limit, parts in found if limit.period)

    def _of(self, caller: str, names: tuple[str, ...]) -> tuple[Limit, ...]:
        return tuple(limit for pattern, limit, _ in self._limits(caller) if _matches(pattern, names))

    def _limits(self, caller: str) -> Iterator[tuple[str, Limit, Sequence[float]]]:
        settings, team = self._settings, self.team(caller)
        scopes = [(f"key/{caller}", settings.keys.get(caller, settings.keys.get(REST)))]
        if team:
            scopes.append((f"team/{team}", settings.teams.get(team, settings.teams.get(REST))))
        for name, scope in [*scopes, ("service", settings.service)]:
            if scope is not None:
                yield from _scope(name, scope, settings.timezone)


def _matches(pattern: str, names: Sequence[str]) -> bool:
    return not pattern or any(fnmatchcase(name, pattern) for name in names)


def _scope(name: str, scope: ScopeLimits, zone: str) -> Iterator[tuple[str, Limit, Sequence[float]]]:
    """The limits of a scope, each with the pattern of its models and the parts of it that are worth a warning."""
    for pattern, table in (("", scope), *scope.models.items()):
        for unit in UNITS:
            amounts: Amounts | Budgets | None = getattr(table, unit)
            if amounts is not None:
                for limit in _of_unit(name, unit, pattern, amounts, scope.enforce, zone):
                    yield pattern, limit, amounts.warn


def _of_unit(
    name: str, unit: Unit, pattern: str, amounts: Amounts | Budgets, enforced: bool, zone: str
) -> Iterator[Limit]:
    for window, every in _RATES.items():
        if (units := getattr(amounts, window, None)) is not None:
            burst = (getattr(amounts, "burst", None) if window == "minute" else None) or units
            kind = str(Kind(unit, window, pattern))
            yield Limit(name, kind, burst, refill=units, every=every, enforced=enforced)
    for period in _PERIODS:
        if (units := getattr(amounts, period)) is not None:
            yield Limit(name, str(Kind(unit, period, pattern)), units, period=period, zone=zone, enforced=enforced)
