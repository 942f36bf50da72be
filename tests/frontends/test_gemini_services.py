"""Gemini over real gRPC, in each of the vendor's packages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman.dialect.google.generativelanguage import v1 as g
from dragoman_service.testing.scripted import Scripted, choice_finished, delta
from dragoman_service.testing.serving import serving
from gemini_client import BETA, PACKAGES, VERTEX, Gemini, gemini_at, refusal, text_of
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

TOOLS = {"tools": [{"functionDeclarations": [{"name": "weather", "parameters": {"type": "OBJECT"}}]}]}
CALLS = '{"tool_calls": [{"name": "weather", "arguments": {"city": "Paris", "days": 2}}]}'


@pytest.fixture(params=PACKAGES)
async def gemini(request, start_service) -> AsyncIterator[Gemini]:
    service = await start_service()
    async with gemini_at(service.grpc_address, PACKAGES[request.param]) as client:
        yield client


@pytest.fixture
async def vertex(start_service) -> AsyncIterator[Gemini]:
    service = await start_service()
    async with gemini_at(service.grpc_address, VERTEX) as client:
        yield client


async def test_an_answer_is_complete_or_comes_in_pieces(gemini):
    script = '{"delay": "5ms", "reasoning": "well now"}'
    whole = await gemini.generate(script=script)
    *pieces, last = [piece async for piece in gemini.stream(script=script)]

    candidate, usage = whole.candidates[0], whole.usage_metadata
    assert text_of(whole) == text_of(*pieces, last) == "hello big world"
    assert (candidate.content.role, candidate.finish_reason) == ("model", gemini.package.messages.Candidate.STOP)
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (3, 2)
    assert usage.total_token_count == usage.prompt_token_count + 5
    assert whole.model_version == "echo"
    assert whole.response_id
    assert len(pieces) >= 2
    assert all(not piece.candidates[0].finish_reason and text_of(piece) for piece in pieces)
    assert last.candidates[0].finish_reason == candidate.finish_reason
    assert last.usage_metadata == usage


async def test_functions_are_called_and_their_results_answered(gemini):
    answer = await gemini.generate(script=CALLS, **TOOLS)
    asked = gemini.request(script=CALLS, **TOOLS)
    asked.contents.append(answer.candidates[0].content)
    result = asked.contents.add(role="user").parts.add().function_response
    result.name = "weather"
    result.response.update({"result": "sunny"})
    after = await gemini.call(gemini.package.generating, "GenerateContent", asked, "GenerateContentResponse")

    call = answer.candidates[0].content.parts[0].function_call
    assert (call.name, dict(call.args)) == ("weather", {"city": "Paris", "days": 2})
    assert text_of(after) == "sunny"


async def test_the_state_of_a_part_and_the_safety_of_an_answer_reach_the_caller():
    refused = v1.CompletionEvent()
    rating = refused.safety.assessment.ratings.add(category="hate_speech", level=v1.SAFETY_LEVEL_HIGH, blocked=True)
    rating.score = 0.75
    refused.safety.choice_index, refused.safety.assessment.blocked = 0, True
    first = delta("Well")
    first.delta.state = b"\xff\x01"
    end = choice_finished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    async with serving({"scripted": Scripted(first, refused, end)}) as served:
        for package in (VERTEX, BETA):
            async with gemini_at(served.running.grpc_address, package) as gemini:
                pieces = [piece async for piece in gemini.stream(model=f"{package.parent}scripted/scripted")]
            last, messages = pieces[-1].candidates[0], package.messages
            signed = [part for piece in pieces for part in piece.candidates[0].content.parts if part.thought_signature]

            assert [part.thought_signature for part in signed] == [b"\xff\x01"]
            assert text_of(*pieces) == "Well"
            assert last.finish_reason == messages.Candidate.SAFETY
            assert last.safety_ratings[0].category == messages.HARM_CATEGORY_HATE_SPEECH
            assert last.safety_ratings[0].probability == messages.SafetyRating.HIGH
            assert last.safety_ratings[0].blocked


async def test_a_blocked_prompt_has_feedback_and_no_candidates():
    refused = v1.CompletionEvent()
    refused.safety.assessment.blocked = True
    refused.safety.assessment.codes.append("JAILBREAK")  # which only one of the packages has
    refused.safety.assessment.ratings.add(category="harassment", level=v1.SAFETY_LEVEL_HIGH, blocked=True)
    end = choice_finished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    async with serving({"scripted": Scripted(refused, end)}) as served:
        for package in (VERTEX, BETA):
            async with gemini_at(served.running.grpc_address, package) as gemini:
                whole = await gemini.generate(model=f"{package.parent}scripted/scripted")

            assert not whole.candidates
            reason = type(whole.prompt_feedback).DESCRIPTOR.fields_by_name["block_reason"].enum_type
            known = reason.values_by_number[whole.prompt_feedback.block_reason].name
            assert known == ("JAILBREAK" if package is VERTEX else "OTHER")
            assert whole.prompt_feedback.safety_ratings[0].category == package.messages.HARM_CATEGORY_HARASSMENT


async def test_tokens_are_counted(gemini):
    request = gemini.request()
    if gemini.package is VERTEX:
        counted = a.CountTokensRequest(model=request.model, contents=request.contents)
    else:
        counted = g.CountTokensRequest(model=request.model, generate_content_request=request)
    response = await gemini.call(gemini.package.counting, "CountTokens", counted, "CountTokensResponse")

    assert response.total_tokens == 3


async def test_tokens_are_computed_and_older_clients_name_the_model_as_an_endpoint(vertex):
    contents = vertex.request().contents
    asked = a.ComputeTokensRequest(endpoint=f"{VERTEX.parent}echo", contents=contents)
    response = await vertex.call(VERTEX.counting, "ComputeTokens", asked, "ComputeTokensResponse")
    counted = a.CountTokensRequest(endpoint=f"{VERTEX.parent}echo", contents=contents)
    count = await vertex.call(VERTEX.counting, "CountTokens", counted, "CountTokensResponse")
    counted.generation_config.response_mime_type = "application/json"
    counted.instances.add().string_value = "hello"
    error = await refusal(vertex.call(VERTEX.counting, "CountTokens", counted, "CountTokensResponse"))

    (info,) = response.tokens_info
    assert info.role == "user"
    assert list(info.tokens) == [b"hello", b" big", b" world"]
    assert len(set(info.token_ids)) == 3
    assert count.total_tokens == 3
    assert "instances: is not supported" in error.details()


@pytest.mark.parametrize("version", ["beta", "stable"])
async def test_models_are_listed_page_by_page_and_described(start_service, version):
    service, package = await start_service({"echo": {}, "other": {"plugin": "echo"}}), PACKAGES[version]
    async with gemini_at(service.grpc_address, package) as gemini:
        names, token = [], ""
        while True:
            asked = g.ListModelsRequest(page_size=1, page_token=token)
            page = await gemini.call(package.models, "ListModels", asked, "ListModelsResponse")
            names += [model.name for model in page.models]
            if not (token := page.next_page_token):
                break
        model = await gemini.call(package.models, "GetModel", g.GetModelRequest(name="models/echo/echo"), "Model")

    assert names == sorted(names)
    assert {"models/echo/echo", "models/other/echo"} <= set(names)
    assert model.name == "models/echo/echo"
    assert model.display_name == "Echo"
    assert "generateContent" in model.supported_generation_methods


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"model": "models/nothing"}, "NOT_FOUND", "nothing"),
        ({"model": ""}, "INVALID_ARGUMENT", "model: is required"),
        ({"contents": []}, "INVALID_ARGUMENT", "contents: is required"),
        ({"generationConfig": {"temperature": 9}}, "INVALID_ARGUMENT", "generationConfig.temperature: is 9;"),
        ({"cachedContent": "c"}, "INVALID_ARGUMENT", "cachedContent: "),
        ({"tools": [{"googleSearch": {}}]}, "INVALID_ARGUMENT", "googleSearch"),
        ({"script": '{"fail_after": 0, "fail_code": "RESOURCE_EXHAUSTED"}'}, "RESOURCE_EXHAUSTED", "scripted to fail"),
    ],
)
async def test_an_invalid_request_is_refused_in_the_vendors_terms(vertex, fields, code, message):
    whole, streamed = await refusal(vertex.generate(**fields)), await refusal(anext(aiter(vertex.stream(**fields))))

    for error in (whole, streamed):
        assert error.code().name == code
        assert message in error.details()


async def test_media_are_read_in_both_numberings(gemini):
    request = gemini.request()
    request.contents[0].parts.add(inline_data=gemini.package.messages.Blob(mime_type="image/png", data=b"\x89"))
    answer = await gemini.call(gemini.package.generating, "GenerateContent", request, "GenerateContentResponse")

    assert "[image/png of 1 bytes]" in answer.candidates[0].content.parts[0].text


async def test_what_is_left_out_is_named_in_trailing_metadata(vertex):
    call = vertex.stream(generationConfig={"topK": 4.0, "frequencyPenalty": 0.5})
    pieces = [piece async for piece in call]
    trailers = dict(await call.trailing_metadata())

    assert text_of(*pieces) == "hello big world"
    assert "generationConfig.frequencyPenalty" in trailers["x-dragoman-warning"]


async def test_a_field_that_is_newer_than_ours_is_named_too(vertex, start_service):
    request = vertex.request().SerializeToString() + bytes([15 << 3, 1])
    service = await start_service()
    async with grpc.aio.insecure_channel(service.grpc_address) as channel:
        call = channel.unary_unary(f"{VERTEX.generating}GenerateContent", None, None)(request)
        await call
        trailers = dict(await call.trailing_metadata())

    assert "field15: " in trailers["x-dragoman-warning"]


async def test_a_call_that_is_repeated_with_its_key_is_answered_once(vertex):
    key = (("idempotency-key", "order-66"),)
    first, second, other = await vertex.generate(key), await vertex.generate(key), await vertex.generate()

    assert first == second
    assert other.response_id != first.response_id


async def test_a_stream_that_fails_ends_in_the_error(vertex):
    texts = []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for piece in vertex.stream(script='{"fail_after": 2, "fail_code": "UNAVAILABLE", "delay": "5ms"}'):
            texts.append(text_of(piece))

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "".join(texts).startswith("hello")


async def test_reflection_shows_the_vendors_names(start_service):
    service = await start_service()

    def shown() -> tuple[set[str], set[str]]:
        with grpc.insecure_channel(service.grpc_address) as channel:
            database = ProtoReflectionDescriptorDatabase(channel)
            files = [
                database.FindFileContainingSymbol(f"google.ai.generativelanguage.{version}.GenerativeService")
                for version in ("v1beta", "v1")
            ]
            return set(database.get_services()), {file.package for file in files}

    services, packages = await asyncio.to_thread(shown)

    assert packages == {"google.ai.generativelanguage.v1beta", "google.ai.generativelanguage.v1"}
    assert {
        "google.cloud.aiplatform.v1.PredictionService",
        "google.cloud.aiplatform.v1.LlmUtilityService",
        "google.ai.generativelanguage.v1beta.ModelService",
        "google.ai.generativelanguage.v1.ModelService",
    } <= services
