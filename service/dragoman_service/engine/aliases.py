"""Names that the settings give to models: exact ones, and patterns in which `*` stands for any characters."""

from __future__ import annotations

import fnmatch
import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

MAX_NAME = 256  # characters of a name that a pattern takes


@dataclass(frozen=True, slots=True)
class Alias:
    """A name or pattern as it is written in the settings, and what it stands for: `provider/model`, the best first."""

    name: str
    targets: Sequence[str]

    @property
    def is_pattern(self) -> bool:
        return "*" in self.name


class Aliases:
    """All of them; `table` has the targets by name or pattern, in the order of the settings."""

    def __init__(self, table: Mapping[str, Sequence[str]] | None = None) -> None:
        aliases = [Alias(name, tuple(targets)) for name, targets in (table or {}).items()]
        self.exact: Mapping[str, Alias] = {alias.name: alias for alias in aliases if not alias.is_pattern}
        """Those that are no patterns, by name."""
        patterns = sorted((alias for alias in aliases if alias.is_pattern), key=_specificity, reverse=True)
        self._patterns = [(_compiled(alias.name), alias) for alias in patterns]

    def __iter__(self) -> Iterator[Alias]:
        yield from self.exact.values()
        yield from (alias for _, alias in self._patterns)

    def matching(self, name: str) -> Alias | None:
        """The most specific pattern that takes `name`: the one with the longest text before its first `*`, then the
        longest one, then the first in the settings.
        """
        if len(name) > MAX_NAME:
            return None
        return next((alias for pattern, alias in self._patterns if pattern.fullmatch(name)), None)


def covers(pattern: str, alias: Alias) -> bool:
    """Whether `pattern` takes every name that the alias takes."""
    return fnmatch.fnmatchcase(alias.name.replace("*", _ANYTHING), pattern)


_ANYTHING = "\0" * MAX_NAME  # in place of a *: only a * takes that


def _specificity(alias: Alias) -> tuple[int, int]:
    return alias.name.index("*"), len(alias.name)


def _compiled(pattern: str) -> re.Pattern[str]:
    """Only `*` is special. What fnmatch makes of it needs no more than linear time, however many there are."""
    return re.compile(fnmatch.translate("*".join(map(glob.escape, pattern.split("*")))))
