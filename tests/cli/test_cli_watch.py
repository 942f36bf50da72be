"""`dragoman operations watch` and `list`: operations as rows."""

from __future__ import annotations

import os
import pty
import signal

from dragoman_command import Service, start

SLOW = 'echo: {"delay": "60s"}'


def started(service: Service, *options: str) -> str:
    """Starts an operation that runs for a long time; returns its name."""
    command = ("complete", "one two", "-m", "echo", "--operation", "--system", SLOW, "--timeout", "100ms")
    return service.ask(*command, *options).stderr.split()[0]


def test_operations_are_shown_once(service: Service) -> None:
    service.ask("complete", "one", "-m", "echo", "--operation")
    header, *rows = service.ask("operations", "watch", "--once", "--limit", "2").stdout.splitlines()

    assert header.split() == ["NAME", "STATE", "MODEL", "PROGRESS", "AGE"]
    assert rows[0].split()[1] == "SUCCEEDED"
    assert len(rows) <= 2


def test_a_pipe_gets_a_line_per_change(service: Service) -> None:
    name = started(service)
    process = start("operations", "watch", "-t", service.target, "--filter", "state != FAILED", "--limit", "1")
    assert process.stdout is not None
    before = process.stdout.readline()
    service.ask("operations", "cancel", name)
    after = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)

    assert before.split()[:2] == [name, "RUNNING"]
    assert after.split()[:2] == [name, "CANCELLED"]
    assert process.returncode == 130


def test_a_terminal_shows_a_table_until_q_is_pressed(service: Service) -> None:
    name = started(service)
    ours, theirs = pty.openpty()
    process = start("operations", "watch", "-t", service.target, stdin=theirs, stdout=theirs)
    os.close(theirs)
    shown = b""
    while shown.count(name.encode()) < 2:
        shown += os.read(ours, 4096)
    os.write(ours, b"q")
    process.communicate(timeout=5)
    os.close(ours)
    service.ask("operations", "cancel", name)

    assert process.returncode == 0
    assert b"RUNNING" in shown


def test_the_newest_comes_first_and_an_invalid_filter_is_reported(service: Service) -> None:
    names = [started(service) for _ in range(2)]
    listed = service.ask("operations", "list", "--filter", "state = RUNNING").stdout
    wrong = service.ask("operations", "watch", "--filter", "state ~ odd")
    for name in names:
        service.ask("operations", "cancel", name)

    assert listed.index(names[1]) < listed.index(names[0])
    assert wrong.returncode == 1
    assert "filter: " in wrong.stderr
