"""`dragoman complete` with tools: the request, and how calls are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from dragoman import v1
from dragoman_command import Service
from dragoman_service.cli.options.prompt import json_option
from dragoman_service.cli.options.tools import tools_in
from dragoman_service.cli.terminal.live_text import LiveText

TOOLS = '[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "a": 1, "Z": 2}}}]'
CALLS = [{"name": "weather", "arguments": {"city": "Oslo"}}, {"name": "now", "id": "mine", "arguments": "no JSON"}]
SCRIPT = "echo: " + json.dumps({"tool_calls": CALLS, "text": "Let me look."})
SHOWN = 'Let me look.\ncall weather {"city": "Oslo"}\ncall now no JSON\n'


@pytest.mark.parametrize("how", [(), ("--no-stream",), ("--operation",), ("--operation", "--no-stream")])
def test_each_tool_call_is_shown_on_a_line_of_its_own(service: Service, how: tuple[str, ...]) -> None:
    ended = service.ask("complete", "Rain?", "-m", "echo", "--system", SCRIPT, "--tools", TOOLS, *how)

    assert (ended.returncode, ended.stdout) == (0, SHOWN)


def test_tool_calls_are_parts_of_the_json(service: Service) -> None:
    ended = service.ask("complete", "Rain?", "-m", "echo", "--system", SCRIPT, "--tools", TOOLS, "--json")

    (choice,) = json.loads(ended.stdout)["choices"]
    assert choice["finishReason"] == "FINISH_REASON_TOOL_CALLS"
    assert choice["message"]["parts"][1]["toolCall"]["argumentsJson"] == '{"city": "Oslo"}'


def test_tools_can_be_kept_in_a_file(service: Service, tmp_path: Path) -> None:
    (tmp_path / "tools.json").write_text(TOOLS)
    file = str(tmp_path / "tools.json")
    ended = service.ask("complete", "Rain?", "-m", "echo", "--system", SCRIPT, "--tools", file)

    assert ended.stdout == SHOWN


def test_tools_are_read_in_the_usual_json_and_keep_the_order_of_their_properties() -> None:
    bare = json.loads(TOOLS)[0]["function"] | {"description": "Reports it.", "strict": True}

    assert tools_in(TOOLS)[0].function.parameters_json_schema == '{"type": "object", "a": 1, "Z": 2}'
    assert tools_in(json.dumps([bare]))[0].function == v1.FunctionTool(
        name="weather",
        description="Reports it.",
        strict=True,
        parameters_json_schema='{"type": "object", "a": 1, "Z": 2}',
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "should be a list"),
        ("[3]", "item 0 is not a function"),
        ('[{"name": "a"}, {"type": "retrieval"}]', "item 1 is not a function"),
        (
            '[{"name": "a", "schema": {}}]',
            "item 0 has unknown keys: schema; known: name, description, parameters, strict",
        ),
        ('[{"name": "a", "strict": "yes"}]', "item 0: "),
        ('[{"name": "w\\ud800"}]', "item 0"),
    ],
)
def test_an_invalid_list_of_tools_is_reported(text: str, message: str) -> None:
    with pytest.raises(typer.BadParameter, match=message):
        tools_in(text)


def test_invalid_tools_end_the_command_before_anything_is_sent(service: Service) -> None:
    ended = service.ask("complete", "Rain?", "-m", "echo", "--tools", "no-such-file.json")

    assert ended.returncode == 2
    assert "no-such-file.json cannot be read" in ended.stderr


def test_a_raw_prompt_is_sent_verbatim(service: Service) -> None:
    ended = service.ask("complete", "Once upon", "-m", "echo", "--raw", "--usage")

    assert ended.stdout == "Once upon\n"
    assert "2 input + 2 output" in ended.stderr
    assert service.ask("complete", "Once", "-m", "echo", "--raw", "--system", "x").returncode == 2


def test_text_after_a_call_starts_on_its_own_line_and_a_rerun_starts_over(
    capsys: pytest.CaptureFixture[str],
) -> None:
    live = LiveText()
    call = v1.Delta(tool_call=v1.ToolCallDelta(name="now", arguments_json="{}"))
    for event in (
        v1.CompletionEvent(delta=call),
        v1.CompletionEvent(usage=v1.Usage()),
        v1.CompletionEvent(delta=v1.Delta(text="So")),
        v1.CompletionEvent(delta=v1.Delta(text=" it is.")),
        v1.CompletionEvent(delta=call),
        v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1)),
        v1.CompletionEvent(delta=v1.Delta(text="Anew")),
    ):
        live.show(event)
    live.end()

    assert capsys.readouterr().out == "call now {}\nSo it is.\ncall now {}\nAnew\n"


def test_json_that_is_nested_too_deeply_is_reported_as_invalid() -> None:
    with pytest.raises(typer.BadParameter, match="is not valid JSON"):
        json_option("--tools", "[" * 100_000)
