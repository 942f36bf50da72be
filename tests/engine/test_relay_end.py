"""How a running completion ends: by itself, by a failure, or because its reader leaves."""

import asyncio
from contextlib import aclosing, suppress

import pytest
from dragoman import v1
from dragoman_service.contract import Call, CompletionError
from dragoman_service.engine.fold import Fold
from dragoman_service.engine.relay import Relay
from dragoman_service.testing import Scripted, choice_finished, delta, usage
from google.rpc import code_pb2
from relaying import FOREVER, kinds, read_all, relay_of, texts
from waiting import until

pytestmark = pytest.mark.usefixtures("nothing_is_left")


# Leaving


async def test_leaving_closes_the_upstream_within_one_turn_of_the_loop():
    provider = Scripted(delta("a"), FOREVER().wait)
    async with relay_of(provider) as relay:
        await anext(relay)
        await anext(relay)

        assert provider.running == 1
    await asyncio.sleep(0)

    assert provider.running == 0


@pytest.mark.parametrize("read", [Relay.completion, read_all], ids=["whole", "streamed"])
async def test_a_reader_that_is_cancelled_while_it_waits_closes_the_upstream(read):
    provider = Scripted(delta("a"), FOREVER().wait)

    async def serve():
        async with relay_of(provider) as relay:
            await read(relay)

    reader = asyncio.create_task(serve())
    await until(lambda: provider.running)
    reader.cancel()
    await asyncio.wait([reader])
    await asyncio.sleep(0)

    assert reader.cancelled()
    assert provider.running == 0


async def test_a_reader_that_fails_closes_the_upstream():
    provider = Scripted(delta("a"), FOREVER().wait)
    with pytest.raises(ZeroDivisionError):
        async with relay_of(provider) as relay:
            await anext(relay)
            raise ZeroDivisionError
    await asyncio.sleep(0)

    assert provider.running == 0


async def test_leaving_at_once_calls_no_upstream():
    provider = Scripted(delta("a"), choice_finished())
    async with relay_of(provider):
        pass
    await asyncio.sleep(0)

    assert not provider.requests


async def test_the_upstreams_own_clean_up_is_not_interrupted():
    cleaned = asyncio.Event()

    class Slow(Scripted):
        async def complete(self, request, call):
            try:
                async with aclosing(super().complete(request, call)) as events:
                    async for event in events:
                        yield event
            finally:
                await asyncio.sleep(0.01)
                cleaned.set()

    async with relay_of(Slow(delta("a"), FOREVER().wait)) as relay:
        await anext(relay)
        relay.fail(CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN, "end"))
        await read_all(relay)
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        await cleaned.wait()


# The end


async def test_the_completion_is_the_one_that_the_stream_ends_with():
    steps = (delta("a"), delta("b"), usage(1, 2), choice_finished())
    async with relay_of(Scripted(*steps), call_id="1") as relay:
        whole = await relay.completion()
    async with relay_of(Scripted(*steps), call_id="1") as relay:
        events, _ = await read_all(relay)

    streamed = events[-1].finished.completion
    for completion in (whole, streamed):
        completion.ClearField("create_time")
        completion.ClearField("finish_time")
    assert streamed == whole
    assert events[-1].finished.usage == whole.usage


async def test_the_deadline_ends_the_stream_with_the_usage_so_far():
    async with relay_of(Scripted(delta("a"), FOREVER().wait), remaining=0.05) as relay:
        events, error = await read_all(relay)

    assert kinds(events) == ["started", "delta", "finished"]
    assert events[-1].finished.error.code == code_pb2.DEADLINE_EXCEEDED
    assert events[-1].finished.usage.output_tokens == 1
    assert events[-1].finished.usage.partial
    assert error.reason_name == "DEADLINE"


async def test_the_deadline_ends_a_completion():
    async with relay_of(Scripted(FOREVER().wait), remaining=0.05) as relay:
        with pytest.raises(CompletionError) as caught:
            await relay.completion()

    assert caught.value.code == code_pb2.DEADLINE_EXCEEDED


async def test_the_deadline_holds_against_an_upstream_that_will_not_be_cancelled():
    release = asyncio.Event()

    class Stubborn(Scripted):
        async def complete(self, request, call):
            while not release.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    await release.wait()
            yield delta("too late")

    async with relay_of(Stubborn(), remaining=0.05) as relay:
        events, error = await read_all(relay)
        release.set()

    assert kinds(events) == ["finished"]
    assert error.reason_name == "DEADLINE"


async def test_an_upstream_that_goes_on_after_it_was_cancelled_is_closed():
    class Deaf(Scripted):
        async def complete(self, request, call):
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0)
                yield delta("more")

    async with relay_of(Deaf()) as relay:
        while (await anext(relay)).sequence < 3:
            pass


async def test_an_error_comes_after_the_events_before_it():
    broken = CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_PROVIDER_STREAM_BROKEN, "It broke.")
    async with relay_of(Scripted(delta("a"), broken)) as relay:
        events, error = await read_all(relay)

    assert texts(events) == ["a"]
    assert events[-1].finished.error.message == "It broke."
    assert error.reason_name == "PROVIDER_STREAM_BROKEN"
    assert error.metadata == {"model": "p/scripted", "provider": "p"}


async def test_a_stream_can_be_read_past_its_end():
    async with relay_of(Scripted(delta("a"), choice_finished())) as relay:
        await read_all(relay)

        assert await read_all(relay) == ([], None)


async def test_an_upstream_that_ends_without_an_answer_is_an_error():
    async with relay_of(Scripted()) as relay:
        events, error = await read_all(relay)

    assert kinds(events)[-2:] == ["attempt", "finished"]
    assert error.reason_name == "PROVIDER_MALFORMED"


async def test_any_other_exception_of_a_plugin_becomes_plugin_failed():
    async with relay_of(Scripted(delta("a"), ValueError("a secret"))) as relay:
        events, error = await read_all(relay)

    assert kinds(events) == ["started", "delta", "attempt", "finished"]
    assert error.reason_name == "PLUGIN_FAILED"
    assert "secret" not in str(events[-1])


@pytest.mark.parametrize("raised", [TimeoutError(), StopIteration(), OSError(9, "gone")], ids=repr)
async def test_exceptions_that_mean_something_to_asyncio_are_plugin_failed_too(raised):
    async with relay_of(Scripted(raised)) as relay:
        _, error = await read_all(relay)

    assert error.reason_name == "PLUGIN_FAILED"


async def test_an_upstream_that_cancels_itself_does_not_hang_the_reader():
    async with asyncio.timeout(20), relay_of(Scripted(delta("a"), asyncio.CancelledError())) as relay:
        events, error = await read_all(relay)

    assert kinds(events) == ["started", "delta", "attempt", "finished"]
    assert (error.code, error.reason_name) == (code_pb2.INTERNAL, "PLUGIN_FAILED")


async def test_a_fault_of_ours_ends_the_stream_and_is_raised_for_the_frontend_to_log():
    async def broken():
        yield delta("a")
        raise KeyError("a secret")

    async with Relay(broken(), Fold(v1.Completion()), Call("1", "me")) as relay:
        events = [await anext(relay), await anext(relay)]
        with pytest.raises(KeyError):
            await anext(relay)

    assert kinds(events) == ["delta", "finished"]
    assert "secret" not in str(events[-1])


async def test_the_first_cause_wins():
    provider = Scripted(delta("a"), FOREVER().wait)
    async with relay_of(provider) as relay:
        await anext(relay)
        relay.fail(CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN, "first"))
        relay.fail(CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN, "second"))
        _, error = await read_all(relay)

    assert error.message == "first"


async def test_a_finished_completion_cannot_fail_any_more():
    async with relay_of(Scripted(delta("a"), choice_finished())) as relay:
        await relay.completion()
        relay.fail(CompletionError(code_pb2.UNAVAILABLE, v1.ERROR_REASON_SHUTTING_DOWN, "late"))

        assert (await relay.completion()).choices[0].finish_reason == v1.FINISH_REASON_STOP
