"""Writes an answer to stdout as it arrives, and erases text that a rerun retracts, where that is possible."""

from __future__ import annotations

import os
import sys

from dragoman import v1

from dragoman_service.cli.terminal.output import note, printable, write, write_json
from dragoman_service.cli.terminal.wording import call_text, own_line

_TAB = 8  # columns


class LiveText:
    """Writes the text of events. Call `end` before anything else is written, so that it starts on a line of its own."""

    def __init__(self) -> None:
        self._shown = ""
        self._in_call = False

    def show(self, event: v1.CompletionEvent) -> None:
        """Writes the text or tool call of an event, if it has any."""
        if piece := self._piece(event.delta):
            write(piece)
            self._shown += piece
        elif event.HasField("retracted") and self._shown:
            self._take_back(event.retracted.reason)

    def end(self) -> None:
        """Ends the last line."""
        if self._shown and not self._shown.endswith("\n"):
            write("\n")

    def _piece(self, delta: v1.Delta) -> str:
        """The text to write for a delta. Each tool call gets a line of its own."""
        call, was_in_call = delta.tool_call, self._in_call
        if delta.HasField("tool_call"):
            self._in_call = True
            begin = f"{own_line(self._shown)}{call_text(call.name)}" if call.name else ""
            return begin + call.arguments_json
        text = delta.text or delta.refusal
        self._in_call = was_in_call and not text
        return f"{own_line(self._shown)}{text}" if was_in_call and text else text

    def _take_back(self, reason: str) -> None:
        if not (sys.stdout.isatty() and erased(self._shown)):
            self.end()
            note(f"the answer starts over: {reason}")
        self._shown, self._in_call = "", False


class LiveEvents:
    """Writes each event as one line of JSON."""

    def show(self, event: v1.CompletionEvent) -> None:
        """Writes the event."""
        write_json(event, indent=None)

    def end(self) -> None:
        """Does nothing: every line is complete."""


def erased(text: str) -> bool:
    """Erases the text that was written last to the terminal. False if its beginning has scrolled off the screen."""
    width, height = os.get_terminal_size(sys.stdout.fileno())
    above = rows(printable(text), width) - 1
    if above >= height:
        return False
    sys.stdout.write("\r" + (f"\x1b[{above}A" if above else "") + "\x1b[J")
    sys.stdout.flush()
    return True


def rows(text: str, width: int) -> int:
    """How many lines `text` takes up on a terminal of `width` columns if it starts in the first column."""
    from rich.cells import cell_len

    return sum(max(1, -(-cell_len(line.expandtabs(_TAB)) // (width or 80))) for line in text.split("\n"))
