"""Predictions over gRPC, under the vendor's names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from dragoman import v1
from dragoman.dialect.google.aiplatform import v1 as a
from dragoman_service.dialects.google.predict.values import value_of
from dragoman_service.providers.echo.provider import Echo, EchoSettings
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, usage
from dragoman_service.testing.serving import Served, serving
from vertex_asking import ENDPOINT, chat, pieces, predicted, prediction_of, text
from waiting import until

NOTHING_FOUND = {"blocked": False, "categories": None, "scores": None}
TOKENS = {
    "tokenMetadata": {
        "inputTokenCount": {"totalTokens": 3, "totalBillableCharacters": 13},
        "outputTokenCount": {"totalTokens": 3, "totalBillableCharacters": 13},
    }
}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as service:
        yield service


async def refused(call: Any) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def test_a_text_is_predicted_as_the_vendor_predicts_it(served: Served) -> None:
    answer = await predicted(served, text())

    assert prediction_of(answer) == {
        "content": "hello big world",
        "safetyAttributes": {"blocked": False, "categories": [], "scores": []},
        "citationMetadata": {"citations": []},
        "finishReason": "STOP",
    }
    assert answer.metadata.struct_value["tokenMetadata"]["inputTokenCount"]["totalTokens"] == 3


async def test_a_stream_consists_of_deltas_and_a_last_piece_without_text(served: Served) -> None:
    *texts, last = await pieces(served, chat(script={"delay": "10ms"}))

    assert "".join(piece["candidates"][0]["content"] for piece in texts) == "hello big world"
    assert len(texts) > 1
    assert last == {
        "candidates": [{"author": "bot", "content": "", "finishReason": "STOP"}],
        "safetyAttributes": [NOTHING_FOUND],
        "citationMetadata": [{"citations": None}],
        "metadata": {"tokenMetadata": {**TOKENS["tokenMetadata"], "inputTokenCount": last_input(last)}},
    }


def last_input(piece: Any) -> Any:
    """The input of a chat includes its context, which here is the script."""
    return piece["metadata"]["tokenMetadata"]["inputTokenCount"]


async def test_texts_are_streamed_with_a_content_of_their_own(served: Served) -> None:
    first, last = await pieces(served, text())

    assert first == {
        "content": "hello big world",
        "safetyAttributes": NOTHING_FOUND,
        "citationMetadata": {"citations": None},
        "finishReason": "",
    }
    assert (last["content"], last["finishReason"], last["metadata"]) == ("", "STOP", TOKENS)


async def test_every_family_takes_both_names_of_the_limit(served: Served) -> None:
    for parameter in ("maxDecodeSteps", "maxOutputTokens"):
        for instance in ({"prompt": "a b c"}, {"content": "a b c"}, {"prefix": "a b c"}, chat("a b c")):
            *texts, last = await pieces(served, instance, **{parameter: 2})
            whole = prediction_of(await predicted(served, instance, **{parameter: 2.0}))

            assert "".join(_said(piece) for piece in texts) == _said(whole) == "a b"
            assert _reason(last) == _reason(whole) == "MAX_TOKENS"


def _said(piece: Any) -> str:
    return str((piece.get("candidates") or [piece])[0]["content"])


def _reason(piece: Any) -> str:
    return str((piece.get("candidates") or [piece])[0]["finishReason"])


async def test_several_candidates_are_a_complete_answer(served: Served) -> None:
    texts = await predicted(served, text("one"), candidateCount=2)
    candidates = prediction_of(await predicted(served, chat("one"), candidateCount=2))

    assert [prediction.struct_value["content"] for prediction in texts.predictions] == ["one", "one"]
    assert [candidate["content"] for candidate in candidates["candidates"]] == ["one", "one"]
    assert len(candidates["safetyAttributes"]) == len(candidates["citationMetadata"]) == 2
    error = await refused(pieces(served, text("one"), candidateCount=2))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith("parameters.candidateCount is not supported here: a stream holds one")


async def nameless(served: Served) -> None:
    request = a.PredictRequest(instances=[value_of(text())])
    method: Any = served.channel.unary_unary(
        "/google.cloud.aiplatform.v1.PredictionService/Predict",
        a.PredictRequest.SerializeToString,
        a.PredictResponse.FromString,
    )
    await method(request, timeout=10)


async def test_an_error_names_the_field_as_the_caller_does(served: Served) -> None:
    for call, code, message in (
        (pieces(served, text(), topP=7), "INVALID_ARGUMENT", "parameters.topP: is 7; must be from 0 to 1"),
        (predicted(served, text(), topK=0), "INVALID_ARGUMENT", "parameters.topK: is 0; must be from 1 to 1000"),
        (pieces(served, {"prefix": "a", "suffix": "b"}), "INVALID_ARGUMENT", "inputs[0].suffix is not supported"),
        (nameless(served), "INVALID_ARGUMENT", "endpoint: is required: "),
        (pieces(served, text(), model="no-such-model"), "NOT_FOUND", "There is no model 'no-such-model'"),
        (predicted(served, {"query": "x"}), "INVALID_ARGUMENT", "instances[0]: needs one of prompt, content"),
    ):
        error = await refused(call)

        assert error.code().name == code
        assert (error.details() or "").startswith(message)


async def test_what_is_left_out_is_told_in_trailing_metadata(served: Served) -> None:
    request = a.PredictRequest(endpoint=ENDPOINT.format("echo"))
    request.instances.add().struct_value.update({"prompt": "hello"})
    request.parameters.struct_value.update({"logitBias": {"1": 2}, "topK": 3})
    method: Any = served.channel.unary_unary(
        "/google.cloud.aiplatform.v1.PredictionService/Predict",
        a.PredictRequest.SerializeToString,
        a.PredictResponse.FromString,
    )
    call = method(request, timeout=10)
    await call
    told = dict(await call.trailing_metadata())["x-dragoman-warning"]

    assert told.startswith("parameters.logitBias: not supported here: tokens of one model are not those of another.")


async def test_with_the_policy_reject_what_would_be_left_out_is_refused() -> None:
    settings = {"providers": {"echo": {}}, "frontends": {"google": {"unsupported": "reject"}}}
    async with serving(settings=settings) as served:
        error = await refused(predicted(served, text(), logitBias={"1": 2}))

    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith("parameters.logitBias is not supported here")


FOUND = v1.SafetyAssessment(
    blocked=True,
    ratings=[v1.SafetyRating(category="hate_speech", score=0.75, level=v1.SAFETY_LEVEL_HIGH, blocked=True)],
    codes=["251", "not a number"],
)
ATTRIBUTES = {
    "blocked": True,
    "categories": ["Hate Speech"],
    "scores": [0.75],
    "safetyRatings": [
        {"category": "Hate Speech", "severity": "HIGH", "probabilityScore": 0.75, "blocked": True},
    ],
    "errors": [251],
}


@pytest.mark.parametrize("instance", [text(), chat()])
async def test_a_blocked_answer_is_a_piece_that_says_so_and_the_stream_ends_well(instance: Any) -> None:
    blocking = Scripted(
        delta("It is "),
        v1.CompletionEvent(safety=v1.SafetyReport(choice_index=0, assessment=FOUND)),
        choice_finished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER),
        usage(3, 2),
    )
    async with serving({"scripted": blocking}) as served:
        first, last = await pieces(served, instance, model="scripted/scripted")
        whole = prediction_of(await predicted(served, instance, model="scripted/scripted"))

    assert (_said(first), _said(last), _said(whole)) == ("It is ", "", "It is ")
    for piece in (last, whole):
        attributes = piece["safetyAttributes"]
        assert (attributes[0] if isinstance(attributes, list) else attributes) == ATTRIBUTES
        assert _reason(piece) == "SAFETY"


@pytest.mark.parametrize("reason", ["CONTENT_FILTER", "RECITATION"])
async def test_an_answer_that_was_withheld_is_blocked_though_nobody_says_why(served: Served, reason: str) -> None:
    *_, last = await pieces(served, chat(script={"finish_reason": reason}))

    assert last["safetyAttributes"] == [{"blocked": True, "categories": None, "scores": None}]


async def test_a_blocked_prompt_is_an_answer_without_text() -> None:
    report = v1.SafetyReport(assessment=FOUND)
    blocking = Scripted(
        v1.CompletionEvent(safety=report), choice_finished(finish_reason=v1.FINISH_REASON_CONTENT_FILTER)
    )
    async with serving({"scripted": blocking}) as served:
        (only,) = await pieces(served, text(), model="scripted/scripted")

    assert only["content"] == ""
    assert only["safetyAttributes"] == ATTRIBUTES


async def test_citations_come_with_the_end() -> None:
    citation = v1.Citation(
        start_index=0, end_index=5, uri="https://example.com/a", title="A", license="MIT", publication_date="2024-05-01"
    )
    citing = Scripted(
        delta("Hello"), v1.CompletionEvent(citations=v1.CitationReport(citations=[citation])), choice_finished()
    )
    async with serving({"scripted": citing}) as served:
        *_, last = await pieces(served, chat(), model="scripted/scripted")

    assert last["citationMetadata"][0]["citations"] == [
        {
            "startIndex": 0,
            "endIndex": 5,
            "url": "https://example.com/a",
            "title": "A",
            "license": "MIT",
            "publicationDate": "2024-05-01",
        }
    ]


async def test_log_probabilities_come_with_their_texts() -> None:
    token = v1.TokenLogprob(
        token="Hi", logprob=-0.5, bytes=b"Hi", top_logprobs=[v1.TopLogprob(token="Hi", logprob=-0.5)]
    )
    model = v1.Model(
        provider_model="scripted",
        availability=v1.AVAILABILITY_READY,
        supported_fields=["generation_config.include_logprobs", "generation_config.top_logprobs"],
    )
    provider = Scripted(delta("Hi", logprobs=[token]), choice_finished(), model=model)
    async with serving({"scripted": provider}) as served:
        first, _ = await pieces(served, text(), model="scripted/scripted", logprobs=1)
        whole = prediction_of(await predicted(served, text(), model="scripted/scripted", logprobs=1))

    assert provider.requests[0].generation_config.top_logprobs == 1
    expected = {"tokens": ["Hi"], "tokenLogProbs": [-0.5], "topLogProbs": [{"Hi": -0.5}]}
    assert first["logprobs"] == whole["logprobs"] == expected


async def test_leaving_stops_the_provider() -> None:
    echo = Echo(EchoSettings(delay=5))
    async with serving({"echo": echo}) as served:
        with pytest.raises(grpc.aio.AioRpcError):
            request = a.StreamingPredictRequest(endpoint=ENDPOINT.format("echo"))
            request.inputs.add().struct_val["prompt"].string_val.append("hello you")
            method: Any = served.channel.unary_stream(
                "/google.cloud.aiplatform.v1.PredictionService/ServerStreamingPredict",
                a.StreamingPredictRequest.SerializeToString,
                a.StreamingPredictResponse.FromString,
            )
            async for _ in method(request, timeout=0.2):
                pass
        await until(lambda: echo.running == 0)


async def test_a_client_without_a_deadline_has_that_of_the_server() -> None:
    settings = {"server.default_deadline": "200ms", "providers": {"echo": {"first_delay": "5s"}}}
    async with serving(settings=settings) as served:
        request = a.PredictRequest(endpoint=ENDPOINT.format("echo"))
        request.instances.add().struct_value.update({"prompt": "hello"})
        method: Any = served.channel.unary_unary(
            "/google.cloud.aiplatform.v1.PredictionService/Predict",
            a.PredictRequest.SerializeToString,
            a.PredictResponse.FromString,
        )
        error = await refused(method(request))

    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
