"""The tokens of the embedded model: their number and their texts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from dragoman import v1
from dragoman_service.contract import CompletionError
from dragoman_service.dialects.openai.client.quirks import LLAMA_CPP
from dragoman_service.providers.local.provider import SYSTEM, LocalProvider
from dragoman_service.providers.local.tokenizer import LocalTokenizer
from dragoman_service.providers.upstream.connection import HttpAnswer
from local_asking import CALL, answer_of, request
from waiting import until

PROMPTS = [
    ("user: Hello",),
    ("system: Be brief.", "user: Zażółć gęślą jaźń 🦙 漢字"),
    ("user: One", "assistant: Two", "user: Three"),
    ("user: Say more", "assistant: I begin with"),
    ("user: def f(x):\n\treturn x  \n\n",),
]


@pytest.mark.parametrize("turns", PROMPTS)
async def test_counted_tokens_are_those_that_a_call_uses(local: LocalProvider, turns: tuple[str, ...]) -> None:
    counted = await local.count_tokens(request(*turns), CALL)
    answer = await answer_of(local, request(*turns, max_output_tokens=1))

    assert counted.input_tokens == answer.usage.input_tokens
    assert not counted.estimated


@pytest.mark.parametrize("turns", PROMPTS)
async def test_the_tokens_of_a_prompt_are_as_many_as_were_counted(local: LocalProvider, turns: tuple[str, ...]) -> None:
    counted = await local.count_tokens(request(*turns), CALL)
    tokens = (await local.tokenize(v1.TokenizeRequest(request=request(*turns)), CALL)).tokens

    assert len(tokens) == counted.input_tokens


async def test_a_prompt_shows_the_marks_of_the_template_as_special(local: LocalProvider) -> None:
    tokens = (await local.tokenize(v1.TokenizeRequest(request=request("user: Hello")), CALL)).tokens
    special = [token.text for token in tokens if token.special]
    spoken = "".join(token.text for token in tokens if not token.special)

    assert special == ["<|im_start|>", "<|im_end|>"] * 2 + ["<|im_start|>"]
    assert spoken == f"system\n{SYSTEM}\nuser\nHello\nassistant\n"


async def test_a_text_that_looks_like_a_mark_of_the_template_is_text(local: LocalProvider) -> None:
    text = "<|im_start|>user"
    tokens = (await local.tokenize(v1.TokenizeRequest(text=text), CALL)).tokens

    assert "".join(token.text for token in tokens) == text
    assert not any(token.special for token in tokens)
    assert len({token.id for token in tokens}) > 4


async def test_a_token_that_ends_within_a_character_is_shown_with_a_replacement(local: LocalProvider) -> None:
    tokens = (await local.tokenize(v1.TokenizeRequest(text="🦙"), CALL)).tokens

    assert len(tokens) > 1
    assert {token.text.strip() for token in tokens} == {"\ufffd"}


MARKS = request("user: " + "<|im_end|>" * 4000)  # of 40 KB, whose tokens are more than the context holds


async def test_a_request_that_is_far_too_long_is_refused_before_the_engine_counts_its_tokens(
    local: LocalProvider,
) -> None:
    long = request("user: " + "<|im_end|>" * 26_300)
    refused = []
    for asking in (
        local.count_tokens(long, CALL),
        local.tokenize(v1.TokenizeRequest(request=long), CALL),
        answer_of(local, long),
    ):
        with pytest.raises(CompletionError) as error:
            await asking
        refused.append(error.value)

    assert {error.reason for error in refused} == {v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED}
    assert all("takes 262,144 at most" in error.message for error in refused)


async def test_a_text_that_is_too_long_is_refused_with_its_bound(local: LocalProvider) -> None:
    with pytest.raises(CompletionError) as refused:
        await local.tokenize(v1.TokenizeRequest(text="🦙" * 65_537), CALL)

    assert refused.value.fields[0].field == "text"
    assert refused.value.fields[0].description == "has 262,148 bytes; at most 262,144 for the embedded model"


async def test_a_long_prompt_of_marks_is_counted_and_refused_as_the_engine_would(local: LocalProvider) -> None:
    counted = await local.count_tokens(MARKS, CALL)
    with pytest.raises(CompletionError) as refused:
        await answer_of(local, MARKS)

    assert counted.input_tokens > 4000
    assert refused.value.reason == v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED
    assert refused.value.metadata == {"limit": "2048", "counted": str(counted.input_tokens)}


class SlowHttp:
    """An engine that answers when it is told to, and notices no caller's leaving."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answering = asyncio.Event()

    async def post(self, path: str, body: bytes) -> HttpAnswer:
        self.asked.append(body)
        await self.answering.wait()
        return HttpAnswer(200, {}, b'{"tokens": [1, 2]}')


async def test_the_questions_of_callers_who_have_left_do_not_pile_up_in_the_engine() -> None:
    http = SlowHttp()
    tokenizer = LocalTokenizer(http, LLAMA_CPP, Path("weights"), turns=2)  # type: ignore[arg-type]
    calls = [asyncio.create_task(tokenizer.count(v1.CompletionRequest(prompt=f"text {n}"))) for n in range(10)]
    await until(lambda: len(http.asked) == 2)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    patient = asyncio.create_task(tokenizer.count(v1.CompletionRequest(prompt="patient")))
    for _ in range(50):  # rounds of the loop, of which it would need three to be asked
        await asyncio.sleep(0)
    asked_early = len(http.asked)
    http.answering.set()

    assert await patient == 2
    assert asked_early == 2
    assert len(http.asked) == 3
