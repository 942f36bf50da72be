"""The laws of a provider, as tests that its author inherits."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from dragoman import v1

from dragoman_service.contract import CompletionError, Provider
from dragoman_service.testing.provider_laws.claims import ClaimLaws
from dragoman_service.testing.provider_laws.harness import choice_of, folded, has_content
from dragoman_service.testing.provider_laws.tool_claims import ToolLaws

_OWN = ("delta", "safety", "citations", "choice_finished", "usage")


@pytest.mark.asyncio
class ProviderLaws(ClaimLaws, ToolLaws):
    """Subclass it, give it a fixture `provider`, and override `failing_request` and `running`.

        class TestAcme(ProviderLaws):
            @pytest_asyncio.fixture
            async def provider(self):
                async with open_acme(AcmeSettings(...)) as provider:
                    yield provider

    Each test calls the provider's first model. One task reads and closes a call, as in the service.
    """

    # 1. The last event of a choice, and only the last, is its choice_finished

    async def test_the_last_event_of_a_choice_and_only_the_last_is_its_end(self, provider: Provider) -> None:
        events = await self.events(provider, self.request(provider))
        ended = [e.choice_finished.choice_index for e in events if e.HasField("choice_finished")]
        last = {choice_of(event): event for event in events}

        assert {event.WhichOneof("event") for event in events} <= set(_OWN), "started and finished are the service's"
        assert ended == [0], "one choice was requested, and it ends once"
        assert last[0].choice_finished.finish_reason != v1.FINISH_REASON_UNSPECIFIED, "nothing follows the end"
        assert last.keys() <= {0, None}, "one choice was requested"

    # 2. No event is empty; an event is never changed after it was yielded

    async def test_no_event_is_empty(self, provider: Provider) -> None:
        for event in await self.events(provider, self.request(provider)):
            assert event.WhichOneof("event") is not None
            assert not event.HasField("delta") or has_content(event.delta)

    async def test_an_event_handed_on_is_never_touched_again(self, provider: Provider) -> None:
        kept: list[tuple[v1.CompletionEvent, bytes]] = []
        async with aclosing(self.complete(provider, self.request(provider))) as events:
            async for event in events:
                kept.append((event, event.SerializeToString(deterministic=True)))

        assert all(event.SerializeToString(deterministic=True) == before for event, before in kept)

    # 3. Failure is a CompletionError; silence is never an answer

    async def test_failure_is_a_completion_error(self, provider: Provider) -> None:
        request = self.failing_request(provider)
        with pytest.raises(Exception) as caught:  # noqa: PT011 - which exceptions are right is what is tested
            await self.events(provider, request)
        error = CompletionError.of(caught.value)

        assert error is not None, f"{caught.value!r} is not a CompletionError and has no code and reason"
        assert error.message

    # 4. Closing the iterator stops the upstream's work

    async def test_closing_the_iterator_stops_the_upstream(self, provider: Provider) -> None:
        async with aclosing(self.complete(provider, self.request(provider))) as events:
            await anext(events)
            before = await self.running(provider)

        assert before == 1
        await self.until(provider, 0)

    async def test_cancelling_the_reader_stops_the_upstream(self, provider: Provider) -> None:
        reader = asyncio.create_task(self.events(provider, self.request(provider)))
        await self.until(provider, 1)
        reader.cancel()
        await asyncio.wait([reader])

        assert reader.cancelled()
        await self.until(provider, 0)

    # 5. Calls run side by side and share nothing but connections

    async def test_calls_run_side_by_side(self, provider: Provider) -> None:
        begun = asyncio.Barrier(3)

        async def read(leaves: bool) -> list[v1.CompletionEvent]:
            found = []
            async with (
                asyncio.timeout(self.patience),
                aclosing(self.complete(provider, self.request(provider))) as events,
            ):
                async for event in events:
                    found.append(event)
                    if len(found) == 1:
                        await begun.wait()
                        if leaves:
                            break
            return found

        _, *answers = await asyncio.gather(read(True), read(False), read(False))

        assert all(folded(answer).choices[0].finish_reason for answer in answers)
        await self.until(provider, 0)

    async def test_the_streaming_hint_does_not_change_the_answer(self, provider: Provider) -> None:
        whole = await self.events(provider, self.request(provider))
        streamed = await self.events(provider, self.request(provider), streaming=True)

        assert folded(streamed) == folded(whole)
