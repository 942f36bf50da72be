"""Images and files, hints about caches, and reasoning: which are valid, and which field is refused."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.validation import check_request, limits
from google.protobuf.duration_pb2 import Duration

PNG = v1.Blob(media_type="image/png", data=b"i")
IMAGE = v1.Part(blob=PNG)
TEXT = v1.Part(text="Hello")
CALL = v1.Message(role=v1.ROLE_ASSISTANT, parts=[v1.Part(tool_call=v1.ToolCall(id="1", name="f"))])
RESULT = v1.Part(tool_result=v1.ToolResult(tool_call_id="1"))


def wrong(*messages: v1.Message, **fields: object) -> list[str]:
    try:
        check_request(v1.CompletionRequest(model="echo", messages=messages, **fields))
    except CompletionError as error:
        return [violation.field for violation in error.fields]
    return []


def of_part(part: v1.Part, role: int = v1.ROLE_USER) -> list[str]:
    return wrong(v1.Message(role=role, parts=[part]))


def of_reasoning(**given: object) -> list[str]:
    config = v1.GenerationConfig(reasoning=v1.ReasoningConfig(**given))
    return wrong(v1.Message(role=v1.ROLE_USER, parts=[TEXT]), generation_config=config)


@pytest.mark.parametrize("role", [v1.ROLE_USER, v1.ROLE_DATA])
def test_users_and_documents_bring_images(role):
    assert of_part(IMAGE, role) == []


@pytest.mark.parametrize("role", [v1.ROLE_SYSTEM, v1.ROLE_DEVELOPER, v1.ROLE_ASSISTANT, v1.ROLE_TOOL])
def test_others_bring_none(role):
    assert of_part(IMAGE, role) == ["messages[0].parts[0].blob"]


def test_an_image_of_a_tool_follows_its_result():
    assert wrong(CALL, v1.Message(role=v1.ROLE_TOOL, parts=[RESULT, IMAGE, IMAGE])) == []
    assert wrong(CALL, v1.Message(role=v1.ROLE_TOOL, parts=[IMAGE, RESULT])) == ["messages[1].parts[0].blob"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"media_type": ""}, "media_type"),
        ({"media_type": "image"}, "media_type"),
        ({"media_type": "image/PNG"}, "media_type"),
        ({"media_type": "text/plain; charset=utf-8"}, "media_type"),
        ({"media_type": f"a/{'b' * limits.MEDIA_TYPE}"}, "media_type"),
        ({"data": b""}, "data"),
        ({"data": bytes(limits.BLOB + 1)}, "data"),
        ({"name": "n" * (limits.FILE_NAME + 1)}, "name"),
    ],
)
def test_a_wrong_blob_is_refused_by_its_field(changes, field):
    blob = v1.Blob(**{"media_type": "image/png", "data": b"i", **changes})

    assert of_part(v1.Part(blob=blob)) == [f"messages[0].parts[0].blob.{field}"]


def test_a_blob_at_the_limits_is_valid():
    kind = f"a/{'b' * (limits.MEDIA_TYPE - 2)}"

    assert of_part(v1.Part(blob=v1.Blob(media_type=kind, data=bytes(limits.BLOB), name="n" * limits.FILE_NAME))) == []


@pytest.mark.parametrize(
    ("file", "field"),
    [
        (v1.File(), ""),
        (v1.File(uri="file:///etc/passwd"), ".uri"),
        (v1.File(uri="data:image/png;base64,aaaa"), ".uri"),
        (v1.File(uri="https://" + "a" * limits.FILE_URI), ".uri"),
        (v1.File(id=""), ".id"),
        (v1.File(id="a" * (limits.FILE_ID + 1)), ".id"),
        (v1.File(id="a", media_type="*/*"), ".media_type"),
    ],
)
def test_a_wrong_file_is_refused_by_its_field(file, field):
    assert of_part(v1.Part(file=file)) == [f"messages[0].parts[0].file{field}"]


@pytest.mark.parametrize("source", [{"uri": "gs://b/c"}, {"uri": "https://a.example"}, {"id": "f-1"}])
def test_a_file_needs_no_media_type(source):
    assert of_part(v1.Part(file=v1.File(**source))) == []


@pytest.mark.parametrize(
    ("seconds", "valid"), [(0, False), (-1, False), (1, True), (limits.CACHE_TTL, True), (limits.CACHE_TTL + 1, False)]
)
def test_the_time_of_a_hint_is_bounded(seconds, valid):
    hint = v1.CacheHint(ttl=Duration(seconds=seconds))
    tool = v1.Tool(function=v1.FunctionTool(name="f"), cache_hint=hint)
    message = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Hi", cache_hint=hint)])

    paths = [] if valid else ["messages[0].parts[0].cache_hint.ttl", "tools[0].cache_hint.ttl"]
    assert sorted(wrong(message, tools=[tool])) == paths


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, [""]),
        ({"effort": 99}, [".effort"]),
        ({"visibility": 99}, [".visibility"]),
        ({"effort": v1.REASONING_EFFORT_LOW, "budget_tokens": 5}, [".budget_tokens"]),
        ({"budget_tokens": -1}, [".budget_tokens"]),
        ({"budget_tokens": limits.OUTPUT_TOKENS + 1}, [".budget_tokens"]),
        ({"budget_tokens": limits.OUTPUT_TOKENS}, []),
        ({"budget_tokens": 0}, []),
        ({"visibility": v1.REASONING_VISIBILITY_HIDDEN}, []),
    ],
)
def test_reasoning_is_an_amount_or_a_number_of_tokens(given, fields):
    assert of_reasoning(**given) == [f"generation_config.reasoning{field}" for field in fields]
