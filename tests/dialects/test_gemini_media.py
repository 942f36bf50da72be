"""Images, documents and recordings in Gemini's dialect, both ways."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from dragoman import v1
from dragoman_service.dialects.google.gemini.client.dialect import GeminiClientDialect
from dragoman_service.dialects.google.gemini.enums import Api
from dragoman_service.dialects.google.gemini.server.request import decode_request
from dragoman_service.errors import CompletionError


def decoded(*contents: dict[str, Any]) -> v1.CompletionRequest:
    return decode_request(orjson.dumps({"contents": contents}), Api.GEMINI).request


def sent(*messages: v1.Message) -> Any:
    request = v1.CompletionRequest(model="gemini-3-pro", messages=messages)
    return orjson.loads(GeminiClientDialect(Api.GEMINI, b"").encode_request(request))["contents"]


def test_images_and_files_are_decoded() -> None:
    inline = {"inline_data": {"mime_type": "image/PNG; q=1", "data": "_-8", "displayName": "a.png"}}
    stored = {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/c.pdf"}}
    request = decoded({"role": "user", "parts": [{"text": "See"}, inline, stored]})

    assert list(request.messages[0].parts) == [
        v1.Part(text="See"),
        v1.Part(blob=v1.Blob(media_type="image/png", data=b"\xff\xef", name="a.png")),
        v1.Part(file=v1.File(media_type="application/pdf", uri="gs://b/c.pdf")),
    ]


def test_images_that_a_function_returned_follow_its_result() -> None:
    image = {"inlineData": {"mimeType": "image/png", "data": "aa=="}}
    returned = {"functionResponse": {"name": "shoot", "response": {"error": "dark"}, "parts": [image]}}
    call = {"functionCall": {"name": "shoot", "args": {}}}
    request = decoded({"role": "model", "parts": [call]}, {"role": "user", "parts": [returned]})

    result, blob = request.messages[1].parts
    assert (result.tool_result.text, result.tool_result.is_error) == ("dark", True)
    assert blob.blob == v1.Blob(media_type="image/png", data=b"i")


def test_images_and_files_are_sent() -> None:
    blob = v1.Part(blob=v1.Blob(media_type="image/png", data=b"\xff\xef"))
    file = v1.Part(file=v1.File(uri="gs://b/c.pdf"))
    (turn,) = sent(v1.Message(role=v1.ROLE_USER, parts=[blob, file]))

    assert turn["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "/+8="}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/c.pdf"}},
    ]


@pytest.mark.parametrize("file", [v1.File(id="f"), v1.File(uri="https://a.example/b")])
def test_a_file_that_cannot_be_named_here_is_refused(file: v1.File) -> None:
    with pytest.raises(CompletionError) as caught:
        sent(v1.Message(role=v1.ROLE_USER, parts=[v1.Part(file=file)]))

    assert caught.value.fields[0].field.startswith("messages.file.")


def test_what_a_function_returned_keeps_its_images_and_its_failure() -> None:
    calls = [v1.Part(tool_call=v1.ToolCall(id=f"c{n}", name=f"f{n}", arguments_json="{}")) for n in (1, 2)]
    image = v1.Part(blob=v1.Blob(media_type="image/png", data=b"i"))
    results = [
        v1.Part(tool_result=v1.ToolResult(tool_call_id="c2", text="dark", is_error=True)),
        image,
        v1.Part(tool_result=v1.ToolResult(tool_call_id="c1", text='{"error":"in a result"}')),
    ]
    turns = [v1.Message(role=v1.ROLE_ASSISTANT, parts=calls), v1.Message(role=v1.ROLE_TOOL, parts=results)]
    first, second = sent(*turns)[1]["parts"]

    assert first["functionResponse"] == {"name": "f1", "response": {"result": '{"error":"in a result"}'}}
    assert second["functionResponse"] == {
        "name": "f2",
        "response": {"error": "dark"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": "aQ=="}}],
    }
