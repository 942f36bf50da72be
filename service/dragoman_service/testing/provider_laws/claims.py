"""The laws that models keep what they claim. A law about something that the model does not claim is skipped."""

from __future__ import annotations

import pytest
from dragoman import text_of, v1

from dragoman_service.contract import Provider, Tokenizer
from dragoman_service.testing.provider_laws.harness import Harness, folded, tokenizer_of

_CONFIG = [field.name for field in v1.GenerationConfig.DESCRIPTOR.fields if field.name != "response_format"]
_FORMATS = [f"response_format.{field.name}" for field in v1.ResponseFormat.DESCRIPTOR.fields]
FIELDS = {f"generation_config.{name}" for name in [*_CONFIG, *_FORMATS, "reasoning.budget_tokens"]} | {
    "messages.author",
    "messages.blob",
    "messages.file",
    "messages.reasoning",
    "messages.refusal",
    "prompt",
    "safety_settings",
    "tool_choice.mode",
    "tool_choice.parallel",
    "tools",
}


@pytest.mark.asyncio
class ClaimLaws(Harness):
    """The part of ProviderLaws about what `models()` claims."""

    async def test_the_models_say_what_they_are(self, provider: Provider) -> None:
        models = provider.models()
        names = [model.provider_model for model in models]

        assert models, "a provider has at least one model"
        assert all(names), "each model has a provider_model"
        assert len(set(names)) == len(names), "no two models have the same provider_model"
        for model in models:
            assert {path for path in model.supported_fields if not path.startswith("extensions")} <= FIELDS, (
                "supported_fields are paths of optional fields"
            )
            assert set(model.conversation_fields) <= set(model.supported_fields), "conversation_fields are among them"
            assert isinstance(provider, Tokenizer) or not model.capabilities

    async def test_usage_is_a_running_total_that_adds_up(self, provider: Provider) -> None:
        used = [e.usage for e in await self.events(provider, self.request(provider)) if e.HasField("usage")]

        assert [total.total_tokens for total in used] == [total.input_tokens + total.output_tokens for total in used]
        assert used == sorted(used, key=lambda total: (total.input_tokens, total.output_tokens))

    async def test_the_counted_tokens_are_those_used(self, provider: Provider) -> None:
        tokenizer = tokenizer_of(provider, v1.CAPABILITY_COUNT_TOKENS)
        request = self.request(provider)
        counted = await tokenizer.count_tokens(request, self.call())
        answer = folded(await self.events(provider, request))

        assert counted.input_tokens > 0
        assert counted.estimated or counted.input_tokens == answer.usage.input_tokens

    async def test_the_tokens_of_a_prompt_are_those_counted(self, provider: Provider) -> None:
        tokenizer = tokenizer_of(provider, v1.CAPABILITY_TOKENIZE, v1.CAPABILITY_COUNT_TOKENS)
        request = self.request(provider)
        counted = await tokenizer.count_tokens(request, self.call())
        split = await tokenizer.tokenize(v1.TokenizeRequest(model=request.model, request=request), self.call())

        assert counted.estimated or len(split.tokens) == counted.input_tokens

    async def test_max_output_tokens_is_kept(self, provider: Provider) -> None:
        answer = folded(await self.events(provider, self.claiming(provider, max_output_tokens=1)))

        assert answer.choices[0].finish_reason == v1.FINISH_REASON_MAX_OUTPUT_TOKENS
        assert answer.usage.output_tokens <= 1

    async def test_as_many_choices_come_as_were_asked_for(self, provider: Provider) -> None:
        answer = folded(await self.events(provider, self.claiming(provider, choice_count=2)))

        assert [choice.index for choice in answer.choices] == [0, 1]

    async def test_a_stop_sequence_ends_the_answer_and_is_no_part_of_it(self, provider: Provider) -> None:
        whole = text_of(await self._answer(provider, self.request(provider)))
        stop = whole[len(whole) // 2 :][:3]
        answer = await self._answer(provider, self.claiming(provider, stop_sequences=[stop]))

        assert text_of(answer) == whole[: whole.index(stop)]
        assert answer.choices[0].finish_reason in (v1.FINISH_REASON_STOP, v1.FINISH_REASON_STOP_SEQUENCE)

    async def test_logprobs_spell_the_answer(self, provider: Provider) -> None:
        answer = await self._answer(provider, self.claiming(provider, include_logprobs=True))
        logprobs = answer.choices[0].logprobs
        spelt = b"".join(logprob.bytes for logprob in logprobs).decode(errors="replace")

        assert text_of(answer).strip() in spelt, "tokens may include an end token and spaces that the text has lost"
        assert all(logprob.logprob <= 0 for logprob in logprobs)

    async def test_a_prompt_is_gone_on_with_as_it_stands(self, provider: Provider) -> None:
        request = self.naming(provider, "prompt")
        request.ClearField("messages")
        request.prompt = "One, two, three, four,"
        answer = await self._answer(provider, request)

        assert text_of(answer)
        if v1.CAPABILITY_COUNT_TOKENS in provider.models()[0].capabilities and isinstance(provider, Tokenizer):
            counted = await provider.count_tokens(request, self.call())
            assert counted.estimated or counted.input_tokens == answer.usage.input_tokens

    async def test_a_participant_can_be_named(self, provider: Provider) -> None:
        request = self.naming(provider, "messages.author")
        request.messages[0].author = "ann"

        assert text_of(await self._answer(provider, request))

    async def test_a_model_told_not_to_think_does_not(self, provider: Provider) -> None:
        answer = await self._answer(
            provider, self.claiming(provider, reasoning=v1.ReasoningConfig(effort=v1.REASONING_EFFORT_NONE))
        )

        assert not any(part.HasField("reasoning") for part in answer.choices[0].message.parts)
        assert answer.usage.reasoning_tokens == 0

    async def _answer(self, provider: Provider, request: v1.CompletionRequest) -> v1.Completion:
        return folded(await self.events(provider, request))
