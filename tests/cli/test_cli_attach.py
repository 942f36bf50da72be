"""`dragoman operations attach`, and completions that outlive the command that started them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

from dragoman_command import Service, serving, start

BRISK, SLOW = 'echo: {"delay": "150ms"}', 'echo: {"delay": "60s"}'


def interrupted(process: subprocess.Popen[str]) -> str:
    """Interrupts a command after its first word; returns its stderr."""
    assert process.stdout is not None
    process.stdout.read(3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)

    assert process.returncode == 130
    return stderr


def hint(stderr: str) -> tuple[str, int]:
    """The operation and the event number in the hint how to attach again."""
    found = re.search(r"^  dragoman operations attach (\S+) --after (\d+)$", stderr, re.MULTILINE)
    assert found, stderr
    return found[1], int(found[2])


def test_an_interrupted_operation_can_be_attached_to_where_reading_stopped(service: Service) -> None:
    command = ("complete", "one two three four", "-m", "echo", "--operation", "--system", BRISK, "-t", service.target)
    name, after = hint(interrupted(start(*command)))
    rest = service.ask("operations", "attach", name, "--after", str(after))
    whole = service.ask("operations", "attach", name.removeprefix("operations/"))

    assert (rest.returncode, whole.returncode) == (0, 0)
    assert whole.stdout == "one two three four\n"
    assert 0 < len(rest.stdout) < len(whole.stdout)
    assert whole.stdout.endswith(rest.stdout)


def test_the_text_of_an_operation_appears_while_it_is_generated(service: Service) -> None:
    with start("complete", "one two", "-m", "echo", "--operation", "--system", SLOW, "-t", service.target) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.read(3)
        name = process.stderr.readline().split()[0]
        process.kill()
    reader = start("operations", "attach", name, "-t", service.target)
    stderr = interrupted(reader)
    service.ask("operations", "cancel", name)

    assert first == "one"
    assert f"{name} continues in the background." in stderr


def test_attach_writes_json_with_one_event_per_line(service: Service) -> None:
    service.ask("complete", "one two", "-m", "echo", "--operation")
    name = json.loads(service.ask("operations", "list", "--json", "--limit", "1").stdout)[0]["name"]
    lines = service.ask("operations", "attach", name, "--json").stdout.splitlines()

    events = [json.loads(line) for line in lines]
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
    assert events[0]["started"]["operation"] == name
    assert "completion" in events[-1]["finished"]


def test_attaching_to_a_failed_operation_ends_with_its_error(service: Service) -> None:
    service.ask("complete", "one two", "-m", "echo", "--operation", "--system", 'echo: {"fail_after": 1}')
    name = json.loads(service.ask("operations", "list", "--json", "--limit", "1").stdout)[0]["name"]
    ended = service.ask("operations", "attach", name)

    assert (ended.returncode, ended.stdout) == (1, "one\n")
    assert "UNAVAILABLE PROVIDER_UNAVAILABLE" in ended.stderr
    assert "continues" not in ended.stderr


def test_attaching_to_an_unknown_operation_is_an_error(service: Service) -> None:
    ended = service.ask("operations", "attach", "nothing-here")

    assert ended.returncode == 1
    assert "NOT_FOUND OPERATION_NOT_FOUND" in ended.stderr


def test_a_timeout_shows_how_to_attach_again(service: Service) -> None:
    command = ("complete", "one two", "-m", "echo", "--operation", "--system", SLOW, "--timeout", "500ms")
    ended = service.ask(*command)
    name, _ = hint(ended.stderr)
    service.ask("operations", "cancel", name)

    assert (ended.returncode, ended.stdout) == (1, "one\n")
    assert "error" not in ended.stderr


def test_an_interrupted_stream_with_continue_shows_how_to_attach(service: Service) -> None:
    command = ("complete", "one two three four", "-m", "echo", "--continue", "--system", BRISK, "-t", service.target)
    name, _ = hint(interrupted(start(*command)))

    assert service.ask("operations", "wait", name).stdout == "one two three four\n"


def test_the_same_request_id_gets_the_same_answer(service: Service) -> None:
    command = ("complete", "one two", "-m", "echo", "--request-id", "cli-1", "--json")
    first, again = service.ask(*command), service.ask(*command)
    other = service.ask("complete", "other", "-m", "echo", "--request-id", "cli-1")

    assert json.loads(first.stdout)["requestId"] == "cli-1"
    assert first.stdout == again.stdout
    assert other.returncode == 1
    assert "ALREADY_EXISTS REQUEST_ID_REUSED" in other.stderr


def test_a_reader_sees_the_answer_start_over_after_the_service_is_killed(echo_file: Path, tmp_path: Path) -> None:
    settings = tmp_path / "short.toml"
    settings.write_text(f'{echo_file.read_text()}[operations]\nlease = "1s"\n')
    with serving(tmp_path, "--config", str(settings)) as first:
        command = ("complete", "one two three four five", "-m", "echo", "--operation")
        reader = start(*command, "--system", 'echo: {"delay": "300ms"}', "-t", first.target)
        assert reader.stdout is not None
        begun = reader.stdout.read(3)
        first.process.kill()
        first.process.wait()
        with serving(tmp_path, "--config", str(settings), "--grpc-listen", first.target):
            rest, stderr = reader.communicate(timeout=30)

    assert reader.returncode == 0
    assert (begun + rest).splitlines()[-1] == "one two three four five"
    assert "the answer starts over" in stderr
    assert "SUCCEEDED" in stderr
