"""Text that is shown as it arrives, and erased when a rerun retracts it."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest
from dragoman import v1
from dragoman_service.cli.terminal.live_text import LiveText, rows

RETRACTED = v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1, reason="The worker was lost."))
SCRIPT = """
from dragoman import v1
from dragoman_service.cli.terminal.live_text import LiveText

live = LiveText()
for text in {texts!r}:
    live.show(v1.CompletionEvent(delta=v1.Delta(text=text)))
live.show(v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1, reason="The worker was lost.")))
live.show(v1.CompletionEvent(delta=v1.Delta(text="anew")))
live.end()
"""


def on_a_terminal(*texts: str) -> tuple[str, str]:
    """The output to a terminal of 10 columns and 4 lines, and to stderr, when `texts` are retracted."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 4, 10, 0, 0))
    script = [sys.executable, "-c", SCRIPT.format(texts=texts)]
    process = subprocess.Popen(script, stdout=theirs, stderr=subprocess.PIPE, text=True)
    os.close(theirs)
    shown = b""
    while not shown.endswith(b"anew\r\n"):
        shown += os.read(ours, 4096)
    _, stderr = process.communicate(timeout=10)
    os.close(ours)
    return shown.decode(), stderr


def test_a_pipe_gets_the_new_text_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    live = LiveText()
    for event in (
        v1.CompletionEvent(delta=v1.Delta(text="one two")),
        RETRACTED,
        v1.CompletionEvent(delta=v1.Delta(text="anew")),
    ):
        live.show(event)
    live.end()

    out, err = capsys.readouterr()
    assert out == "one two\nanew\n"
    assert err == "the answer starts over: The worker was lost.\n"


def test_nothing_is_erased_if_nothing_was_shown(capsys: pytest.CaptureFixture[str]) -> None:
    LiveText().show(RETRACTED)

    assert capsys.readouterr() == ("", "")


def test_retracted_text_is_erased_from_the_terminal() -> None:
    shown, stderr = on_a_terminal("one two ", "three\nfour")

    assert shown == "one two three\r\nfour\r\x1b[2A\x1b[Janew\r\n"
    assert stderr == ""


def test_text_that_has_scrolled_off_the_screen_is_not_erased() -> None:
    shown, stderr = on_a_terminal("1\n2\n3\n4\n5")

    assert shown.endswith("5\r\nanew\r\n")
    assert "starts over" in stderr


@pytest.mark.parametrize(
    ("text", "count"), [("", 1), ("a" * 10, 1), ("a" * 11, 2), ("a\n", 2), ("\n\n", 3), ("表" * 6, 2)]
)
def test_lines_are_counted_as_a_terminal_folds_them(text: str, count: int) -> None:
    assert rows(text, 10) == count
