"""The embedded model continues a prompt as it is, and claims tools only if its template has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from dragoman import text_of, v1
from dragoman_service.providers.local.provider import LocalProvider
from local_asking import CALL, answer_of

SCHEMA = (
    '{"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"], "additionalProperties": false}'
)


def prompting(**config: Any) -> v1.CompletionRequest:
    config = {"temperature": 0, "max_output_tokens": 16, **config}
    return v1.CompletionRequest(prompt="One, two, three, four,", generation_config=v1.GenerationConfig(**config))


async def test_a_prompt_is_gone_on_with_and_no_template_is_put_around_it(local: LocalProvider) -> None:
    asked = prompting(stop_sequences=["nine"])
    answer = await answer_of(local, asked)
    counted = await local.count_tokens(asked, CALL)
    tokens = (await local.tokenize(v1.TokenizeRequest(request=asked), CALL)).tokens

    assert text_of(answer).startswith(" five, six")
    assert "nine" not in text_of(answer)
    assert answer.usage.input_tokens == counted.input_tokens == len(tokens)
    assert "".join(token.text for token in tokens) == asked.prompt


async def test_the_same_seed_gives_the_same_text(local: LocalProvider) -> None:
    answers = [text_of(await answer_of(local, prompting(temperature=1.5, seed=seed))) for seed in (7, 7, 8)]

    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize(
    ("form", "keys"),
    [({"json_schema": {"schema_json": SCHEMA}}, {"age"}), ({"json_object": {}}, None)],
    ids=["schema", "object"],
)
async def test_a_form_is_kept_to(local: LocalProvider, form: dict[str, Any], keys: set[str] | None) -> None:
    asked = prompting(response_format=form, max_output_tokens=60)
    answer = await answer_of(local, asked)
    finished = answer.choices[0].finish_reason == v1.FINISH_REASON_STOP

    assert text_of(answer).lstrip().startswith("{")
    assert not finished or keys in (None, set(json.loads(text_of(answer))))


async def test_a_grammar_is_kept_to(local: LocalProvider) -> None:
    answer = await answer_of(local, prompting(response_format={"grammar": 'root ::= " yes" | " no"'}))

    assert text_of(answer) in (" yes", " no")


async def test_logprobs_spell_the_text(local: LocalProvider) -> None:
    answer = await answer_of(local, prompting(include_logprobs=True, top_logprobs=2))
    logprobs = answer.choices[0].logprobs

    assert b"".join(logprob.bytes for logprob in logprobs).decode() == text_of(answer)
    assert all(len(logprob.top_logprobs) == 2 for logprob in logprobs)


async def test_several_choices_are_calls_of_their_own(local: LocalProvider) -> None:
    answer = await answer_of(local, prompting(temperature=1.5, seed=1, choice_count=2))

    assert text_of(answer, 0) != text_of(answer, 1)
    assert answer.usage.input_tokens == 2 * (await local.count_tokens(prompting(), CALL)).input_tokens


async def test_a_model_whose_template_has_no_place_for_tools_does_not_claim_them(local: LocalProvider) -> None:
    supported = local.models()[0].supported_fields

    assert "prompt" in supported
    assert not {"tools", "messages.author", "generation_config.reasoning"} & set(supported)
