"""Wire twins of Gemini's messages as JSON objects, and back."""

from __future__ import annotations

import pytest
from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.generativelanguage import v1 as g
from dragoman_service.dialects.google.gemini.transcoding import message_of, object_of
from dragoman_service.errors import CompletionError


def test_a_message_is_an_object_with_names_of_enums_and_whole_numbers():
    schema = a.Schema(type=a.OBJECT, properties={"size": a.Schema(type=a.INTEGER)}, min_properties=1)
    call = a.FunctionCall(name="weigh")
    call.args.update({"grams": 3, "exact": 0.5, "all": [1, {"two": 2}], "none": None})
    request = a.GenerateContentRequest(
        model="m",
        contents=[a.Content(role="user", parts=[a.Part(function_call=call, thought_signature=b"\xff\x01")])],
        generation_config=a.GenerationConfig(temperature=0.8, top_k=4, seed=0, response_schema=schema),
        safety_settings=[a.SafetySetting(category=a.HARM_CATEGORY_HATE_SPEECH, threshold=4)],
    )
    found = object_of(request)

    assert found == {
        "model": "m",
        "contents": [
            {
                "role": "user",
                "parts": [
                    {
                        "functionCall": {
                            "name": "weigh",
                            "args": {"grams": 3, "exact": 0.5, "all": [1, {"two": 2}], "none": None},
                        },
                        "thoughtSignature": "/wE=",
                    }
                ],
            }
        ],
        "generationConfig": {
            "temperature": 0.8,
            "topK": 4.0,
            "seed": 0,
            "responseSchema": {"type": "OBJECT", "properties": {"size": {"type": "INTEGER"}}, "minProperties": 1},
        },
        "safetySettings": [{"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "BLOCK_NONE"}],
    }
    assert type(found["generationConfig"]["responseSchema"]["minProperties"]) is int
    assert type(found["contents"][0]["parts"][0]["functionCall"]["args"]["grams"]) is int


def test_the_same_number_is_another_category_in_the_other_package():
    vertex, gemini = a.SafetySetting(category=3), g.SafetySetting(category=7)

    assert object_of(vertex) == object_of(gemini) == {"category": "HARM_CATEGORY_HARASSMENT"}


def test_what_a_twin_lacks_can_be_told():
    request = g.GenerateContentRequest.FromString(
        g.GenerateContentRequest(model="m", contents=[g.Content(parts=[g.Part(text="x")])]).SerializeToString()
        + bytes([27 << 3 & 0x7F | 0x80, 1, 7])
    )
    request.contents[0].parts[0].MergeFromString(bytes([14 << 3 | 2, 0]))
    found = object_of(request)

    assert found == {"model": "m", "contents": [{"parts": [{"text": "x", "field14": True}]}], "field27": True}


def test_a_structure_that_json_cannot_express_is_refused():
    call = g.FunctionCall(name="f")
    call.args.update({"size": float("inf")})
    with pytest.raises(CompletionError) as refused:
        object_of(call)

    assert refused.value.reason == v1.ERROR_REASON_MALFORMED_REQUEST


def test_an_object_is_a_message_again():
    found = {
        "candidates": [
            {
                "content": {"role": "model", "parts": [{"text": "Hi", "thoughtSignature": "/wE="}]},
                "index": 0,
                "finishReason": "STOP",
                "citationMetadata": {"citations": [{"endIndex": 2, "publicationDate": {"year": 2020, "month": 2}}]},
            }
        ],
        "usageMetadata": {"promptTokenCount": 3},
        "newerKey": {"any": 1},
    }
    response = message_of(found, a.GenerateContentResponse())

    candidate = response.candidates[0]
    assert (candidate.content.role, candidate.content.parts[0].text) == ("model", "Hi")
    assert candidate.content.parts[0].thought_signature == b"\xff\x01"
    assert candidate.finish_reason == a.Candidate.STOP
    assert candidate.citation_metadata.citations[0].publication_date.month == 2
    assert response.usage_metadata.prompt_token_count == 3


def test_an_object_that_is_nested_too_deeply_for_a_message_is_an_error():
    deep: object = {}
    for _ in range(200):
        deep = {"in": deep}
    with pytest.raises(CompletionError) as refused:
        message_of({"name": "f", "args": deep}, g.FunctionCall())

    assert refused.value.reason == v1.ERROR_REASON_PROVIDER_MALFORMED
