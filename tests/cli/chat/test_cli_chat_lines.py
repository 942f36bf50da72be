"""`dragoman chat` without a terminal: each line is a question."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from dragoman_command import TIMEOUT, Service, invoke, start


def talk(service: Service, *lines: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return service.ask("chat", "-m", "echo", *options, stdin="".join(f"{line}\n" for line in lines))


def saved(service: Service, folder: Path, *lines: str, options: tuple[str, ...] = ()) -> dict[str, object]:
    """The request that a conversation of these lines has come to."""
    path = folder / "talk.json"
    talk(service, *lines, f"/save {path}", options=options)
    return dict(json.loads(path.read_text()))


def texts(request: dict[str, object]) -> list[tuple[str, str]]:
    messages = request["messages"]
    assert isinstance(messages, list)
    return [(one["role"].removeprefix("ROLE_"), one["parts"][0]["text"]) for one in messages]


def test_each_line_is_answered_on_stdout_alone(service: Service) -> None:
    ended = talk(service, "one", "", "two three")

    assert ended.returncode == 0
    assert ended.stdout == "one\ntwo three\n"
    assert ended.stderr == ""


def test_a_question_carries_what_was_said_before(service: Service, tmp_path: Path) -> None:
    request = saved(service, tmp_path, "one", "two", options=("--system", "Be brief.", "--temperature", "0.5"))

    assert texts(request) == [
        ("SYSTEM", "Be brief."),
        ("USER", "one"),
        ("ASSISTANT", "one"),
        ("USER", "two"),
        ("ASSISTANT", "two"),
    ]
    assert request["generationConfig"] == {"temperature": 0.5}


def test_the_history_reaches_the_model(service: Service) -> None:
    ended = talk(service, "one two", "three", options=("--usage",))

    assert [line.split()[0] for line in ended.stderr.splitlines()] == ["2", "5"]  # input tokens: all messages count


def test_clear_forgets_what_was_said_but_not_the_instructions(service: Service, tmp_path: Path) -> None:
    assert texts(saved(service, tmp_path, "one", "/system Be kind.", "/clear", "two")) == [
        ("SYSTEM", "Be kind."),
        ("USER", "two"),
        ("ASSISTANT", "two"),
    ]


def test_a_model_is_changed_only_to_one_that_exists(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "talk.json"
    ended = talk(service, "/model", "/model nobody", "/model echo/echo", f"/save {path}", "still here")

    assert "* echo/echo, echo" in ended.stderr
    assert "MODEL_NOT_FOUND" in ended.stderr
    assert json.loads(path.read_text())["model"] == "echo/echo"
    assert ended.stdout == "still here\n"
    assert ended.returncode == 1


def test_several_lines_are_one_question(service: Service) -> None:
    ended = talk(service, "one\\", "two", '"""', "three", "", '  four"""', '"""five"""', "//six")

    assert ended.stdout == "one\ntwo\nthree\n\n  four\nfive\n/six\n"


def test_a_failed_answer_leaves_the_talk_alive(service: Service, tmp_path: Path) -> None:
    script = '/system echo: {"fail_after": 0}'
    ended = talk(service, script, "one", "/system", "two", f"/save {tmp_path / 'talk.md'}")

    assert ended.returncode == 1
    assert ended.stdout == "two\n"
    assert "PROVIDER_UNAVAILABLE" in ended.stderr
    assert "does not keep this question" in ended.stderr
    assert "one" not in (tmp_path / "talk.md").read_text()


def test_an_answer_that_breaks_off_is_kept_as_far_as_it_came(service: Service, tmp_path: Path) -> None:
    path = tmp_path / "talk.md"
    script = 'echo: {"fail_after": 2, "delay": "10ms"}'
    ended = talk(service, "one two three", f"/save {path}", f"/save {path}", options=("--system", script))

    assert path.read_text().endswith("## User\n\none two three\n\n## Assistant (stopped before its end)\n\none two\n")
    assert "exists: name another file" in ended.stderr


def test_an_unreachable_service_is_named_for_each_question() -> None:
    ended = invoke("chat", "-t", "127.0.0.1:1", stdin="one\ntwo\n/quit\nthree\n")

    assert ended.returncode == 1
    assert ended.stderr.count("dragoman serve") == 2


@pytest.mark.parametrize("line", ["/nothing", "/save", "/save /no/such/folder/x"])
def test_what_cannot_be_done_is_said(service: Service, line: str) -> None:
    assert talk(service, line).stderr.startswith("error: ")


def test_a_line_that_is_not_text_ends_nothing(service: Service) -> None:
    process = start("chat", "-m", "echo", "-t", service.target, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.buffer.write(b"\xff\n")
    shown, errors = process.communicate("one\n", timeout=TIMEOUT)

    assert shown == "one\n"
    assert errors == "error: that line is not valid UTF-8\n"


def test_ctrl_c_ends_a_talk_without_a_terminal(service: Service) -> None:
    command = ("chat", "-m", "echo", "-t", service.target, "--system", 'echo: {"delay": "60s"}')
    process = start(*command, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("one two\n")
    process.stdin.flush()
    first = process.stdout.read(3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)

    assert first == "one"
    assert process.returncode == 130
