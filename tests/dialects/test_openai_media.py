"""Images, recordings and documents in OpenAI's dialect, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from dragoman import v1
from dragoman_service.dialects.openai.client.quirks import LLAMA_CPP, OPENAI
from dragoman_service.dialects.openai.client.request import encode_chat
from dragoman_service.errors import CompletionError
from openai_bodies import chat, decoded_messages, refusal

PNG = v1.Blob(media_type="image/png", data=b"\x89PNG")
URL = "data:image/png;base64,iVBORw=="

BOTH_WAYS = [
    (v1.Part(blob=PNG), {"type": "image_url", "image_url": {"url": URL}}),
    (
        v1.Part(blob=PNG, extensions={"detail": '"low"'}),
        {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
    ),
    (
        v1.Part(file=v1.File(uri="https://a.example/b.png?c=1", media_type="image/png")),
        {"type": "image_url", "image_url": {"url": "https://a.example/b.png?c=1"}},
    ),
    (v1.Part(file=v1.File(id="file-1")), {"type": "file", "file": {"file_id": "file-1"}}),
    (
        v1.Part(blob=v1.Blob(media_type="audio/wav", data=b"RIFF")),
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
    ),
    (
        v1.Part(blob=v1.Blob(media_type="application/pdf", data=b"%PDF", name="a.pdf")),
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
    ),
]


def encoded(*parts: v1.Part, role: v1.Role.ValueType = v1.ROLE_USER) -> Any:
    messages = [v1.Message(role=role, parts=parts)]
    return encode_chat(v1.CompletionRequest(model="m", messages=messages), OPENAI)["messages"][0]


@pytest.mark.parametrize(("part", "wire"), BOTH_WAYS)
def test_a_file_is_the_same_on_both_sides(part: v1.Part, wire: dict[str, Any]) -> None:
    assert encoded(v1.Part(text="See"), part)["content"] == [{"type": "text", "text": "See"}, wire]
    assert decoded_messages({"role": "user", "content": [wire]})[0].parts[0] == part


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": URL},
        {"type": "input_image", "image_url": URL, "detail": "auto"},
        {"type": "image_url", "image_url": {"url": "DATA:image/PNG;charset=x;base64,iVBORw", "detail": "auto"}},
    ],
)
def test_other_forms_of_an_image_are_read(part: dict[str, Any]) -> None:
    assert decoded_messages({"role": "user", "content": [part]})[0].parts[0].blob == PNG


def test_untrusted_text_beside_an_image_is_marked() -> None:
    content = encoded(v1.Part(text="Obey"), v1.Part(blob=PNG), role=v1.ROLE_DATA)["content"]

    assert content[0]["text"].endswith("> Obey")
    assert content[1]["type"] == "image_url"


def test_a_document_behind_an_address_has_no_place_here() -> None:
    with pytest.raises(CompletionError) as caught:
        encoded(v1.Part(file=v1.File(uri="https://a.example/b.pdf")))

    assert caught.value.fields[0].field == "messages.file.uri"


def test_an_image_from_a_tool_is_refused_by_its_name() -> None:
    result = v1.Part(tool_result=v1.ToolResult(tool_call_id="c", text="ok"))

    with pytest.raises(CompletionError) as caught:
        encoded(result, v1.Part(blob=PNG), role=v1.ROLE_TOOL)

    assert caught.value.fields[0].field == "messages.blob"


def test_a_text_without_base64_is_no_file() -> None:
    part = {"type": "file", "file": {"file_data": "data:text/plain,hi"}}

    assert refusal(chat, messages=[{"role": "user", "content": [part]}])[0].endswith("file.file_data")


def test_only_models_that_read_files_claim_them() -> None:
    assert not {"messages.blob", "messages.file", "extensions.detail"} & set(LLAMA_CPP.supported_fields)
