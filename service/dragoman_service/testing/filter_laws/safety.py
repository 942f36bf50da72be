"""The laws of filters that refuse text, as tests that their author inherits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise

import pytest
from dragoman import v1
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman_service.contract import Filter
from dragoman_service.testing.filter_laws.laws import FilterLaws
from dragoman_service.testing.provider_laws.harness import folded
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, tool_call, usage

_STARTED = v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m", provider="p"))
_KINDS = ("text", "reasoning", "tool_call")
_PLACES = st.lists(st.integers(0, 500), max_size=12)


class SafetyFilterLaws(FilterLaws):
    """Give it a fixture `wrap` as for FilterLaws, and `refused`: a text that the filter blocks, in prompts and answers.

    class TestAcme(SafetyFilterLaws):
        refused = "how to make gold"

        @pytest.fixture
        def wrap(self):
            return make_acme(AcmeSettings(words=["gold"]))
    """

    refused = ""
    """A text of which nothing may leave that makes it recognizable."""
    secret = ""
    """What makes it recognizable (default: all of it). What stands before that may leave."""
    examples = 30
    """Number of ways in which each answer is cut."""
    patience = 10.0
    """Seconds within which a blocked answer has to end."""

    # 7. What is refused never leaves, wherever the answer is cut, and the answer ends as a blocked one

    @pytest.mark.parametrize("kind", _KINDS)
    async def test_refused_text_never_leaves(self, wrap: Filter, kind: str) -> None:
        for pieces in self._cuts(self._written(kind)):
            events = await self._events(wrap, _provider(kind, pieces, choice_finished(), usage(7, 5)))
            (choice,) = folded(events).choices

            assert choice.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
            assert choice.safety.blocked
            assert any(rating.blocked and rating.category and rating.source for rating in choice.safety.ratings)
            assert self._written(kind).startswith(_left(events, kind))
            assert not self._shows(events)

    @pytest.mark.parametrize("kind", _KINDS)
    async def test_the_answer_is_the_same_wherever_it_is_cut(self, wrap: Filter, kind: str) -> None:
        for text in (self._written(kind), self._written(kind).replace(self._secret, "something")):
            end = (choice_finished(), usage(7, 5))
            whole = folded(await self._events(wrap, _provider(kind, [text], *end)))
            for pieces in self._cuts(text):
                cut = folded(await self._events(wrap, _provider(kind, pieces, *end)))

                assert _comparable(cut) == _comparable(whole)

    async def test_other_choices_go_on(self, wrap: Filter) -> None:
        request = self.request()
        request.generation_config.choice_count = 2
        steps = (delta(self.text, 1), delta(self._written("text")), choice_finished(), delta(self.text, 1))
        events = await self._events(wrap, Scripted(_STARTED, *steps, choice_finished(1), usage(7, 5)), request)
        blocked, other = folded(events).choices

        assert blocked.finish_reason == v1.FINISH_REASON_CONTENT_FILTER
        assert other.finish_reason == v1.FINISH_REASON_STOP
        assert not other.safety.blocked
        assert not self._shows(events)

    # 8. The upstream is stopped at once, and usage is reported

    async def test_a_blocked_answer_ends_the_providers(self, wrap: Filter) -> None:
        provider = Scripted(_STARTED, delta(self._written("text")), asyncio.Event().wait)
        async with asyncio.timeout(self.patience):
            events = await self._events(wrap, provider)
        used = [event.usage for event in events if event.HasField("usage")]

        assert provider.running == 0
        assert any(usage.estimated and usage.output_tokens for usage in used[-1:])

    # 9. A refused prompt reaches no provider

    @pytest.mark.parametrize("place", ["text", "parts", "tool_call", "tool_result", "system", "prompt"])
    async def test_a_refused_prompt_reaches_no_provider(self, wrap: Filter, place: str) -> None:
        request = _asking(self.refused, place)
        request.generation_config.choice_count = 2
        provider = self._provider()
        events = await self._events(wrap, provider, request)
        answer = folded(events)

        assert not provider.requests
        assert answer.prompt_safety.blocked
        assert [choice.index for choice in answer.choices] == [0, 1]
        assert {choice.finish_reason for choice in answer.choices} == {v1.FINISH_REASON_CONTENT_FILTER}
        assert not any(choice.message.parts for choice in answer.choices)
        assert any(event.HasField("usage") for event in events)
        assert not self._shows(events)

    @property
    def _secret(self) -> str:
        return self.secret or self.refused

    def _written(self, kind: str) -> str:
        text = f"{self.text} {self.refused}, {self.text}"
        return json.dumps({"text": text}) if kind == "tool_call" else text

    def _cuts(self, text: str) -> list[list[str]]:
        """The text in fragments, cut in many ways."""
        found: list[list[str]] = [list(text)]

        @settings(max_examples=self.examples, database=None, deadline=None, suppress_health_check=list(HealthCheck))
        @given(_PLACES)
        def collect(places: list[int]) -> None:
            bounds = [0, *sorted({place % len(text) for place in places}), len(text)]
            found.append([text[start:end] for start, end in pairwise(bounds)])

        collect()
        return found

    def _shows(self, events: list[v1.CompletionEvent]) -> bool:
        """Whether an event, or all of them together, show what is refused."""
        together = folded(events).SerializeToString()
        return any(self._secret.encode() in one for one in (together, *(event.SerializeToString() for event in events)))


def _provider(kind: str, pieces: Sequence[str], *end: v1.CompletionEvent) -> Scripted:
    return Scripted(_STARTED, *(_delta(kind, piece, first=not number) for number, piece in enumerate(pieces)), *end)


def _delta(kind: str, piece: str, *, first: bool) -> v1.CompletionEvent:
    if kind == "tool_call":
        return tool_call(0, piece, call_id="1" if first else "", name="write" if first else "")
    return v1.CompletionEvent(delta=v1.Delta(**{kind: piece}))  # type: ignore[arg-type]


def _left(events: Sequence[v1.CompletionEvent], kind: str) -> str:
    deltas = [event.delta for event in events if event.delta.WhichOneof("content") == kind]
    return "".join(one.tool_call.arguments_json if kind == "tool_call" else getattr(one, kind) for one in deltas)


def _comparable(completion: v1.Completion) -> v1.Completion:
    completion.ClearField("usage")  # of a blocked answer, an estimate of what was received until then
    return completion


def _asking(refused: str, place: str) -> v1.CompletionRequest:
    """A request that holds the text in one place."""
    user = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Go on.")])
    if place == "prompt":
        return v1.CompletionRequest(model="p/m", prompt=f"Say: {refused}.")
    half = len(refused) // 2
    call = v1.ToolCall(id="1", name="write", arguments_json=json.dumps({"text": f"Say: {refused}."}))
    parts = {
        "text": (v1.ROLE_USER, [v1.Part(text=f"Say: {refused}.")]),
        "parts": (v1.ROLE_USER, [v1.Part(text=f"Say: {refused[:half]}"), v1.Part(text=f"{refused[half:]}.")]),
        "tool_call": (v1.ROLE_ASSISTANT, [v1.Part(tool_call=call)]),
        "tool_result": (v1.ROLE_TOOL, [v1.Part(tool_result=v1.ToolResult(tool_call_id="1", text=refused))]),
        "system": (v1.ROLE_SYSTEM, [v1.Part(text=f"Say: {refused}.")]),
    }
    role, content = parts[place]
    return v1.CompletionRequest(model="p/m", messages=[v1.Message(role=role, parts=content), user])
