"""The console's fold makes the same answer of events as the service does."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from dragoman import v1
from dragoman_service.engine.fold import Fold
from dragoman_service.testing import Scripted, choice_finished, delta, serving, tool_call, usage
from google.protobuf.json_format import MessageToDict

PAGE = Path(__file__).parents[3] / "service/dragoman_service/frontends/console/page"
PROGRAM = Path(__file__).with_name("fold.mjs")
CALL = [tool_call(0, '{"a":', name="look"), tool_call(0, "1}")]
LONG = [delta("One **bold** word. "), delta("Two\n\n"), *CALL, delta("zwei", 1)]
ENDS = [choice_finished(), choice_finished(1), usage(input_tokens=7, output_tokens=5)]


def folded(events: list[v1.CompletionEvent]) -> dict[str, object]:
    listed = json.dumps([MessageToDict(event) for event in events])
    command = ("node", str(PROGRAM), PAGE.as_uri(), listed)
    found: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def answer_of(completion: v1.Completion) -> list[object]:
    return [
        [
            "".join(part.text or part.refusal for part in choice.message.parts),
            [
                [part.tool_call.name, part.tool_call.arguments_json]
                for part in choice.message.parts
                if part.HasField("tool_call")
            ],
            v1.FinishReason.Name(choice.finish_reason),
        ]
        for choice in completion.choices
    ]


@pytest.mark.parametrize("script", [[*LONG, *ENDS], [delta("x"), choice_finished()]], ids=["all", "without usage"])
async def test_the_console_shows_what_the_service_folds(script: list[v1.CompletionEvent]) -> None:
    request = v1.CompletionRequest(model="vendor/scripted")
    request.messages.add(role=v1.ROLE_USER).parts.add(text="hi")
    async with serving({"vendor": Scripted(*script)}) as served:
        events = [event async for event in served.completions.StreamCompletion(request)]

    shown, completion = folded(events), events[-1].finished.completion
    assert shown["choices"] == answer_of(completion)
    assert shown["tokens"] == completion.usage.output_tokens
    assert (shown["done"], shown["error"]) == (True, None)


def test_what_is_retracted_is_forgotten_by_both() -> None:
    events = [
        v1.CompletionEvent(started=v1.Started(provider="a")),
        delta("lost"),
        v1.CompletionEvent(retracted=v1.Retracted(from_sequence=1, reason="a worker was lost")),
        v1.CompletionEvent(started=v1.Started(provider="a")),
        delta("kept"),
        choice_finished(),
    ]
    fold = Fold(v1.Completion())
    for event in events:
        fold.add(event)

    shown = folded(events)
    assert shown["choices"] == answer_of(fold.completion())
    assert shown["rerun"] == 1
