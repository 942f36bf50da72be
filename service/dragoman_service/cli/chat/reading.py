"""Reads questions: with line editing from a terminal, or line by line from a file or pipe."""

from __future__ import annotations

import sys
from contextlib import suppress

FENCE = '"""'
_FIRST, _FURTHER = "> ", ". "


class Unreadable(Exception):  # noqa: N818 - what was typed is at fault, and the conversation goes on
    """A line that is not text."""


class Reader:
    """Reads from stdin. A backslash at the end of a line continues it; lines between two `\"\"\"` are one question."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        if self.is_terminal:
            with suppress(ImportError):  # without it lines cannot be edited
                import readline  # noqa: F401 - `input` uses it from now on

    def read(self) -> str | None:
        """The next question or command, without its last newline. None at the end. Raises Unreadable."""
        line = self._line(_FIRST)
        if line is None:
            return None
        if line.strip().startswith(FENCE):
            return self._fenced(line.strip().removeprefix(FENCE))
        while line.endswith("\\"):
            more = self._line(_FURTHER)
            line = line[:-1] + ("" if more is None else f"\n{more}")
        return line

    def _fenced(self, begin: str) -> str:
        """The lines up to the closing fence, or to the end of the input."""
        lines: list[str] = []
        more: str | None = begin
        while more is not None and not more.rstrip().endswith(FENCE):
            lines.append(more)
            more = self._line(_FURTHER)
        if more is not None:
            lines.append(more.rstrip().removesuffix(FENCE))
        return "\n".join(lines).strip("\n")

    def _line(self, prompt: str) -> str | None:
        try:
            return self._typed(prompt) if self.is_terminal else _piped()
        except UnicodeError:
            raise Unreadable from None

    def _typed(self, prompt: str) -> str | None:
        if not sys.stdout.isatty():  # `input` would write it among the answers
            sys.stderr.write(prompt)
            sys.stderr.flush()
            prompt = ""
        try:
            line = input(prompt)
        except EOFError:
            return None
        line.encode()  # a byte that is not UTF-8 was read as half a surrogate pair
        return line


def _piped() -> str | None:
    line = sys.stdin.buffer.readline()
    return line.decode().rstrip("\r\n") if line else None
