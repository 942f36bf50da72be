"""`dragoman complete --operation` and `dragoman operations` against a running service."""

from __future__ import annotations

import json
import re
import signal

from dragoman_command import Service, start

BRISK, SLOW = 'echo: {"delay": "300ms"}', 'echo: {"delay": "60s"}'


def states(stderr: str) -> list[str]:
    return re.findall(r"^operations/\S+ ([A-Z]+)", stderr, re.MULTILINE)


def test_an_operation_shows_its_states_and_the_answer(service: Service) -> None:
    ended = service.ask("complete", "one two three", "-m", "echo", "--operation", "--usage", "--system", BRISK)

    assert (ended.returncode, ended.stdout) == (0, "one two three\n")
    assert states(ended.stderr) == ["QUEUED", "RUNNING", "SUCCEEDED"]
    assert "tokens · STOP · echo/echo" in ended.stderr


def test_an_operation_writes_the_same_json(service: Service) -> None:
    ended = service.ask("complete", "one two", "-m", "echo", "--operation", "--json")

    assert json.loads(ended.stdout)["choices"][0]["message"]["parts"] == [{"text": "one two"}]


def test_an_operation_that_fails_ends_with_its_error(service: Service) -> None:
    ended = service.ask("complete", "one", "-m", "echo", "--operation", "--system", 'echo: {"fail_after": 0}')

    assert (ended.returncode, ended.stdout) == (1, "")
    assert states(ended.stderr)[-1] == "FAILED"
    assert "UNAVAILABLE PROVIDER_UNAVAILABLE" in ended.stderr


def start_slowly(service: Service) -> str:
    """The name of an operation that keeps running after its command was interrupted."""
    process = start("complete", "one two", "-m", "echo", "--operation", "--system", SLOW, "-t", service.target)
    assert process.stderr is not None
    while "RUNNING" not in (line := process.stderr.readline()):
        assert line, "it ended before it ran"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=5)

    assert process.returncode == 130
    assert f"dragoman operations cancel {line.split()[0]}" in stderr
    return line.split()[0]


def test_ctrl_c_leaves_an_operation_running_until_it_is_cancelled(service: Service) -> None:
    name = start_slowly(service)
    running = json.loads(service.ask("operations", "get", name, "--json").stdout)
    waited = service.ask("operations", "wait", name, "--timeout", "100ms")
    cancelled = service.ask("operations", "cancel", name.removeprefix("operations/"))
    ended = service.ask("operations", "wait", name)

    assert running["metadata"]["state"] == "STATE_RUNNING"
    assert (waited.returncode, waited.stdout) == (1, "")
    assert "not done yet" in waited.stderr
    assert cancelled.returncode == 0
    assert ended.returncode == 1
    assert states(ended.stderr)[-1] == "CANCELLED"
    assert "error: CANCELLED" in ended.stderr


def test_a_timeout_leaves_an_operation_running(service: Service) -> None:
    ended = service.ask("complete", "one two", "-m", "echo", "--operation", "--system", SLOW, "--timeout", "300ms")

    assert ended.returncode == 1
    assert "continues in the background" in ended.stderr
    assert service.ask("operations", "cancel", ended.stderr.split()[0]).returncode == 0


def test_an_interrupted_wait_leaves_the_operation_running(service: Service) -> None:
    name = start_slowly(service)
    process = start("operations", "wait", name, "-t", service.target)
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)

    assert process.returncode == 130
    assert "RUNNING" in service.ask("operations", "get", name).stdout
    service.ask("operations", "cancel", name)


def test_a_finished_operation_can_be_read_listed_and_deleted(service: Service) -> None:
    service.ask("complete", "to be deleted", "-m", "echo", "--operation")
    done = json.loads(
        service.ask("operations", "list", "--filter", "state = SUCCEEDED", "--limit", "1", "--json").stdout
    )
    name = done[0]["name"]
    shown = service.ask("operations", "get", name)
    waited = service.ask("operations", "wait", name)
    listed = service.ask("operations", "list")
    deleted = service.ask("operations", "delete", name)
    missing = service.ask("operations", "get", name)

    assert len(done) == 1
    assert "SUCCEEDED" in shown.stdout
    assert shown.stdout.endswith("\n\nto be deleted\n")
    assert waited.stdout == "to be deleted\n"
    assert name in listed.stdout
    assert deleted.returncode == 0
    assert missing.returncode == 1
    assert "NOT_FOUND OPERATION_NOT_FOUND" in missing.stderr


def test_a_list_reads_pages_up_to_the_limit(service: Service) -> None:
    for word in ("one", "two", "three"):
        service.ask("complete", word, "-m", "echo", "--operation")

    assert len(service.ask("operations", "list", "--limit", "2").stdout.splitlines()) == 3


def test_an_invalid_filter_is_reported(service: Service) -> None:
    ended = service.ask("operations", "list", "--filter", "state ~ odd")

    assert ended.returncode == 1
    assert "filter: " in ended.stderr
