"""The fields of a request that the embedded model supports, tested with the real model."""

from __future__ import annotations

import asyncio
import json
import math
from itertools import accumulate

import pytest
from dragoman import text_of, v1
from dragoman_service.contract import CompletionError
from dragoman_service.providers.local.provider import LocalProvider
from google.rpc import code_pb2
from local_asking import CALL, answer_of, events_of, request

STORY = "user: Tell me a story about a dog."


def deltas_of(events: list[v1.CompletionEvent]) -> list[str]:
    return [event.delta.text for event in events if event.HasField("delta")]


async def test_an_answer_comes_in_whole_tokens(local: LocalProvider) -> None:
    asked = request("user: What is the capital of France?", temperature=0.0, seed=1)  # without the cache, which rounds
    events = await events_of(local, asked)
    text = "The capital of France is Paris."
    tokens = (await local.tokenize(v1.TokenizeRequest(text=text), CALL)).tokens

    assert "".join(deltas_of(events)) == text
    assert len(tokens) == 7
    assert set(accumulate(deltas_of(events))) <= set(accumulate(token.text for token in tokens))
    assert [event.WhichOneof("event") for event in events[-2:]] == ["usage", "choice_finished"]


async def test_an_answer_comes_while_it_is_generated(local: LocalProvider) -> None:
    deltas = deltas_of(await events_of(local, request(STORY, max_output_tokens=100)))

    assert len(deltas) > 1  # not how many: tokens that arrive together are one delta


async def test_the_input_tokens_are_known_before_the_first_token(local: LocalProvider) -> None:
    asked = request(30 * f"{STORY} ", max_output_tokens=2)  # is read for long enough to hear of it before
    first, *_, last = await events_of(local, asked)
    counted = await local.count_tokens(asked, CALL)

    assert first.usage.input_tokens == counted.input_tokens
    assert first.usage.output_tokens == 0
    assert last.choice_finished.provider_finish_reason == "length"


async def test_a_request_at_temperature_0_has_one_answer(local: LocalProvider) -> None:
    asked = request(STORY, temperature=0.0, max_output_tokens=16)

    assert text_of(await answer_of(local, asked)) == text_of(await answer_of(local, asked))


async def test_a_seed_repeats_the_answer_and_another_one_does_not(local: LocalProvider) -> None:
    once, again, other = [
        text_of(await answer_of(local, request(STORY, temperature=1.5, seed=seed, max_output_tokens=20)))
        for seed in (7, 7, 8)
    ]

    assert once == again
    assert once != other


async def test_the_same_seed_gives_the_same_text_beside_other_calls(local: LocalProvider) -> None:
    asked = request(STORY, temperature=0.8, seed=3, max_output_tokens=16)
    alone = await answer_of(local, asked)
    together = await asyncio.gather(*(answer_of(local, asked) for _ in range(2)))

    assert {text_of(answer) for answer in together} == {text_of(alone)}


async def test_a_stop_sequence_ends_the_answer(local: LocalProvider) -> None:
    answer = await answer_of(
        local, request("user: What is the capital of France?", temperature=0.0, stop_sequences=["France"])
    )

    assert text_of(answer) == "The capital of "
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_STOP


async def test_the_answer_ends_at_max_output_tokens(local: LocalProvider) -> None:
    answer = await answer_of(local, request(STORY, max_output_tokens=5))

    assert answer.usage.output_tokens == 5
    assert answer.choices[0].finish_reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS


async def test_an_answer_keeps_to_a_schema_and_the_order_of_its_properties(local: LocalProvider) -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 99}},
        "required": ["name", "age"],
    }
    asked = request("user: Describe a person.", seed=1)
    asked.generation_config.response_format.json_schema.schema_json = json.dumps(schema)
    answer = json.loads(text_of(await answer_of(local, asked)))

    assert list(answer) == ["name", "age"]
    assert isinstance(answer["age"], int)


async def test_an_answer_is_a_json_object_on_request(local: LocalProvider) -> None:
    asked = request("user: Say hello.", temperature=1.0, choice_count=2, max_output_tokens=12)
    free = await answer_of(local, asked)
    asked.generation_config.response_format.json_object.SetInParent()
    held = await answer_of(local, asked)

    assert not any(text_of(free, index).startswith("{") for index in range(2))
    assert all(text_of(held, index).startswith("{") for index in range(2))


async def test_an_answer_keeps_to_a_grammar(local: LocalProvider) -> None:
    asked = request(STORY, temperature=2.0)
    asked.generation_config.response_format.grammar = 'root ::= "red" | "blue"'

    assert text_of(await answer_of(local, asked)) in ("red", "blue")


@pytest.mark.parametrize("form", [{"grammar": "root ::= ((("}, {"json_schema": {"schema_json": '{"type": "objekt"}'}}])
async def test_an_invalid_response_format_is_rejected(local: LocalProvider, form: dict[str, object]) -> None:
    with pytest.raises(CompletionError) as refused:
        await answer_of(local, request(STORY, response_format=form))

    assert (refused.value.code, refused.value.reason) == (code_pb2.INVALID_ARGUMENT, v1.ERROR_REASON_PROVIDER_REJECTED)


async def test_each_token_comes_with_its_probability_and_its_alternatives(local: LocalProvider) -> None:
    answer = await answer_of(
        local, request(STORY, temperature=0.0, max_output_tokens=4, include_logprobs=True, top_logprobs=3)
    )
    logprobs = answer.choices[0].logprobs

    assert "".join(token.token for token in logprobs) == text_of(answer)
    assert [len(token.top_logprobs) for token in logprobs] == [3, 3, 3, 3]
    assert all(token.logprob == max(top.logprob for top in token.top_logprobs) for token in logprobs)
    assert all(token.bytes == token.token.encode() for token in logprobs)


async def test_no_alternatives_come_without_a_request(local: LocalProvider) -> None:
    answer = await answer_of(local, request(STORY, max_output_tokens=3, include_logprobs=True))

    assert [len(token.top_logprobs) for token in answer.choices[0].logprobs] == [0, 0, 0]
    assert all(math.isfinite(token.logprob) for token in answer.choices[0].logprobs)


async def test_choices_have_their_own_seeds_and_their_usage_adds_up(local: LocalProvider) -> None:
    config = {"temperature": 1.5, "max_output_tokens": 12}
    both = await answer_of(local, request(STORY, seed=5, choice_count=2, **config))
    apart = [await answer_of(local, request(STORY, seed=seed, **config)) for seed in (5, 6)]

    assert [choice.index for choice in both.choices] == [0, 1]
    assert [text_of(both, 0), text_of(both, 1)] == [text_of(answer) for answer in apart]
    assert both.usage.input_tokens == sum(answer.usage.input_tokens for answer in apart)
    assert both.usage.output_tokens == sum(answer.usage.output_tokens for answer in apart) == 24
    assert both.usage.total_tokens == both.usage.input_tokens + both.usage.output_tokens


@pytest.mark.parametrize("config", [{"top_k": 1}, {"min_p": 1.0}, {"top_p": 0.0001}])
async def test_narrow_sampling_leaves_only_the_most_likely_token(
    local: LocalProvider, config: dict[str, float]
) -> None:
    likeliest = await answer_of(local, request(STORY, temperature=0.0, max_output_tokens=8))
    narrow = await answer_of(local, request(STORY, temperature=2.0, max_output_tokens=8, **config))

    assert text_of(narrow) == text_of(likeliest)


@pytest.mark.parametrize("penalty", ["repetition_penalty", "presence_penalty", "frequency_penalty"])
async def test_penalties_make_repetition_less_likely(local: LocalProvider, penalty: str) -> None:
    async def different_words(**config: float) -> int:
        asked = request("user: Name colours.", temperature=1.0, seed=1, choice_count=2, max_output_tokens=16, **config)
        asked.generation_config.response_format.grammar = 'root ::= (" red" | " blue" | " green" | " black"){10}'
        answer = await answer_of(local, asked)
        return sum(len(set(text_of(answer, index).split())) for index in range(2))

    assert await different_words(**{penalty: 2.0}) > await different_words()


async def test_a_last_message_of_the_assistant_is_continued(local: LocalProvider) -> None:
    turns = ("user: What is the capital of France?", "assistant: The capital of")
    answer = await answer_of(local, request(*turns, temperature=0.0))

    assert text_of(answer) == "The capital of France is Paris."


async def test_a_second_call_takes_the_prompt_from_the_cache_unless_it_has_a_seed(local: LocalProvider) -> None:
    asked = request("user: Who wrote Hamlet?", max_output_tokens=1)
    await answer_of(local, asked)
    again = await answer_of(local, asked)
    asked.generation_config.seed = 1
    seeded = await answer_of(local, asked)

    assert again.usage.cached_input_tokens > 0
    assert seeded.usage.cached_input_tokens == 0


async def test_more_calls_than_slots_are_all_answered(local: LocalProvider) -> None:
    answers = await asyncio.gather(*(answer_of(local, request(STORY, max_output_tokens=5)) for _ in range(6)))

    assert [answer.usage.output_tokens for answer in answers] == [5] * 6


async def test_a_prompt_that_does_not_fit_is_refused_with_both_counts(local: LocalProvider) -> None:
    with pytest.raises(CompletionError) as refused:
        await answer_of(local, request("user: " + "word " * 2500))

    assert refused.value.code == code_pb2.INVALID_ARGUMENT
    assert refused.value.reason == v1.ERROR_REASON_CONTEXT_LENGTH_EXCEEDED
    assert refused.value.metadata["limit"] == "2048"
    assert int(refused.value.metadata["counted"]) > 2500


async def test_an_empty_conversation_is_refused(local: LocalProvider) -> None:
    with pytest.raises(CompletionError) as refused:
        await answer_of(local, request())

    assert [field.field for field in refused.value.fields] == ["messages"]
