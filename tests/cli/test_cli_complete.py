"""`dragoman complete` and `dragoman models` against a running service."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from dragoman_command import Service, run, start
from waiting import blocking_until

SLOW = 'echo: {"delay": "30s"}'


def test_the_answer_is_on_stdout_and_nothing_else(service: Service) -> None:
    ended = run("complete", "one two three", "--model", "echo", "--target", service.target)

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "one two three\n", "")


def test_a_prompt_can_be_piped_in(service: Service) -> None:
    assert run("complete", "-m", "echo", "-t", service.target, stdin="from a pipe\n").stdout == "from a pipe\n"
    assert service.ask("complete", "-", "-m", "echo", stdin="from a pipe\n").stdout == "from a pipe\n"


def test_the_answer_appears_while_it_is_generated(service: Service) -> None:
    with start("complete", "one two", "-m", "echo", "--system", SLOW, "-t", service.target) as process:
        assert process.stdout is not None
        first = process.stdout.read(3)
        process.kill()

    assert first == "one"


def test_generation_options_reach_the_model(service: Service) -> None:
    ended = service.ask(
        "complete", "one two three four", "-m", "echo", "--max-output-tokens", "3", "--temperature", "0",
        "--top-p", "0.5", "--seed", "7", "--stop", "five", "--stop", "three", "--usage",
    )  # fmt: skip

    assert ended.stdout == "one two \n"
    assert "STOP_SEQUENCE" in ended.stderr
    assert "4 input + " in ended.stderr


def test_files_go_with_the_prompt(service: Service, tmp_path: Path) -> None:
    image = tmp_path / "dot.png"
    image.write_bytes(b"\x89PNG")
    shown = service.ask("complete", "See", "-m", "echo", "--file", str(image), "--file", "https://a.example/b.pdf")
    unknown = service.ask("complete", "See", "-m", "echo", "--file", str(tmp_path / "dot"))
    missing = service.ask("complete", "See", "-m", "echo", "--file", str(tmp_path / "no.png"))

    assert shown.stdout == "See\n[image/png of 4 bytes]\n[https://a.example/b.pdf]\n"
    assert unknown.returncode == missing.returncode == 2
    assert "no ending that tells its type" in " ".join(unknown.stderr.replace("│", " ").split())
    assert "No such file" in missing.stderr


def test_the_page_about_files_shows_a_program_that_runs(service: Service, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "media.md").read_text()
    program = page.partition("```python\n")[2].partition("```")[0]
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    ended = subprocess.run(
        [sys.executable, "-c", program, "a.png"],
        cwd=tmp_path,
        env={"DRAGOMAN_TARGET": service.target},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (ended.stdout, ended.stderr) == ("What is this?\n[image/png of 4 bytes]\n", "")


def test_json_is_the_completion_of_the_api(service: Service) -> None:
    ended = service.ask("complete", "one two", "-m", "echo", "--json")

    completion = json.loads(ended.stdout)
    assert completion["choices"][0]["message"]["parts"] == [{"text": "one two"}]
    assert completion["usage"]["totalTokens"] == "4"


def test_streamed_json_has_one_event_per_line(service: Service) -> None:
    ended = service.ask("complete", "one two", "-m", "echo", "--json", "--stream")

    events = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
    assert "".join(event["delta"]["text"] for event in events if "delta" in event) == "one two"
    assert "completion" in events[-1]["finished"]


def test_without_streaming_the_text_is_the_same(service: Service) -> None:
    assert service.ask("complete", "one two", "-m", "echo", "--no-stream").stdout == "one two\n"


def test_ctrl_c_cancels_the_completion_and_says_so(service: Service) -> None:
    process = start("complete", "gone mid-way", "-m", "echo", "--system", SLOW, "-t", service.target)
    assert process.stdout is not None
    process.stdout.read(4)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=5)

    assert process.returncode == 130
    assert stdout.endswith("\n")
    assert "cancelled" in stderr
    blocking_until(lambda: service.logged(method="StreamCompletion", code="Cancelled"))


def test_a_closed_pipe_ends_the_command_silently(service: Service, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt"
    prompt.write_text("word " * 50_000)
    with prompt.open("rb") as stdin:
        process = start("complete", "-m", "echo", "-t", service.target, stdin=stdin)
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr is not None
    stderr = process.stderr.read()
    process.stderr.close()

    assert process.wait(10) == 1
    assert stderr == ""


def test_every_invalid_field_is_reported(service: Service) -> None:
    ended = service.ask("complete", "hi", "-m", "echo", "--temperature", "9", "--top-p", "7")

    assert ended.returncode == 1
    assert "INVALID_ARGUMENT INVALID_FIELD" in ended.stderr
    assert ended.stderr.count("generation_config.temperature") == 1
    assert ended.stderr.count("generation_config.top_p") == 1


def test_an_unsupported_schema_is_reported(service: Service, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object"}')

    for given in (str(schema), schema.read_text()):
        ended = service.ask("complete", "hi", "-m", "echo", "--schema", given)
        assert ended.returncode == 1
        assert "UNSUPPORTED_FIELD" in ended.stderr
        assert "response_format.json_schema" in ended.stderr


def test_a_failure_after_some_text_is_reported_on_its_own_line(service: Service) -> None:
    script = 'echo: {"fail_after": 2}'
    ended = service.ask("complete", "one two three", "-m", "echo", "--system", script)

    assert ended.returncode == 1
    assert ended.stdout == "one two\n"
    assert ended.stderr.startswith("error: UNAVAILABLE PROVIDER_UNAVAILABLE\n")
    assert "call " in ended.stderr


def test_a_timeout_is_reported(service: Service) -> None:
    ended = service.ask("complete", "one two", "-m", "echo", "--system", SLOW, "--timeout", "300ms")

    assert ended.returncode == 1
    assert "DEADLINE_EXCEEDED" in ended.stderr


def test_an_unreachable_service_is_named_with_a_remedy() -> None:
    ended = run("complete", "hi", "--target", "127.0.0.1:1")

    assert ended.returncode == 1
    assert "127.0.0.1:1" in ended.stderr
    assert "dragoman serve" in ended.stderr


def test_a_terminal_gets_no_control_characters_from_a_model(service: Service) -> None:
    ours, theirs = pty.openpty()
    process = start("complete", "\x1b[31mred\x07\ttab", "-m", "echo", "-t", service.target, stdout=theirs)
    os.close(theirs)
    shown = b""
    while b"\n" not in shown:
        shown += os.read(ours, 1024)
    process.communicate()
    os.close(ours)

    assert shown.decode().strip() == "\N{REPLACEMENT CHARACTER}[31mred\N{REPLACEMENT CHARACTER}\ttab"


def test_a_pipe_gets_the_answer_verbatim(service: Service) -> None:
    assert service.ask("complete", "\x1b[31mred", "-m", "echo").stdout == "\x1b[31mred\n"


def test_models_are_a_table_or_json(service: Service) -> None:
    header, row = service.ask("models").stdout.splitlines()
    models = json.loads(service.ask("models", "--json").stdout)

    assert header.split()[0] == "NAME"
    assert row.split()[:2] == ["echo/echo", "echo"]
    assert [model["name"] for model in models] == ["echo/echo"]
