"""`dragoman operations attach`, and completions that go on without the command that asked for them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

from dragoman_command import Service, serving, start

BRISK, SLOW = 'echo: {"delay": "150ms"}', 'echo: {"delay": "60s"}'


def interrupted(process: subprocess.Popen[str]) -> str:
    """What a command says on stderr that is interrupted after its first word."""
    assert process.stdout is not None
    process.stdout.read(3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=10)

    assert process.returncode == 130
    return stderr


def hint(stderr: str) -> tuple[str, int]:
    """The operation and the cursor that the way back names."""
    found = re.search(r"^  dragoman operations attach (\S+) --after (\d+)$", stderr, re.MULTILINE)
    assert found, stderr
    return found[1], int(found[2])


def test_an_interrupted_operation_is_attached_to_again_where_it_was_left(service: Service) -> None:
    asked = ("complete", "one two three four", "-m", "echo", "--operation", "--system", BRISK, "-t", service.target)
    name, after = hint(interrupted(start(*asked)))
    rest = service.ask("operations", "attach", name, "--after", str(after))
    whole = service.ask("operations", "attach", name.removeprefix("operations/"))

    assert (rest.returncode, whole.returncode) == (0, 0)
    assert whole.stdout == "one two three four\n"
    assert 0 < len(rest.stdout) < len(whole.stdout)
    assert whole.stdout.endswith(rest.stdout)


def test_the_text_of_an_operation_comes_while_it_is_made(service: Service) -> None:
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
    assert f"{name} goes on." in stderr


def test_attached_json_is_an_event_a_line(service: Service) -> None:
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
    assert "goes on" not in ended.stderr


def test_attaching_to_what_is_not_there_is_told(service: Service) -> None:
    ended = service.ask("operations", "attach", "nothing-here")

    assert ended.returncode == 1
    assert "NOT_FOUND OPERATION_NOT_FOUND" in ended.stderr


def test_time_that_is_over_tells_how_to_attach_again(service: Service) -> None:
    asked = ("complete", "one two", "-m", "echo", "--operation", "--system", SLOW, "--timeout", "500ms")
    ended = service.ask(*asked)
    name, _ = hint(ended.stderr)
    service.ask("operations", "cancel", name)

    assert (ended.returncode, ended.stdout) == (1, "one\n")
    assert "error" not in ended.stderr


def test_a_stream_that_may_go_on_tells_how_to_attach_to_it(service: Service) -> None:
    asked = ("complete", "one two three four", "-m", "echo", "--continue", "--system", BRISK, "-t", service.target)
    name, _ = hint(interrupted(start(*asked)))

    assert service.ask("operations", "wait", name).stdout == "one two three four\n"


def test_the_same_request_id_gets_the_same_answer(service: Service) -> None:
    asked = ("complete", "one two", "-m", "echo", "--request-id", "cli-1", "--json")
    first, again = service.ask(*asked), service.ask(*asked)
    other = service.ask("complete", "other", "-m", "echo", "--request-id", "cli-1")

    assert json.loads(first.stdout)["requestId"] == "cli-1"
    assert first.stdout == again.stdout
    assert other.returncode == 1
    assert "ALREADY_EXISTS REQUEST_ID_REUSED" in other.stderr


def test_a_reader_sees_the_answer_start_anew_when_the_service_was_killed(echo_file: Path, tmp_path: Path) -> None:
    settings = tmp_path / "short.toml"
    settings.write_text(f'{echo_file.read_text()}[operations]\nlease = "1s"\n')
    with serving(tmp_path, "--config", str(settings)) as first:
        asked = ("complete", "one two three four five", "-m", "echo", "--operation")
        reader = start(*asked, "--system", 'echo: {"delay": "300ms"}', "-t", first.target)
        assert reader.stdout is not None
        begun = reader.stdout.read(3)
        first.process.kill()
        first.process.wait()
        with serving(tmp_path, "--config", str(settings), "--grpc-listen", first.target):
            rest, stderr = reader.communicate(timeout=30)

    assert reader.returncode == 0
    assert (begun + rest).splitlines()[-1] == "one two three four five"
    assert "the answer starts anew" in stderr
    assert "SUCCEEDED" in stderr
