"""The laws that every filter keeps, as tests that its author inherits."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import cast

import pytest
from dragoman import v1
from google.rpc import code_pb2

from dragoman_service.contract import Call, Complete, CompletionError, Filter
from dragoman_service.testing.provider_laws.harness import choice_of, folded, has_content
from dragoman_service.testing.scripted import Scripted, choice_finished, delta, tool_call, usage

_STARTED = v1.CompletionEvent(started=v1.Started(completion="completions/1", served_model="m", provider="p"))
_END = (choice_finished(), usage(7, 5))
Events = AsyncGenerator[v1.CompletionEvent, None]


@pytest.mark.asyncio
class FilterLaws:
    """Subclass it and give it a fixture `wrap`, the filter; override `request` and `text` if the filter refuses theirs.

        class TestAcme(FilterLaws):
            @pytest.fixture
            def wrap(self):
                return make_acme(AcmeSettings(...))

    The provider behind the filter is a scripted one.
    """

    stops_within = 1.0
    """Seconds within which a provider's iterator has to be closed after the reader has left."""
    text = "One, two, three, four and five."
    """The text that the provider answers with. The filter may rewrite it, but must let some of it through."""

    def request(self) -> v1.CompletionRequest:
        """A request that the filter passes on to the provider, changed or not."""
        prompt = v1.Message(role=v1.ROLE_USER, parts=[v1.Part(text="Count from one to five, in words.")])
        return v1.CompletionRequest(model="p/m", messages=[prompt])

    # 1. The events are well-formed: `started` first, each choice ends once and with its end, and no event is empty

    async def test_the_first_event_is_started_and_there_is_only_one(self, wrap: Filter) -> None:
        events = await self._events(wrap, self._provider())

        assert [event.HasField("started") for event in events] == [True] + [False] * (len(events) - 1)

    async def test_the_last_event_of_a_choice_and_only_the_last_is_its_end(self, wrap: Filter) -> None:
        provider = Scripted(_STARTED, delta("One ", 0), delta("Two ", 1), *_END, delta("more", 1), choice_finished(1))
        events = await self._events(wrap, provider)
        last = {choice_of(event): event for event in events}

        assert sorted(e.choice_finished.choice_index for e in events if e.HasField("choice_finished")) == [0, 1]
        assert all(last[index].HasField("choice_finished") for index in (0, 1))

    async def test_no_event_is_empty_or_the_services(self, wrap: Filter) -> None:
        for event in await self._events(wrap, self._provider()):
            assert event.WhichOneof("event") in ("started", "delta", "safety", "citations", "choice_finished", "usage")
            assert not event.HasField("delta") or has_content(event.delta)

    # 2. Events keep their order, and usage arrives

    async def test_the_parts_of_an_answer_keep_their_order(self, wrap: Filter) -> None:
        thought = v1.CompletionEvent(delta=v1.Delta(reasoning=self.text))
        steps = (_STARTED, thought, delta(self.text), tool_call(0, "{}", call_id="1", name="now"), *_END)
        kinds = [part.WhichOneof("content") for part in await self._parts(wrap, Scripted(*steps))]

        assert kinds == [kind for kind in ("reasoning", "text", "tool_call") if kind in kinds]

    async def test_usage_arrives(self, wrap: Filter) -> None:
        events = await self._events(wrap, self._provider())

        assert [event.usage.output_tokens for event in events if event.HasField("usage")] == [5]

    async def test_the_answer_does_not_depend_on_how_its_text_is_cut(self, wrap: Filter) -> None:
        whole = await self._parts(wrap, self._provider(self.text))
        for size in (1, 2, 5):
            pieces = [self.text[start : start + size] for start in range(0, len(self.text), size)]

            assert await self._parts(wrap, self._provider(*pieces)) == whole

    # 3. What belongs to others is never changed: the provider's events and the caller's request

    async def test_the_providers_events_are_not_changed(self, wrap: Filter) -> None:
        steps = [_STARTED, *map(delta, self.text.split(" ")), *_END]
        before = [step.SerializeToString(deterministic=True) for step in steps]
        await self._events(wrap, Scripted(*steps))

        assert [step.SerializeToString(deterministic=True) for step in steps] == before

    async def test_the_request_is_not_changed(self, wrap: Filter) -> None:
        request = self.request()
        await self._events(wrap, self._provider(), request)

        assert request == self.request()

    # 4. Errors pass

    @pytest.mark.parametrize("before", [(), (_STARTED,), (_STARTED, delta("One "))], ids=["first", "started", "text"])
    async def test_an_error_of_the_provider_passes(self, wrap: Filter, before: Sequence[v1.CompletionEvent]) -> None:
        error = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_UNAVAILABLE, "away", retryable=True)
        with pytest.raises(CompletionError) as caught:
            await self._events(wrap, Scripted(*before, error))

        assert (caught.value.code, caught.value.reason, caught.value.retryable) == (error.code, error.reason, True)

    # 5. Closing the iterator closes the provider's

    async def test_closing_the_iterator_closes_the_providers(self, wrap: Filter) -> None:
        provider = self._endless()
        async with aclosing(self._complete(wrap, provider)) as events:
            await anext(events)

        assert provider.running == 0, "it is closed before aclose() returns"

    async def test_cancelling_the_reader_closes_the_providers(self, wrap: Filter) -> None:
        provider = self._endless()
        reader = asyncio.create_task(self._events(wrap, provider))
        await asyncio.wait([reader], timeout=0.05)
        reader.cancel()
        await asyncio.wait([reader], timeout=self.stops_within)

        assert reader.cancelled()
        assert provider.running == 0

    # 6. Calls run concurrently and share nothing of their answers

    async def test_calls_run_concurrently(self, wrap: Filter) -> None:
        begun = asyncio.Barrier(3)
        provider = Scripted(_STARTED, delta(self.text[:9]), begun.wait, delta(self.text[9:]), *_END)
        complete = wrap(provider.complete)
        async with asyncio.timeout(10):
            answers = await asyncio.gather(*(self._read(complete) for _ in range(3)))

        assert folded(answers[0]) == folded(answers[1]) == folded(answers[2])

    async def test_the_streaming_hint_does_not_change_the_answer(self, wrap: Filter) -> None:
        whole = await self._events(wrap, self._provider())
        streamed = await self._events(wrap, self._provider(), streaming=True)

        assert folded(streamed) == folded(whole)

    def _provider(self, *pieces: str) -> Scripted:
        return Scripted(_STARTED, *map(delta, pieces or (self.text[:9], self.text[9:])), *_END)

    def _endless(self) -> Scripted:
        return Scripted(_STARTED, delta(self.text), asyncio.Event().wait)

    def _complete(
        self, wrap: Filter, provider: Scripted, request: v1.CompletionRequest | None = None, streaming: bool = False
    ) -> Events:
        return self._call(wrap(provider.complete), request, streaming)

    def _call(self, complete: Complete, request: v1.CompletionRequest | None = None, streaming: bool = False) -> Events:
        call = Call(id=uuid.uuid4().hex, caller="laws", streaming=streaming)
        return cast("Events", complete(request or self.request(), call))

    async def _read(self, complete: Complete) -> list[v1.CompletionEvent]:
        async with aclosing(self._call(complete)) as events:
            return [event async for event in events]

    async def _events(
        self, wrap: Filter, provider: Scripted, request: v1.CompletionRequest | None = None, streaming: bool = False
    ) -> list[v1.CompletionEvent]:
        async with aclosing(self._complete(wrap, provider, request, streaming)) as events:
            return [event async for event in events]

    async def _parts(self, wrap: Filter, provider: Scripted) -> list[v1.Part]:
        (choice,) = folded(await self._events(wrap, provider)).choices
        return list(choice.message.parts)
