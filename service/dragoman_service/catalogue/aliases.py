"""Names that the settings give to models: exact ones, and patterns in which `*` matches any characters."""

from __future__ import annotations

import fnmatch
import functools
import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_NAME = 256  # characters of a name that a pattern can match


@dataclass(frozen=True, slots=True)
class Alias:
    """A name or pattern as it is written in the settings, and its targets: `provider/model`, in order of preference."""

    name: str
    targets: Sequence[str]

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name


class Aliases:
    """All names in the settings. `table` maps a name or pattern to its targets, in the order of the settings."""

    def __init__(self, table: Mapping[str, Sequence[str]] | None = None) -> None:
        aliases = [Alias(name, tuple(targets)) for name, targets in (table or {}).items()]
        self.exact: Mapping[str, Alias] = {alias.name: alias for alias in aliases if not alias.is_pattern}
        """The names that are not patterns, with their targets."""
        patterns = sorted((alias for alias in aliases if alias.is_pattern), key=_specificity, reverse=True)
        self._patterns = [(_compiled(alias.name), alias) for alias in patterns]

    def __iter__(self) -> Iterator[Alias]:
        yield from self.exact.values()
        yield from (alias for _, alias in self._patterns)

    def matching(self, name: str) -> Alias | None:
        """The most specific pattern that matches `name`: the one with the longest text before its first `*`, then the
        longest one, then the first in the settings.
        """
        if len(name) > MAX_NAME:
            return None
        return next((alias for pattern, alias in self._patterns if pattern.fullmatch(name)), None)


def covers(pattern: str, alias: Alias) -> bool:
    """Whether `pattern` matches every name that the alias matches."""
    return matches(pattern, alias.name.replace("*", _ANYTHING))


def matches(pattern: str, name: str) -> bool:
    """Whether `pattern` matches the name. Only `*` is special."""
    return _compiled(pattern).fullmatch(name) is not None


_ANYTHING = "\0" * MAX_NAME  # replaces a *: only a * matches it


def _specificity(alias: Alias) -> tuple[int, int]:
    return alias.name.index("*"), len(alias.name)


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Only `*` is special. The expression that fnmatch makes matches in linear time, however many there are."""
    return re.compile(fnmatch.translate("*".join(map(glob.escape, pattern.split("*")))))
