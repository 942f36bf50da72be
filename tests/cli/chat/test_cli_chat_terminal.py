"""`dragoman chat` on a terminal, with a person's keys."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dragoman_command import TIMEOUT, Service, environment

INTERRUPT, END = "\x03", "\x04"
CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
SLOW = 'echo: {"delay": "60s"}'

# A session whose terminal is stdin: only then do keys become signals.
LEAD = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGINT, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, "-m", "dragoman_service", *sys.argv[1:]])
"""


class Terminal:
    """A terminal on which a command runs."""

    def __init__(self, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.raw, self._read = "", 0
        self.process = subprocess.Popen(
            [sys.executable, "-c", LEAD, *arguments],
            env=environment(TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def interrupt(self) -> None:
        """Presses Ctrl-C, again after a second without an effect: Python loses a signal while a key is handled."""
        self.type(INTERRUPT)
        while not select.select([self._ours], [], [], 1)[0]:
            self.type(INTERRUPT)

    def until(self, text: str) -> str:
        """What is shown since the last call up to `text`, without control codes."""
        while (found := self._plain().find(text, self._read)) < 0:
            ready, _, _ = select.select([self._ours], [], [], TIMEOUT)
            assert ready, f"{text!r} is not in {self._plain()[self._read :]!r}"
            self.raw += os.read(self._ours, 4096).decode()
        begin, self._read = self._read, found + len(text)
        return self._plain()[begin : self._read]

    def _plain(self) -> str:
        return CODES.sub("", self.raw).replace("\r\n", "\n")

    def end(self) -> int:
        """Waits for the end of the command. Returns its exit code."""
        return self.process.wait(TIMEOUT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def talk(service: Service) -> Iterator[Callable[..., Terminal]]:
    """Starts a conversation with the echo model."""
    terminals: list[Terminal] = []

    def begin(*options: str) -> Terminal:
        terminals.append(Terminal("chat", "-m", "echo", "-t", service.target, *options))
        terminals[-1].until("> ")
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.close()


def test_an_answer_is_followed_by_dim_facts_and_ctrl_d_ends_the_talk(talk: Callable[..., Terminal]) -> None:
    terminal = talk()
    terminal.type("one two\r")
    shown = terminal.until("\n> ")
    terminal.type(END)

    assert "one two\n2 input + 2 output = 4 tokens · STOP · echo/echo · " in shown
    assert "\x1b[2m2 input" in terminal.raw
    assert terminal.end() == 0


def test_ctrl_c_stops_the_answer_and_keeps_what_came(talk: Callable[..., Terminal], tmp_path: Path) -> None:
    terminal = talk("--system", SLOW)
    terminal.type("one two\r")
    terminal.until("one two\none")
    terminal.interrupt()
    terminal.until("keeps the answer up to here.\n> ")
    terminal.type("/system\r")
    terminal.until("\n> ")
    terminal.type("go on\r")
    terminal.until("go on\ngo on\n")
    terminal.until("\n> ")
    terminal.type(f"/save {tmp_path / 'talk.md'}\r")
    terminal.until("Saved")

    said = (tmp_path / "talk.md").read_text()
    assert said.endswith("## Assistant (stopped before its end)\n\none\n\n## User\n\ngo on\n\n## Assistant\n\ngo on\n")


def test_ctrl_c_at_the_prompt_drops_the_line(talk: Callable[..., Terminal]) -> None:
    terminal = talk()
    terminal.type("half a thought")
    terminal.until("half a thought")
    terminal.interrupt()
    terminal.until("Ctrl-D or /quit ends the talk.\n> ")
    terminal.type("/quit\r")

    assert terminal.end() == 0


def test_lines_are_edited_and_recalled(talk: Callable[..., Terminal]) -> None:
    terminal = talk()
    terminal.type("tvo\x1b[D\x1b[D\x04w\r")  # left twice, delete, w
    terminal.until("\ntwo\n1 input")
    terminal.until("\n> ")
    terminal.type("\x1b[A\r")

    assert "two\ntwo\n3 input" in terminal.until("tokens")
