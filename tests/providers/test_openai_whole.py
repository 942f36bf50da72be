"""The provider `openai` asks for a whole answer where the caller sees nothing of it before its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from dragoman import text_of
from dragoman_service.contract import Call, CompletionError, Whole, WholeAnswers
from dragoman_service.providers.upstream.timeouts import Timeouts
from dragoman_service.testing import serving
from local_asking import CALL, answer_of, request
from openai_serving import Serve
from raw_http import asked as asked_over
from scripted_upstream import End, Upstream
from upstream_bytes import GOOD, STREAM, json_answer

USAGE = {"prompt_tokens": 3, "completion_tokens": 2}
ANSWER = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}], "usage": USAGE}
WHOLE = json_answer(200, ANSWER)
SHORT = request("user: Hi", max_output_tokens=16)
BOUND = 480  # tokens, with the default time-out
FIRST_CHUNK = "gen_ai_client_inference_time_to_first_chunk_seconds_count{"


def unseen(*, asked: bool = False) -> Call:
    """A call whose caller sees nothing before the end."""
    return replace(CALL, whole=Whole(allowed=True, asked=asked))


async def test_it_asks_for_a_whole_answer_if_the_call_says_so(serve: Serve) -> None:
    provider, upstream = await serve((WHOLE, End.KEEP))
    whole = await answer_of(provider, SHORT, unseen(asked=True))
    streamed = await answer_of(provider, SHORT, unseen())
    asked = [(sent.body["stream"], "stream_options" in sent.body) for sent in upstream.requests]

    assert text_of(whole) == text_of(streamed) == "Hello"
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (3, 2)
    assert asked == [(False, False), (True, True)]


@pytest.mark.parametrize(
    ("first_token", "tokens", "within", "enough"),
    [
        (120.0, BOUND, None, True),
        (120.0, BOUND + 1, None, False),
        (120.0, 0, None, False),
        (120.0, 41, 10.0, False),
        (120.0, 40, 10.0, True),
        (2.0, 9, 10.0, False),
        (None, 100_000, None, True),
    ],
)
def test_an_answer_is_whole_if_even_a_slow_model_gives_it_in_time(
    first_token: float | None, tokens: int, within: float | None, enough: bool
) -> None:
    assert Timeouts(first_token).leave_time_for(tokens, within) is enough


async def test_settings_and_vendors_decide(serve: Serve) -> None:
    forms = ({}, {"upstream": "stream"}, {"upstream": "whole"}, {"vendor": "llama-cpp"}, {"first_token_timeout": "1s"})
    taken = [(await serve((WHOLE,), **form))[0].takes_whole(SHORT, None) for form in forms]

    assert taken == [True, False, True, False, False]


async def test_a_lost_whole_answer_is_worth_another_try(serve: Serve) -> None:
    provider, _ = await serve((WHOLE[:-5],))
    with pytest.raises(CompletionError) as failed:
        await answer_of(provider, SHORT, unseen(asked=True))

    assert (failed.value.reason_name, failed.value.retryable) == ("PROVIDER_UNAVAILABLE", True)


async def test_a_whole_answer_has_to_be_there_in_time(serve: Serve) -> None:
    provider, _ = await serve((WHOLE[:-5], End.HANG), first_token_timeout="50ms")
    with pytest.raises(CompletionError) as failed:
        await answer_of(provider, SHORT, unseen(asked=True))

    assert failed.value.reason_name == "PROVIDER_TIMEOUT"


async def asked_by(upstream: Upstream, call: Any, **settings: Any) -> list[bool]:
    """Whether each request to the upstream was for a stream, while `call` uses a service in front of it."""
    upstream.requests.clear()
    table = {"plugin": "openai", "base_url": upstream.url, "models": ["m", "n"]}
    async with serving(settings={"providers": {"near": table}, **settings}) as served:
        await call(served)
    return [sent.body["stream"] for sent in upstream.requests]


async def unary(served: Any, **fields: Any) -> None:
    for model in fields.pop("models", ["near/m"]):
        asked = request("user: Hi", max_output_tokens=16)
        asked.model = model
        completion = await served.completions.CreateCompletion(asked)
        assert text_of(completion) == "Hello"


async def streamed(served: Any) -> None:
    asked = request("user: Hi", max_output_tokens=16)
    asked.model = "near/m"
    events = [event async for event in served.completions.StreamCompletion(asked)]
    assert events[-1].finished.completion.choices


async def over_http(served: Any) -> None:
    body = {"model": "near/m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 16}
    async with asked_over(served.running.http_address, "POST", "/v1/chat/completions", body) as answer:
        assert answer.status == 200


async def kept(served: Any) -> None:
    asked = request("user: Hi", max_output_tokens=16)
    asked.model, asked.request_id = "near/m", "one"
    await served.completions.CreateCompletion(asked)


HEDGED = {"models": {"two": {"targets": ["near/m", "near/n"], "hedge": {"after": "10s"}}}}
PATIENT = {"models": {"two": {"targets": ["near/m", "near/n"]}}}
HASTY = {"models": {"two": {"targets": ["near/m", "near/n"], "first_token": "2s"}}}


async def of_two(served: Any) -> None:
    await unary(served, models=["two"])


@pytest.mark.parametrize(
    ("call", "settings", "streams"),
    [
        (unary, {}, False),
        (over_http, {}, False),
        (streamed, {}, True),
        (kept, {}, True),
        (of_two, PATIENT, False),
        (of_two, HASTY, True),
        (of_two, HEDGED, True),
    ],
    ids=["unary", "HTTP", "stream", "operation", "fallback", "fallback soon", "hedge"],
)
async def test_only_callers_who_see_nothing_before_the_end_get_whole_answers(
    serve: Serve, call: Any, settings: Any, streams: bool
) -> None:
    answer = STREAM + b"".join(GOOD) if streams else WHOLE
    _, upstream = await serve((answer,))

    assert await asked_by(upstream, call, **settings) == [streams]


async def test_a_whole_answer_has_no_first_token_in_metrics(serve: Serve) -> None:
    _, upstream = await serve((WHOLE, End.KEEP))
    pages: list[str] = []

    async def measured(served: Any) -> None:
        for call in (unary, streamed):
            await call(served)
            pages.append(await page_of(served))

    assert await asked_by(upstream, measured) == [False, True]
    assert [FIRST_CHUNK in page for page in pages] == [False, True]
    assert all("gen_ai_client_inference_duration_seconds_count{" in page for page in pages)


async def page_of(served: Any) -> str:
    async with asked_over(served.running.http_address, "GET", "/metrics") as answer:
        page: str = (await answer.whole()).decode()
    return page


async def test_a_provider_without_whole_answers_is_asked_as_ever() -> None:
    async with serving() as served:
        (echo,) = [one for name, one in served.running.opened.providers.items() if name == "echo"]
        asked = request("user: one two", max_output_tokens=16)
        asked.model = "echo"
        completion = await served.completions.CreateCompletion(asked)

    assert not isinstance(echo, WholeAnswers)
    assert completion.usage.output_tokens == 2
